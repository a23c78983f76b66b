import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { AssayError } from '../../../attestation/encoding/error.js';
import { npzTestSet } from '../../../src/admission/npz.js';
import { readPackageVectors } from '../../../src/admission/package-vectors.js';
import {
  findTestFolders,
  parseTensorProto,
  readTestFolder,
} from '../../../src/admission/test-sets.js';
import { elementsOf, type Tensor, tensor } from '../../../src/client/tensor.js';
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

/** An npz whose directory entries, which begin at these offsets, were written over. */
function forged(
  tensors: readonly Tensor[],
  change: (bytes: Buffer, entries: readonly number[]) => void,
): Buffer {
  const bytes = npz(tensors, 8);
  const entries: number[] = [];
  const signature = Buffer.from('PK\u0001\u0002', 'latin1');
  for (let at = bytes.indexOf(signature); at >= 0; at = bytes.indexOf(signature, at + 1)) {
    entries.push(at);
  }
  change(bytes, entries);
  return bytes;
}

describe('an npz is refused', () => {
  const whole = npz([x], 8);
  const flipped = npz([x], 0);
  const at = flipped.indexOf(x.data);
  flipped.writeUInt8(flipped.readUInt8(at) ^ 1, at);
  const cases: readonly (readonly [string, Uint8Array, RegExp])[] = [
    ['that is no zip', Buffer.alloc(100), /no zip file/],
    ['that is empty', new Uint8Array(), /no zip file/],
    [
      'whose directory is elsewhere',
      forged([x], (bytes) => bytes.writeUInt32LE(0xffff_fff0, bytes.length - 22 + 16)),
      /ends inside a record/,
    ],
    [
      'whose array ends elsewhere',
      forged([x], (bytes, [at = 0]) => bytes.writeUInt32LE(whole.length, at + 20)),
      /ends inside an array/,
    ],
    [
      'that inflates to more than it says',
      forged([x], (bytes, [at = 0]) => bytes.writeUInt32LE(5, at + 24)),
      /"x" that does not inflate to 5 bytes/,
    ],
    [
      'that inflates to less than it says',
      forged([x], (bytes, [at = 0]) => bytes.writeUInt32LE(1000, at + 24)),
      /contradicts its directory/,
    ],
    [
      'in which one bit of an array is another',
      flipped,
      /an array "x" whose CRC-32 is not the one in the directory/,
    ],
    [
      'for a name that the model has not, before it is inflated',
      forged([x, tensor('z', 'FP32', [1])], (bytes, entries) => {
        for (const at of entries) bytes.writeUInt32LE(5, at + 24);
      }),
      /an array "z", which is no input or output/,
    ],
    ['for a name that is there twice', npz([x, x], 8), /the array "x" twice/],
    [
      'for arrays that share their bytes',
      forged([x, y], (bytes, [first = 0, second = 0]) => {
        for (const field of [20, 24, 42])
          bytes.copy(bytes, second + field, first + field, first + field + 4);
      }),
      /arrays that overlap/,
    ],
    [
      'for more bytes than all arrays may have',
      forged([x, y], (bytes, entries) => {
        for (const at of entries) bytes.writeUInt32LE(2 ** 29 + 1, at + 24);
      }),
      /arrays of 1073741826 bytes: expected at most 1073741824/,
    ],
  ];
  for (const [name, bytes, message] of cases) {
    test(name, () =>
      assert.throws(() => npzTestSet('reference', bytes, names), {
        code: 'MODEL_VECTORS',
        message,
      }),
    );
  }
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

describe('the name that a file gives its tensor', () => {
  const signature = { inputs: ['a', 'b'], outputs: ['c', 'd'] };
  const cases: readonly (readonly [string, string, string | undefined, string | null])[] = [
    ['that of its place counts', 'input_1', 'b', null],
    ['none counts by its number', 'input_1', undefined, null],
    ['one that the model does not have counts by its number', 'input_1', 'gpu_0/data_0', null],
    [
      'that of another input is refused',
      'input_1',
      'a',
      'expected input_1.pb to be "b", whose place in the signature that is, not "a"',
    ],
    [
      'that of an output is refused of an input',
      'input_0',
      'c',
      'expected input_0.pb to be "a", whose place in the signature that is, not "c"',
    ],
    [
      'that of another output is refused',
      'output_0',
      'd',
      'expected output_0.pb to be "c", whose place in the signature that is, not "d"',
    ],
  ];
  for (const [what, changed, name, refused] of cases) {
    test(what, async () => {
      const own = await mkdtemp(join(folder, 'named-'));
      for (const file of ['input_0', 'input_1', 'output_0']) {
        const named = file === changed && name !== undefined ? { name } : {};
        const bytes = encodeTensor({ ...named, type: 1, dims: [1], floats: [1] });
        await writeFile(join(own, `${file}.pb`), bytes);
      }
      const read = readTestFolder(own, signature);
      if (refused !== null) {
        await assert.rejects(read, { code: 'MODEL_VECTORS', message: `${own}: ${refused}` });
        return;
      }
      const { inputs, outputs } = await read;
      const called = [...inputs, ...outputs].map((tensor) => tensor.name);
      assert.deepEqual(called, ['a', 'b', 'c']);
    });
  }
});

describe('a package without vectors that it names is refused', () => {
  const all = ['test_data_set_0/input_0.pb', 'test_data_set_0/output_0.pb'];
  const cases: readonly (readonly [string, readonly string[], string])[] = [
    ['none of them', [], 'test_data_set_0/input_0.pb'],
    ['one of two sets', all, 'test_data_set_1/output_0.pb'],
    ['one of two outputs', all, 'test_data_set_0/output_1.pb'],
  ];
  for (const [there, written, missing] of cases) {
    test(`where ${there} is there`, async () => {
      const own = await mkdtemp(join(folder, 'package-'));
      await mkdir(join(own, 'test_data_set_0'));
      for (const path of written) {
        await writeFile(join(own, path), encodeTensor({ type: 1, dims: [1], floats: [1] }));
      }
      const read = readPackageVectors(join(own, 'model.onnx'), names, [...written, missing]);
      await assert.rejects(read, {
        code: 'MODEL_VECTORS',
        message: `expected ${missing} of the package beside its model`,
      });
    });
  }
});

test('a link is no test set, and is not left out unseen', async () => {
  const own = await mkdtemp(join(folder, 'linked-'));
  await symlink(join(folder, 'test_data_set_0'), join(own, 'test_data_set_0'));
  await assert.rejects(findTestFolders(own), {
    code: 'MODEL_VECTORS',
    message: 'expected test_data_set_0 to be a folder and no link',
  });
});
