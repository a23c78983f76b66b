import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Cancellation } from '../../../src/engine/engine.js';
import { startMetrics } from '../../../src/server/metrics.js';
import { identityModel, identityRow } from '../../forge/inference-models.js';
import { startTestServer } from '../../forge/inference-server.js';

const server = await startTestServer({ models: { echo: identityModel('FP32') } });
const metrics = await startMetrics({
  host: '127.0.0.1',
  port: 0,
  models: server.registry,
  own: [['counter', 'assay_log_entries_total', 'entries', () => 7]],
});
after(() => metrics.close());

const REASONS = [
  'exhausted',
  'deadline',
  'execution',
  'timeout',
  'invalid-request',
  'draining',
] as const;

const scrape = async (path = '/metrics', method = 'GET'): Promise<Response> =>
  fetch(`http://127.0.0.1:${metrics.port}${path}`, { method });

test('counts what was answered and what failed, under the names that Triton gives them', async () => {
  const request = {
    model_name: 'echo',
    inputs: [{ name: 'input', datatype: 'FP32', shape: [1, 2] }],
    raw_input_contents: [Buffer.alloc(8)],
  };
  for (let i = 0; i < 3; i++) await server.call('ModelInfer', request);
  const text = await (await scrape()).text();
  for (const line of [
    'nv_inference_request_success{model="echo",version="1"} 3',
    'nv_inference_count{model="echo",version="1"} 3',
    'nv_inference_exec_count{model="echo",version="1"} 3',
    'nv_inference_request_failure{model="echo",version="1",reason="REJECTED"} 0',
    'nv_inference_request_failure{model="echo",version="1",reason="OTHER"} 0',
    'nv_inference_pending_request_count{model="echo",version="1"} 0',
    'assay_model_sessions{model="echo",version="1"} 1',
    `assay_model_memory_bytes{model="echo",version="1"} ${server.model('echo').memory}`,
    'assay_log_entries_total 7',
  ]) {
    assert.ok(text.includes(`${line}\n`), line);
  }
  assert.match(text, /nv_inference_compute_infer_duration_us\{model="echo",version="1"\} [1-9]/);
});

test('counts what failed by the reasons that Triton names', async () => {
  const model = server.model('echo');
  const cancellation = new Cancellation();
  cancellation.cancel();
  await assert.rejects(model.infer({ ...identityRow(1), cancellation }), { reason: 'cancelled' });
  for (const reason of REASONS) model.statistics.failed(1, reason);
  model.statistics.failed(1);
  const fresh = await startMetrics({ host: '127.0.0.1', port: 0, models: server.registry });
  const text = await (await fetch(`http://127.0.0.1:${fresh.port}/metrics`)).text();
  await fresh.close();
  assert.deepEqual(text.match(/^nv_inference_request_failure.*$/gm), [
    'nv_inference_request_failure{model="echo",version="1",reason="REJECTED"} 2',
    'nv_inference_request_failure{model="echo",version="1",reason="CANCELED"} 1',
    'nv_inference_request_failure{model="echo",version="1",reason="BACKEND"} 2',
    'nv_inference_request_failure{model="echo",version="1",reason="OTHER"} 3',
  ]);
});

test('answers HEAD without the text', async () => {
  const head = await scrape('/metrics', 'HEAD');
  assert.equal(head.status, 200);
  assert.match(head.headers.get('content-type') ?? '', /^text\/plain/);
  assert.equal(await head.text(), '');
});

test('answers nothing else', async () => {
  assert.equal((await scrape('/')).status, 404);
  assert.equal((await scrape('/metrics', 'POST')).status, 404);
});
