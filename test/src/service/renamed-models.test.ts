import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parsePolicy } from '../../../attestation/appraisal/policy.js';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { pemBlocks } from '../../../attestation/encoding/pem.js';
import { SIMULATED_MEASUREMENT } from '../../../enclave/platform/simulator/snp.js';
import { connect } from '../../../src/client/connect.js';
import { elementsOf, tensor } from '../../../src/client/tensor.js';
import { scaleModel, servedModel } from '../../forge/enclave.js';
import { serveIn } from '../../forge/serving.js';

const folder = await mkdtemp(join(tmpdir(), 'assay-renamed-'));
after(() => rm(folder, { recursive: true }));
await writeFile(join(folder, 'double.onnx'), scaleModel(2));
await writeFile(join(folder, 'triple.onnx'), scaleModel(3));
const graph = (factor: number): string => toHex(servedModel('m', factor).identity.graph);

/** Serves the two files under these names, and asks for `double` of 1. */
async function ask(
  names: { readonly double: string; readonly triple: string },
  models: readonly object[],
): Promise<unknown> {
  const serving = await serveIn(folder, {
    models: [
      { name: names.double, path: 'double.onnx' },
      { name: names.triple, path: 'triple.onnx' },
    ],
  });
  try {
    const policy = parsePolicy({
      version: 1,
      snp: { measurements: [toHex(SIMULATED_MEASUREMENT)] },
      enclave: { models, allowUnpinned: true },
    });
    const roots = pemBlocks(serving.simulatedRoot ?? '', 'CERTIFICATE');
    const session = await connect(`localhost:${serving.port}`, policy, { roots });
    try {
      const { outputs } = await session.infer('double', [tensor('x', 'FP32', [1], [1])]);
      return outputs.map(elementsOf);
    } finally {
      session.close();
    }
  } finally {
    await serving.close();
  }
}

const honest = { double: 'double', triple: 'triple' };
const exchanged = { double: 'triple', triple: 'double' };
const named = [
  { name: 'double', graph: graph(2) },
  { name: 'triple', graph: graph(3) },
];

test('a policy that names its models is met by a host that does so too', async () => {
  assert.deepEqual(await ask(honest, named), [[2]]);
});

test('a host that exchanges the names of two known models is refused', async () => {
  await assert.rejects(ask(exchanged, named), (error: unknown) => {
    assert.ok(error instanceof Error && 'result' in error);
    assert.equal((error.result as { code: string }).code, 'enclave.model.name');
    return true;
  });
});

test('a policy that names none of its models leaves their names to the host', async () => {
  const unnamed = named.map((model) => ({ graph: model.graph }));
  assert.deepEqual(await ask(exchanged, unnamed), [[3]]);
});
