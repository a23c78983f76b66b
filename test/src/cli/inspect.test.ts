import assert from 'node:assert/strict';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { before, test } from 'node:test';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { vectorsDigest } from '../../../attestation/evidence/self-test.js';
import { identifyModel } from '../../../attestation/model/identity.js';
import { assay } from '../../forge/cli.js';
import { encodeModel, encodeTensor } from '../../forge/onnx.js';
import type { ModelInit, TensorInit } from '../../forge/onnx-init.js';
import { testFolder } from '../../forge/test-folder.js';

const { at } = testFolder();

const weights = new Uint8Array(16).fill(7);
const bare = { name: 'w', type: 1, dims: [2, 2] };

function linear(weight: TensorInit): ModelInit {
  return {
    producer: ['a\u001b[31mforger', '1'],
    graph: {
      inputs: [{ name: 'x', type: { tensor: 1, shape: ['N', 2] } }],
      initializers: [weight],
      nodes: [{ op: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] }],
      outputs: [{ name: 'y', type: { tensor: 1, shape: ['N', null] } }],
    },
  };
}

const model = linear({ ...bare, raw: weights });

before(async () => {
  await mkdir(at('data'));
  await writeFile(at('model.onnx'), encodeModel(model));
  await writeFile(at('data/w.bin'), weights);
  await writeFile(
    at('external.onnx'),
    encodeModel(linear({ ...bare, external: { location: 'data/w.bin' } })),
  );
  await symlink('/etc/hostname', at('escape.bin'));
  await writeFile(
    at('escape.onnx'),
    encodeModel(linear({ ...bare, external: { location: 'escape.bin' } })),
  );
});

test('inspect prints identity, signature and operators', async () => {
  const { code, out } = await assay(['inspect', at('model.onnx')]);
  const { graph } = identifyModel({ path: 'model.onnx', bytes: encodeModel(model) });
  assert.equal(code, 0);
  assert.match(out, new RegExp(`graph +${toHex(graph)}`));
  assert.match(out, /x +tensor\(float\) \[N, 2\]/);
  assert.match(out, /y +tensor\(float\) \[N, \?\]/);
  assert.match(out, /MatMul +1 +ai\.onnx/);
  assert.match(out, /parameters +4 in 1 tensors/);
});

test('what a model says of itself cannot write to the terminal', async () => {
  const { out } = await assay(['inspect', at('model.onnx')]);
  assert.ok(out.includes('a\\u{1b}[31mforger 1'));
  assert.ok(!out.includes('\u001b'));
});

test('inspect reads external data, and gives the same graph', async () => {
  const [inside, beside] = await Promise.all(
    ['model.onnx', 'external.onnx'].map(async (name) => {
      const { code, out } = await assay(['--json', 'inspect', at(name)]);
      assert.equal(code, 0);
      return JSON.parse(out) as { graph: string; weights: string; files: { path: string }[] };
    }),
  );
  assert.equal(inside?.graph, beside?.graph);
  assert.equal(inside?.weights, beside?.weights);
  assert.deepEqual(
    beside?.files.map(({ path }) => path),
    ['external.onnx', 'data/w.bin'],
  );
});

for (const [what, name, code, exit] of [
  ['external data behind a link that leaves the folder', 'escape.onnx', 'USAGE_FILE', 2],
  ['a file that is not there', 'missing.onnx', 'USAGE_FILE', 2],
  ['a file that is no model', 'data/w.bin', 'MODEL_', 1],
] as const) {
  test(`inspect refuses ${what}`, async () => {
    const result = await assay(['inspect', at(name)]);
    assert.equal(result.code, exit);
    assert.match(result.err, new RegExp(`error ${code}`));
    assert.equal(result.out, '');
  });
}

test('prints the digest of the test vectors beside a model, which policies name', async () => {
  await mkdir(at('package/test_data_set_0'), { recursive: true });
  const pair = (dims: number[], floats: number[]) => encodeTensor({ type: 1, dims, floats });
  await writeFile(at('package/model.onnx'), encodeModel(model));
  await writeFile(at('package/test_data_set_0/input_0.pb'), pair([1, 2], [1, 2]));
  await writeFile(at('package/test_data_set_0/output_0.pb'), pair([1, 2], [3, 4]));
  const tensorOf = (name: string, values: number[]) => ({
    name,
    datatype: 'FP32',
    shape: [1, 2],
    data: new Uint8Array(Float32Array.from(values).buffer),
  });
  const sets = [{ inputs: [tensorOf('x', [1, 2])], outputs: [tensorOf('y', [3, 4])] }];
  const bare = JSON.parse((await assay(['inspect', at('package/model.onnx'), '--json'])).out);
  assert.deepEqual(bare.vectors, {
    digest: toHex(vectorsDigest(sets, null)),
    sets: 1,
    tolerances: false,
  });
  await writeFile(at('package/tolerances.json'), '{"version":1,"default":{"ulp":4}}');
  const { out } = await assay(['inspect', at('package/model.onnx')]);
  assert.match(out, new RegExp(toHex(vectorsDigest(sets, { default: { ulp: 4 } }))));
});
