import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { type ServiceError, status } from '@grpc/grpc-js';
import { appraiseProof } from '../../../attestation/appraisal/appraise-proof.js';
import { parsePolicy } from '../../../attestation/appraisal/policy.js';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { toPem } from '../../../attestation/encoding/pem.js';
import { startAdder } from '../../forge/adder-server.js';
import { type Spawned, spawnAssay } from '../../forge/cli.js';
import { adderRequest, PlainClient } from '../../forge/plain-client.js';
import { askReflection } from '../../forge/reflection.js';
import { servedPolicy } from '../../forge/served-policy.js';

const server = await startAdder();
const policy = servedPolicy(server.enclave);
let folder = '';
let proxy: Spawned;
let client: PlainClient;

/** A proxy of a server, which keeps proofs in a folder of this name, and a client of it. */
async function start(target: string, proofs: string): Promise<readonly [Spawned, PlainClient]> {
  const trust = ['--policy', join(folder, 'policy.json'), '--root', join(folder, 'root.pem')];
  const more = ['--listen', '127.0.0.1:0', '--save-proofs', join(folder, proofs)];
  const started = spawnAssay(['proxy', target, ...trust, ...more]);
  const port = await started.printed(/on port (\d+)/);
  return [started, new PlainClient(port)];
}

async function stop(started: Spawned, to: PlainClient): Promise<void> {
  to.close();
  started.kill('SIGTERM');
  assert.equal(await started.ended, 0);
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'assay-proxy-'));
  await writeFile(join(folder, 'policy.json'), JSON.stringify(policy));
  await writeFile(join(folder, 'root.pem'), toPem(server.root, 'CERTIFICATE'));
  [proxy, client] = await start(server.target, 'proofs');
});
after(async () => {
  await stop(proxy, client);
  server.close();
  await rm(folder, { recursive: true });
});
afterEach(() => {
  server.lies = {};
});

describe('the proxy', () => {
  test('answers a client that knows nothing of Assay, typed contents and all', async () => {
    assert.equal((await client.call('ServerReady'))['ready'], true);
    const metadata = await client.call('ModelMetadata', { name: 'adder' });
    assert.deepEqual(metadata['versions'], ['1']);
    const answer = await client.call('ModelInfer', adderRequest());
    assert.equal(answer['id'], 'seven');
    const [raw] = answer['raw_output_contents'] as readonly Uint8Array[];
    assert.deepEqual([...new Float32Array(new Uint8Array(raw ?? []).buffer)], [2, 4]);
    assert.match(proxy.written.out, /^SIMULATED/);
  });

  test('keeps a proof of every answer', async () => {
    const [name = ''] = await readdir(join(folder, 'proofs'));
    const proof = await readFile(join(folder, 'proofs', name));
    const { result } = await appraiseProof(proof, parsePolicy(policy), {
      at: new Date(),
      roots: [server.root],
    });
    assert.equal(result.affirmed, true, result.summary);
  });

  test('says which services it has', async () => {
    const { list_services_response: all } = await askReflection(client.client, {
      list_services: '',
    });
    assert.deepEqual(all?.service.map(({ name }) => name).sort(), [
      'grpc.health.v1.Health',
      'inference.GRPCInferenceService',
    ]);
  });

  test('passes no answer without a valid receipt', async () => {
    server.lies = { answer: ({ parameters }) => delete parameters['receipt'] };
    await assert.rejects(client.call('ModelInfer', adderRequest()), {
      code: status.DATA_LOSS,
      details: /RECEIPT_MISSING/,
    });
    server.lies = {
      answer: (answer) => {
        answer.outputs = answer.outputs.map((o) => ({ ...o, data: new Uint8Array(8) }));
      },
    };
    await assert.rejects(client.call('ModelInfer', adderRequest()), {
      code: status.DATA_LOSS,
      details: /RECEIPT_RESPONSE/,
    });
  });

  test('passes on how a request may wait', async () => {
    const asked = { priority: { int64_param: 2 }, timeout: { uint64_param: 1_500_000 } };
    await client.call('ModelInfer', adderRequest({ parameters: asked }));
    const { nonce: drawn, ...passed } = server.parameters;
    assert.ok(drawn !== undefined);
    assert.deepEqual(passed, {
      priority: { int64_param: 2 },
      timeout: { int64_param: 1_500_000 },
    });
    await client.call('ModelInfer', adderRequest());
    assert.deepEqual(Object.keys(server.parameters), ['nonce']);
  });

  test('refuses what does not fit the attested signature before it is sent', async () => {
    const before = server.inferences;
    const cases = [
      [adderRequest({ model_name: 'other' }), status.NOT_FOUND],
      [adderRequest({ inputs: [] }), status.INVALID_ARGUMENT],
      [adderRequest({ outputs: [{ name: 'other' }] }), status.INVALID_ARGUMENT],
    ] as const;
    for (const [wrong, code] of cases)
      await assert.rejects(client.call('ModelInfer', wrong), { code });
    assert.equal(server.inferences, before);
  });
});

test('a server that is not affirmed gets no proxy', async () => {
  const refused = spawnAssay(['proxy', server.target, '--root', join(folder, 'root.pem')]);
  assert.equal(await refused.ended, 1);
  assert.match(refused.written.out, /^REFUSED/m);
});

test('ends at SIGTERM, whoever is connected', { timeout: 20_000 }, async () => {
  const [started, to] = await start(server.target, 'ended');
  await to.call('ServerReady');
  started.kill('SIGTERM');
  assert.equal(await started.ended, 0);
  to.close();
});

test('a proxy and its models are ready while those of its enclave are, and it says so when that is gone', async (t) => {
  const enclave = await startAdder();
  t.after(() => enclave.close());
  const [started, to] = await start(enclave.target, 'other-proofs');
  t.after(() => stop(started, to));
  const readiness = async (): Promise<readonly unknown[]> => [
    (await to.call('ServerReady'))['ready'],
    (await to.call('ModelReady', { name: 'adder' }))['ready'],
    (await to.call('Check'))['status'],
    (await to.call('Check', { service: 'inference.GRPCInferenceService' }))['status'],
  ];
  const ready = [true, true, 'SERVING', 'SERVING'];
  const unready = [false, false, 'NOT_SERVING', 'NOT_SERVING'];
  assert.deepEqual(await readiness(), ready);
  enclave.ready = false;
  assert.deepEqual(await readiness(), unready);
  enclave.ready = true;
  assert.deepEqual(await readiness(), ready);
  const [adder] = enclave.enclave.manifest.models;
  assert.ok(adder !== undefined);
  await enclave.enclave.restate([{ ...adder, name: 'second' }]);
  assert.deepEqual(await readiness(), [true, false, 'SERVING', 'SERVING']);
  await assert.rejects(to.call('Check', { service: 'other' }), { code: status.NOT_FOUND });
  await assert.rejects(to.call('Watch'), { code: status.UNIMPLEMENTED });
  enclave.close();
  assert.deepEqual(await readiness(), unready);
  assert.equal((await to.call('ServerLive'))['live'], true);
  await assert.rejects(to.call('ModelInfer', adderRequest()), { code: status.UNAVAILABLE });
});

test('an enclave that was started again is attested anew, and its proofs are kept beside the others', async (t) => {
  const first = await startAdder();
  const [started, to] = await start(first.target, 'restarted');
  t.after(() => stop(started, to));
  await to.call('ModelInfer', adderRequest());
  first.close();
  const second = await startAdder({}, undefined, {}, 'adder', { port: first.port });
  t.after(() => second.close());
  await assert.rejects(to.call('ModelInfer', adderRequest()), { code: status.UNAVAILABLE });
  await to.call('ModelInfer', adderRequest());
  const epochs = [first, second].map(({ enclave }) => toHex(enclave.manifest.epoch).slice(0, 16));
  const proofs = await readdir(join(folder, 'restarted'));
  assert.deepEqual(proofs.sort(), epochs.map((epoch) => `${epoch}-1.proof`).sort());
  await stop(started, to);
  const { target } = first;
  assert.deepEqual(
    started.written.err.replace(/CLIENT_TLS_PIN: .*/, 'CLIENT_TLS_PIN').split('\n'),
    [
      `nothing is passed on until ${target} is attested anew: CLIENT_TLS_PIN`,
      `SIMULATED: ${target} is affirmed anew, epoch ${epochs[1]}: adder 1`,
      '',
    ],
  );
});

test('a second answer of one position overwrites no evidence of the first', async (t) => {
  const [started, to] = await start(server.target, 'forked');
  t.after(() => stop(started, to));
  await to.call('ModelInfer', adderRequest());
  const [first = ''] = await readdir(join(folder, 'forked'));
  const [epoch, index] = first.split(/[-.]/);
  const next = `${epoch}-${Number(index) + 1}`;
  await writeFile(join(folder, 'forked', `${next}.proof`), 'of a log before');
  await to.call('ModelInfer', adderRequest());
  const proofs = (await readdir(join(folder, 'forked'))).sort();
  const another = proofs.find((name) => name.startsWith(`${next}-`)) ?? '';
  assert.deepEqual(proofs, [first, `${next}.proof`, another].sort());
  assert.equal(await readFile(join(folder, 'forked', `${next}.proof`), 'utf8'), 'of a log before');
  const options = { at: new Date(), roots: [server.root] };
  const proof = await readFile(join(folder, 'forked', another));
  const { result } = await appraiseProof(proof, parsePolicy(policy), options);
  assert.equal(result.affirmed, true, result.summary);
  await stop(started, to);
  assert.ok(started.written.err.includes(`${next}.proof is there already`), started.written.err);
});

test('an answer whose proof cannot be written is not passed on, and the operator alone is told where', async (t) => {
  const [started, to] = await start(server.target, 'gone');
  t.after(() => stop(started, to));
  await rm(join(folder, 'gone'), { recursive: true });
  await assert.rejects(to.call('ModelInfer', adderRequest()), ({ code, details }: ServiceError) => {
    assert.equal(code, status.INTERNAL);
    assert.ok(!details.includes('gone'), details);
    return true;
  });
  await stop(started, to);
  assert.ok(started.written.err.includes(join(folder, 'gone')), started.written.err);
});

test('the operator is told of an answer that does not hold, and of no mistake of a caller', async (t) => {
  const [started, to] = await start(server.target, 'refused');
  t.after(() => stop(started, to));
  await assert.rejects(to.call('ModelInfer', adderRequest({ model_name: 'other' })), {
    code: status.NOT_FOUND,
  });
  server.lies = { answer: ({ parameters }) => delete parameters['receipt'] };
  await assert.rejects(to.call('ModelInfer', adderRequest()), { code: status.DATA_LOSS });
  await stop(started, to);
  assert.match(started.written.err, /^an answer was not passed on: RECEIPT_MISSING: .*\n$/);
});
