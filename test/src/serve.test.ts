import assert from 'node:assert/strict';
import { once } from 'node:events';
import { link, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { AppraisalPolicy } from '../../attestation/appraisal/policy.js';
import { toHex } from '../../attestation/encoding/bytes.js';
import { pemBlocks } from '../../attestation/encoding/pem.js';
import { identifyModel } from '../../attestation/model/identity.js';
import { connect } from '../../src/client/connect.js';
import type { Tensor } from '../../src/client/tensor.js';
import { parseConfig } from '../../src/config.js';
import { EngineError } from '../../src/engine/error.js';
import { createEngine } from '../../src/engine/onnx-engine.js';
import { type Serving, serve } from '../../src/main.js';
import { type Config, configSchema } from '../../src/service/config-schema.js';
import { affirmingPolicy, scaleModel, servedModel } from '../forge/enclave.js';
import { dataType, encodeModel } from '../forge/onnx.js';
import { serveOptions } from '../forge/serving.js';
import { simulatorKeys } from '../vectors.js';

let directory = '';
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'assay-serve-'));
});
after(() => rm(directory, { recursive: true }));

async function configure(
  tee: 'sev-snp' | 'tdx',
  served: number,
  ...pinned: readonly number[]
): Promise<Config> {
  const models = pinned.map((factor) => ({
    graph: toHex(identifyModel({ path: 'm.onnx', bytes: scaleModel(factor) }).graph),
  }));
  await writeFile(join(directory, 'scale.onnx'), scaleModel(served));
  await writeFile(join(directory, 'launch-policy.yaml'), JSON.stringify({ version: 1, models }));
  const config = {
    listen: { port: 0 },
    platform: { kind: 'simulator', tee, rootDirectory: simulatorKeys },
    launchPolicy: 'launch-policy.yaml',
    models: [{ name: 'scale', path: 'scale.onnx', batching: { maxBatchSize: 1 } }],
    workers: 1,
  };
  return parseConfig(config, {}, directory);
}

const policyFor = (factor: number, changes: Record<string, unknown> = {}): AppraisalPolicy =>
  affirmingPolicy([servedModel('scale', factor)], changes);

function vector(values: readonly number[]): Tensor {
  const data = new Uint8Array(Float32Array.from(values).buffer);
  return { name: 'x', datatype: 'FP32', shape: [values.length], data };
}

for (const tee of ['sev-snp', 'tdx'] as const) {
  describe(`serve on simulated ${tee}`, () => {
    let serving: Serving;
    let roots: readonly Uint8Array[];
    let target: string;
    before(async () => {
      serving = await serve(await configure(tee, 2, 2), serveOptions);
      roots = pemBlocks(serving.simulatedRoot ?? '', 'CERTIFICATE');
      target = `localhost:${serving.port}`;
    });
    after(() => serving.close());

    test('a client attests, infers and verifies', async () => {
      const session = await connect(target, policyFor(2), { roots });
      try {
        assert.equal(session.result.fresh && session.result.simulated, true);
        const answer = await session.infer('scale', [vector([1, -2, 0.5])]);
        assert.deepEqual(answer.outputs[0]?.data, vector([2, -4, 1]).data);
        assert.equal(answer.claims.manifest.length, 32);
        assert.equal(answer.index, 1);
        const again = await session.infer('scale', [vector([3])]);
        assert.equal(again.index, 2);
      } finally {
        session.close();
      }
    });

    test('many answers at once all verify, each at a place of its own in the log', async () => {
      const session = await connect(target, policyFor(2), { roots });
      try {
        const answers = await Promise.all(
          Array.from({ length: 64 }, (_, i) => session.infer('scale', [vector([i])])),
        );
        assert.equal(new Set(answers.map(({ index }) => index)).size, 64);
      } finally {
        session.close();
      }
    });

    test('a policy for another model refuses it', async () => {
      await assert.rejects(connect(target, policyFor(3), { roots }), {
        code: 'CLIENT_REFUSED',
        message: /enclave\.model\.graph/,
      });
    });

    test('without its root the simulator is not believed', async () => {
      await assert.rejects(connect(target, policyFor(2)), { code: 'CLIENT_REFUSED' });
    });

    test('a swapped model is not served', async () => {
      const swapped = await configure(tee, 3, 2);
      await assert.rejects(serve(swapped, serveOptions), { code: 'LAUNCH_POLICY_MODEL' });
    });

    test('a policy that was not pinned at launch is not served', async () => {
      const config = await configure(tee, 2, 2);
      const pinned = '00'.repeat(tee === 'sev-snp' ? 32 : 48);
      const other = { ...config, platform: { ...config.platform, pinned } };
      await assert.rejects(serve(configSchema.parse(other), serveOptions), {
        code: 'LAUNCH_POLICY_MISMATCH',
      });
    });
  });
}

for (const tee of ['sev-snp', 'tdx'] as const) {
  describe(`models at run time on simulated ${tee}`, () => {
    let serving: Serving;
    let roots: readonly Uint8Array[];
    let target: string;
    before(async () => {
      serving = await serve(await configure(tee, 2, 2, 3), serveOptions);
      roots = pemBlocks(serving.simulatedRoot ?? '', 'CERTIFICATE');
      target = `localhost:${serving.port}`;
    });
    after(() => serving.close());

    const put = (factor: number): Promise<void> =>
      writeFile(join(directory, 'scale.onnx'), scaleModel(factor));

    test('a reload of the same model changes nothing that a session relies on', async () => {
      const session = await connect(target, policyFor(2), { roots });
      await session.infer('scale', [vector([1])]);
      const { entries } = serving.enclave.issuer.counts;
      await serving.models.load('scale');
      assert.equal(serving.enclave.issuer.counts.entries, entries);
      const answer = await session.infer('scale', [vector([4])]);
      session.close();
      assert.deepEqual(answer.outputs[0]?.data, vector([8]).data);
    });

    test('another model is a new manifest, in evidence and in the log', async () => {
      const before = await connect(target, policyFor(2), { roots });
      await before.infer('scale', [vector([1])]);
      const { entries } = serving.enclave.issuer.counts;
      await put(3);
      await serving.models.load('scale');
      assert.equal(serving.enclave.issuer.counts.entries, entries + 1);
      await assert.rejects(before.infer('scale', [vector([1])]), { code: 'CLIENT_REFUSED' });
      before.close();
      const after = await connect(target, policyFor(3), { roots });
      const answer = await after.infer('scale', [vector([4])]);
      after.close();
      assert.deepEqual(answer.outputs[0]?.data, vector([12]).data);
      assert.deepEqual(answer.claims.manifest, serving.enclave.manifestDigest);
      await put(2);
      await serving.models.load('scale');
    });

    test('requests that were admitted before a reload finish on the model that they met', async () => {
      const session = await connect(target, policyFor(2), { roots });
      const answers = Array.from({ length: 32 }, () => session.infer('scale', [vector([1])]));
      await answers[0];
      await put(3);
      await serving.models.load('scale');
      const settled = await Promise.allSettled(answers);
      session.close();
      for (const outcome of settled) {
        if (outcome.status === 'fulfilled') {
          assert.deepEqual(outcome.value.outputs[0]?.data, vector([2]).data);
        } else {
          assert.equal(outcome.reason.code, 'CLIENT_REFUSED');
        }
      }
      await put(2);
      await serving.models.load('scale');
    });

    test('another model in the same place is refused, and the old one is served still', async () => {
      const under = toHex(serving.enclave.manifestDigest);
      await writeFile(join(directory, 'scale.onnx'), scaleModel(4));
      await assert.rejects(serving.models.load('scale'), { code: 'LAUNCH_POLICY_MODEL' });
      assert.equal(toHex(serving.enclave.manifestDigest), under);
      const session = await connect(target, policyFor(2), { roots });
      const answer = await session.infer('scale', [vector([5])]);
      session.close();
      assert.deepEqual(answer.outputs[0]?.data, vector([10]).data);
      await writeFile(join(directory, 'scale.onnx'), scaleModel(2));
    });

    test('an unloaded model is in no manifest, and comes back when it is loaded', async () => {
      await serving.models.unload('scale');
      assert.deepEqual(serving.enclave.manifest.models, []);
      const unloaded = { name: 'scale', version: '1', served: false, failure: undefined };
      assert.deepEqual(serving.models.list(), [unloaded]);
      const without = await connect(target, policyFor(2), { roots });
      await assert.rejects(without.infer('scale', [vector([1])]), { code: 'CLIENT_MODEL' });
      without.close();
      const under = toHex(serving.enclave.manifestDigest);
      await serving.models.unload('scale');
      assert.equal(toHex(serving.enclave.manifestDigest), under);
      await assert.rejects(serving.models.load('other'), { code: 'CONFIG_MODEL' });
      await serving.models.load('scale');
      const session = await connect(target, policyFor(2), { roots });
      await session.infer('scale', [vector([1])]);
      session.close();
    });
  });
}

test('a model that is a symbolic link, or has a second name, is refused', async () => {
  const config = await configure('sev-snp', 2, 2);
  const [model] = config.models;
  assert.ok(model !== undefined);
  const path = join(directory, 'other.onnx');
  const other = { ...config, models: [{ ...model, path }] };
  await symlink(model.path, path);
  await assert.rejects(serve(other, serveOptions), { code: 'MODEL_FILE' });
  await rm(path);
  await link(model.path, path);
  await assert.rejects(serve(other, serveOptions), { code: 'MODEL_FILE' });
  await rm(path);
});

test('an operator that is not executed does not rule batching out', async () => {
  const vectors = { tensor: dataType.float, shape: ['n', 2] };
  const graph = {
    nodes: [
      { op: 'Relu', inputs: ['x'], outputs: ['y'] },
      { op: 'RandomNormalLike', inputs: ['x'], outputs: ['unused'] },
    ],
    inputs: [{ name: 'x', type: vectors }],
    outputs: [{ name: 'y', type: vectors }],
  };
  const { launchPolicy: _, ...config } = await configure('sev-snp', 2, 2);
  const [model] = config.models;
  assert.ok(model !== undefined);
  await writeFile(model.path, encodeModel({ graph }));
  const batching = { ...model.batching, maxBatchSize: 2 };
  const serving = await serve({ ...config, models: [{ ...model, batching }] }, serveOptions);
  try {
    const [served] = serving.enclave.manifest.models;
    assert.ok(served !== undefined);
    assert.notEqual(served.batching.invariance, 'unproven');
  } finally {
    await serving.close();
  }
});

describe('a start that fails, and an engine that cannot be closed then', () => {
  const makeEngine: typeof createEngine = async (settings) => {
    const engine = await createEngine(settings);
    const close = engine.close.bind(engine);
    return Object.assign(engine, {
      close: async () => {
        await close();
        throw new EngineError('execution', 'the engine cannot be closed');
      },
    });
  };
  const faults: readonly (readonly [string, string, (config: Config) => unknown])[] = [
    [
      'of the enclave',
      'LAUNCH_POLICY_MISMATCH',
      (config) => ({ ...config, platform: { ...config.platform, pinned: '00'.repeat(32) } }),
    ],
    [
      'of a model',
      'MODEL_FILE',
      (config) => ({ ...config, models: [{ name: 'none', path: join(directory, 'none.onnx') }] }),
    ],
  ];
  for (const [name, code, change] of faults) {
    test(`the failure ${name} is what is told`, async () => {
      const config = configSchema.parse(change(await configure('sev-snp', 2, 2)));
      await assert.rejects(serve(config, { ...serveOptions, makeEngine }), { code });
    });
  }

  test('the failure of the engine is what is told', async () => {
    const failure = new EngineError('load', 'no thread starts');
    const failing: typeof createEngine = () => Promise.reject(failure);
    const starting = serve(await configure('sev-snp', 2, 2), {
      ...serveOptions,
      makeEngine: failing,
    });
    await assert.rejects(starting, failure);
  });

  test('the engine’s refusal of a model is told with its reason, and which model it is', async () => {
    const refusing: typeof createEngine = async (settings) => {
      const engine = await createEngine(settings);
      return Object.assign(engine, {
        load: () => Promise.reject(new EngineError('memory', 'there is no room')),
      });
    };
    const config = await configure('sev-snp', 2, 2);
    await assert.rejects(serve(config, { ...serveOptions, makeEngine: refusing }), (error) => {
      assert.ok(error instanceof EngineError);
      assert.equal(error.reason, 'memory');
      assert.match(error.message, /^model scale 1 \(.*scale\.onnx\): there is no room$/);
      return true;
    });
  });

  test('what was opened after it is closed', async (t) => {
    const { launchPolicy: _, ...config } = await configure('sev-snp', 2, 2);
    const listening = async (server: Server, port: number): Promise<{ port: number }> => {
      await once(server.listen(port, '127.0.0.1'), 'listening');
      return server.address() as AddressInfo;
    };
    const [taken, free] = [createServer(), createServer()];
    t.after(() => Promise.all([taken, free].map((server) => server.close())));
    const listen = { host: '127.0.0.1', port: (await listening(taken, 0)).port };
    const metrics = { host: '127.0.0.1', port: (await listening(free, 0)).port };
    await once(free.close(), 'close');
    const starting = serve({ ...config, listen, metrics }, { ...serveOptions, makeEngine });
    await assert.rejects(starting, { code: 'CONFIG_LISTEN' });
    await listening(free, metrics.port);
  });
});

describe('an address that somebody has', () => {
  const taken = createServer();
  let port = 0;
  before(async () => {
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    port = (taken.address() as AddressInfo).port;
  });
  after(() => taken.close());
  for (const listener of ['listen', 'plaintext', 'metrics'] as const) {
    test(`${listener}: nothing listens, and nothing keeps the process`, async () => {
      const { launchPolicy: _, ...config } = await configure('sev-snp', 2, 2);
      const address = { host: '127.0.0.1', port };
      await assert.rejects(serve({ ...config, [listener]: address }, serveOptions), {
        code: 'CONFIG_LISTEN',
        message: new RegExp(`127\\.0\\.0\\.1:${port}`),
      });
    });
  }
});
