import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { AssayError } from '../../../attestation/encoding/error.js';
import { npzTestSet, parseNpz } from '../../../src/admission/npz.js';
import {
  findTestFolders,
  parseTensorProto,
  readTestFolder,
} from '../../../src/admission/test-sets.js';
import { elementsOf, tensor } from '../../../src/client/tensor.js';
import { npz } from '../../forge/npz.js';
import { encodeTensor } from '../../forge/onnx.js';

const folder = await mkdtemp(join(tmpdir(), 'assay-vectors-'));
after(() => rm(folder, { recursive: true, force: true }));

const names = { inputs: ['x'], outputs: ['y'] };
const x = tensor('x', 'FP32', [1, 2], [2]);
const y = tensor('y', 'INT64', [3n], [1]);

function refusal(code: string): (error: unknown) => boolean {
  return (error) => error instanceof AssayError && error.code === code;
}

for (const method of [0, 8] as const) {
  test(`an npz of method ${method} is a test set`, () => {
    const set = npzTestSet('reference', npz([y, x], method), names);
    assert.deepEqual(set.inputs.map(elementsOf), [[1, 2]]);
    assert.deepEqual(set.outputs.map(elementsOf), [[3n]]);
  });
}

test('an npz that is no zip, is cut, lies or names something else is refused', () => {
  const whole = npz([x], 8);
  assert.throws(() => parseNpz(Buffer.alloc(100)), refusal('MODEL_VECTORS'));
  assert.throws(() => parseNpz(new Uint8Array()), refusal('MODEL_VECTORS'));
  const bomb = Buffer.from(whole);
  bomb.writeUInt32LE(5, bomb.indexOf(Buffer.from('PK\u0001\u0002', 'latin1')) + 24);
  assert.throws(() => parseNpz(bomb), refusal('MODEL_VECTORS'));
  const wild = Buffer.from(whole);
  wild.writeUInt32LE(0xffff_fff0, wild.length - 22 + 16);
  assert.throws(() => parseNpz(wild), refusal('MODEL_VECTORS'));
  assert.throws(
    () => npzTestSet('reference', npz([tensor('z', 'FP32', [1])], 0), names),
    refusal('MODEL_VECTORS'),
  );
});

test('a TensorProto is a tensor of the protocol', () => {
  const strings = encodeTensor({ type: 8, dims: [2], strings: ['a', 'bc'] });
  assert.deepEqual(
    elementsOf(parseTensorProto(strings, 't')).map((element) =>
      Buffer.from(element as Uint8Array).toString(),
    ),
    ['a', 'bc'],
  );
  const many = encodeTensor({ type: 8, dims: [200_000], strings: Array(200_000).fill('a') });
  assert.equal(parseTensorProto(many, 't').data.length, 1_000_000);
  const half = parseTensorProto(encodeTensor({ type: 10, dims: [1], int32s: [0x3c00] }), 't');
  assert.equal(half.datatype, 'FP16');
  assert.deepEqual(elementsOf(half), [1]);
  const bfloat = encodeTensor({ type: 16, dims: [1], int32s: [0x3f80] });
  assert.throws(() => parseTensorProto(bfloat, 't'), AssayError);
});

test('folders are found in the order of their numbers, and read', async () => {
  for (const number of [10, 2, 0]) {
    const set = join(folder, `test_data_set_${number}`);
    await mkdir(set);
    await writeFile(
      join(set, 'input_0.pb'),
      encodeTensor({ type: 1, dims: [1], floats: [number] }),
    );
    await writeFile(join(set, 'output_0.pb'), encodeTensor({ type: 1, dims: [1], floats: [1] }));
  }
  await mkdir(join(folder, 'test_data_set_x'));
  const found = await findTestFolders(folder);
  const sets = await Promise.all(found.map((path) => readTestFolder(path, names)));
  assert.deepEqual(
    sets.map(({ name, inputs }) => [name, ...inputs.flatMap(elementsOf)]),
    [
      ['test_data_set_0', 0],
      ['test_data_set_2', 2],
      ['test_data_set_10', 10],
    ],
  );
});

test('a folder with a gap, or with more than the model has, is refused', async () => {
  const gap = join(folder, 'gap');
  await mkdir(gap);
  await writeFile(join(gap, 'input_1.pb'), encodeTensor({ type: 1, dims: [1], floats: [1] }));
  await assert.rejects(readTestFolder(gap, names), refusal('MODEL_VECTORS'));
  const more = join(folder, 'more');
  await mkdir(more);
  for (const index of [0, 1]) {
    const bytes = encodeTensor({ type: 1, dims: [1], floats: [1] });
    await writeFile(join(more, `output_${index}.pb`), bytes);
  }
  await assert.rejects(readTestFolder(more, names), refusal('MODEL_VECTORS'));
});
