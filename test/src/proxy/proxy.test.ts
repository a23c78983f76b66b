import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { loadSync, type MethodDefinition } from '@grpc/proto-loader';
import { appraiseProof } from '../../../attestation/appraisal/appraise-proof.js';
import { parsePolicy } from '../../../attestation/appraisal/policy.js';
import { toPem } from '../../../attestation/encoding/pem.js';
import { startAdder } from '../../forge/adder-server.js';
import { type Spawned, spawnAssay } from '../../forge/cli.js';
import { servedPolicy } from '../../forge/served-policy.js';
import { repositoryRoot } from '../../vectors.js';

const server = await startAdder();
const policy = servedPolicy(server.enclave);
const protocol = loadSync(join(repositoryRoot, 'proto', 'open_inference_grpc.proto'), {
  keepCase: true,
  longs: Number,
  defaults: true,
})['inference.GRPCInferenceService'] as Readonly<Record<string, MethodDefinition<object, object>>>;

let folder = '';
let proxy: Spawned;
let client: Client;

/** A client that knows the Open Inference Protocol and nothing of Assay. */
function call(
  name: string,
  request: object,
  to: Client = client,
): Promise<Readonly<Record<string, unknown>>> {
  const method = protocol[name];
  if (method === undefined) throw new TypeError(name);
  return new Promise((resolve, reject) => {
    to.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      (error: ServiceError | null, response?: object) =>
        error === null ? resolve(response as Record<string, unknown>) : reject(error),
    );
  });
}

const request = (changes: object = {}): object => ({
  model_name: 'adder',
  id: 'seven',
  inputs: ['a', 'b'].map((name) => ({
    name,
    datatype: 'FP32',
    shape: [2],
    contents: { fp32_contents: [1, 2] },
  })),
  ...changes,
});

/** A proxy of a server, which keeps proofs in a folder of this name, and a client of it. */
async function start(target: string, proofs: string): Promise<readonly [Spawned, Client]> {
  const trust = ['--policy', join(folder, 'policy.json'), '--root', join(folder, 'root.pem')];
  const more = ['--listen', '127.0.0.1:0', '--save-proofs', join(folder, proofs)];
  const started = spawnAssay(['proxy', target, ...trust, ...more]);
  const port = await started.printed(/on port (\d+)/);
  return [started, new Client(`127.0.0.1:${port}`, credentials.createInsecure())];
}

async function stop(started: Spawned, to: Client): Promise<void> {
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
    assert.equal((await call('ServerReady', {}))['ready'], true);
    const metadata = await call('ModelMetadata', { name: 'adder' });
    assert.deepEqual(metadata['versions'], ['1']);
    const answer = await call('ModelInfer', request());
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

  test('passes no answer without a valid receipt', async () => {
    server.lies = { answer: ({ parameters }) => delete parameters['receipt'] };
    await assert.rejects(call('ModelInfer', request()), {
      code: status.DATA_LOSS,
      details: /RECEIPT_MISSING/,
    });
    server.lies = {
      answer: (answer) => {
        answer.outputs = answer.outputs.map((o) => ({ ...o, data: new Uint8Array(8) }));
      },
    };
    await assert.rejects(call('ModelInfer', request()), {
      code: status.DATA_LOSS,
      details: /RECEIPT_RESPONSE/,
    });
  });

  test('refuses what does not fit the attested signature before it is sent', async () => {
    const before = server.inferences;
    const cases = [
      [request({ model_name: 'other' }), status.NOT_FOUND],
      [request({ inputs: [] }), status.INVALID_ARGUMENT],
      [request({ outputs: [{ name: 'other' }] }), status.INVALID_ARGUMENT],
    ] as const;
    for (const [wrong, code] of cases) await assert.rejects(call('ModelInfer', wrong), { code });
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
  await call('ServerReady', {}, to);
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
    (await call('ServerReady', {}, to))['ready'],
    (await call('ModelReady', { name: 'adder' }, to))['ready'],
  ];
  assert.deepEqual(await readiness(), [true, true]);
  enclave.ready = false;
  assert.deepEqual(await readiness(), [false, false]);
  enclave.ready = true;
  assert.deepEqual(await readiness(), [true, true]);
  const [adder] = enclave.enclave.manifest.models;
  assert.ok(adder !== undefined);
  await enclave.enclave.restate([{ ...adder, name: 'second' }]);
  assert.deepEqual(await readiness(), [true, false]);
  enclave.close();
  assert.deepEqual(await readiness(), [false, false]);
  assert.equal((await call('ServerLive', {}, to))['live'], true);
  await assert.rejects(call('ModelInfer', request(), to), { code: status.UNAVAILABLE });
});

test('an answer whose proof cannot be written is not passed on, and the operator alone is told where', async (t) => {
  const [started, to] = await start(server.target, 'gone');
  t.after(() => stop(started, to));
  await rm(join(folder, 'gone'), { recursive: true });
  await assert.rejects(call('ModelInfer', request(), to), ({ code, details }: ServiceError) => {
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
  await assert.rejects(call('ModelInfer', request({ model_name: 'other' }), to), {
    code: status.NOT_FOUND,
  });
  server.lies = { answer: ({ parameters }) => delete parameters['receipt'] };
  await assert.rejects(call('ModelInfer', request(), to), { code: status.DATA_LOSS });
  await stop(started, to);
  assert.match(started.written.err, /^an answer was not passed on: RECEIPT_MISSING: .*\n$/);
});
