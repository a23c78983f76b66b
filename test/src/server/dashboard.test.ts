import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { startMetrics } from '../../../src/server/metrics.js';
import { ModelRegistry } from '../../../src/server/model-registry.js';
import { ownMetrics } from '../../../src/server/own-metrics.js';
import { repositoryRoot } from '../../vectors.js';

const metrics = await startMetrics({
  host: '127.0.0.1',
  port: 0,
  models: new ModelRegistry(),
  own: ownMetrics(
    {
      issuer: { counts: { entries: 1, heads: 1 }, published: { size: 0, at: undefined } },
      evidenceCounts: { reports: 1, answers: 1 },
    },
    { memory: { budget: 2, reserved: 1 }, requestMemory: { limit: 2, held: 1 } },
  ),
});
after(() => metrics.close());

test('the example dashboard asks for metrics that there are', async () => {
  const text = await readFile(join(repositoryRoot, 'docs', 'grafana-dashboard.json'), 'utf8');
  const scraped = await (await fetch(`http://127.0.0.1:${metrics.port}/metrics`)).text();
  const known = new Set([...scraped.matchAll(/^# TYPE (\w+) /gm)].map(([, name]) => name));
  const asked = new Set(text.match(/\b(nv|assay|nodejs|process)_\w+/g));
  assert.ok(asked.size > 8);
  assert.deepEqual(
    [...asked].filter((name) => !known.has(name)),
    [],
  );
});

test('the panel of failures has a line for each model, whatever the reasons', async () => {
  const text = await readFile(join(repositoryRoot, 'docs', 'grafana-dashboard.json'), 'utf8');
  assert.match(text, /"sum without \(reason\) \(rate\(nv_inference_request_failure\[/);
});

test('the panel of requests that share an execution counts requests, whatever their rows', async () => {
  const text = await readFile(join(repositoryRoot, 'docs', 'grafana-dashboard.json'), 'utf8');
  const { panels } = JSON.parse(text) as {
    panels: readonly { title: string; targets: readonly { expr: string }[] }[];
  };
  const panel = panels.find(({ title }) => title === 'Requests that share an execution');
  assert.deepEqual(panel?.targets[0]?.expr.match(/nv_\w+/g), [
    'nv_inference_request_success',
    'nv_inference_exec_count',
  ]);
});
