import assert from 'node:assert/strict';
import { link, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
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
import { type Config, configSchema } from '../../src/config-schema.js';
import { makeLog } from '../../src/log.js';
import { type Serving, serve } from '../../src/main.js';
import { affirmingPolicy, scaleModel, servedModel, simulatorKeys } from '../forge/enclave.js';

const clean = { env: {}, execArgv: [], inspector: undefined };
const options = {
  log: makeLog('silent'),
  surroundings: clean,
  now: () => new Date(),
  onFatal: (error: Error): void => {
    throw error;
  },
};

let directory = '';
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'assay-serve-'));
});
after(() => rm(directory, { recursive: true }));

async function configure(tee: 'sev-snp' | 'tdx', served: number, pinned: number): Promise<Config> {
  const { graph } = identifyModel({ path: 'm.onnx', bytes: scaleModel(pinned) });
  await writeFile(join(directory, 'scale.onnx'), scaleModel(served));
  await writeFile(
    join(directory, 'launch-policy.yaml'),
    JSON.stringify({ version: 1, models: [{ graph: toHex(graph) }] }),
  );
  const config = {
    listen: { port: 0 },
    platform: { kind: 'simulator', tee, rootDirectory: simulatorKeys },
    launchPolicy: 'launch-policy.yaml',
    models: [{ name: 'scale', path: 'scale.onnx' }],
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
      serving = await serve(await configure(tee, 2, 2), options);
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

    test('many answers at once share tree heads and all verify', async () => {
      const session = await connect(target, policyFor(2), { roots });
      try {
        const answers = await Promise.all(
          Array.from({ length: 64 }, (_, i) => session.infer('scale', [vector([i])])),
        );
        const heads = new Set(answers.map(({ head }) => toHex(head.signature)));
        assert.equal(new Set(answers.map(({ index }) => index)).size, 64);
        assert.ok(heads.size < 64, `${heads.size} signatures for 64 answers`);
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
      await assert.rejects(serve(swapped, options), { code: 'LAUNCH_POLICY_MODEL' });
    });

    test('a policy that was not pinned at launch is not served', async () => {
      const config = await configure(tee, 2, 2);
      const pinned = '00'.repeat(tee === 'sev-snp' ? 32 : 48);
      const other = { ...config, platform: { ...config.platform, pinned } };
      await assert.rejects(serve(configSchema.parse(other), options), {
        code: 'LAUNCH_POLICY_MISMATCH',
      });
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
  await assert.rejects(serve(other, options), { code: 'MODEL_FILE' });
  await rm(path);
  await link(model.path, path);
  await assert.rejects(serve(other, options), { code: 'MODEL_FILE' });
  await rm(path);
});
