import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { concat, fromHex, toHex, utf8 } from '../../../attestation/encoding/bytes.js';
import { float16 } from '../../../attestation/model/number.js';
import { formatJson } from '../../../src/cli/io.js';
import { tensorToJson } from '../../../src/cli/tensor-text.js';
import { type Datatype, FIXED_DATATYPES, fixedType } from '../../../src/client/datatype.js';
import { inputFrom, type TensorSpec } from '../../../src/client/input.js';
import { formatNpy } from '../../../src/client/npy.js';
import { elementsOf, tensor, typedArrayOf } from '../../../src/client/tensor.js';
import { toHalf } from '../../../src/system/half.js';
import { fc } from '../../property.js';

describe('binary16', () => {
  test('every bit pattern that is a number survives', () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const value = float16(bits);
      if (!Number.isNaN(value)) assert.equal(toHalf(value), bits, bits.toString(16));
    }
  });
  const cases: readonly (readonly [number, number])[] = [
    [65519.99, 0x7bff],
    [65520, 0x7c00],
    [-70000, 0xfc00],
    [2 ** -25, 0x0000],
    [2 ** -25 * 1.001, 0x0001],
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [2 ** -14 * (1 - 2 ** -12), 0x0400],
    [2047.999, 0x6800],
    [Number.NaN, 0x7e00],
  ];
  for (const [value, bits] of cases) {
    test(`${value} is ${bits.toString(16)}`, () => assert.equal(toHalf(value), bits));
  }
});

describe('elements', () => {
  test('numbers survive in every datatype that holds them', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 127 })), (values) => {
        for (const datatype of [
          'UINT8',
          'INT8',
          'UINT16',
          'INT16',
          'UINT32',
          'INT32',
          'FP16',
          'FP32',
          'FP64',
        ] as const) {
          assert.deepEqual(elementsOf(tensor('x', datatype, values)), values);
        }
        for (const datatype of ['INT64', 'UINT64'] as const) {
          assert.deepEqual(elementsOf(tensor('x', datatype, values)), values.map(BigInt));
        }
      }),
    );
  });

  const layouts: readonly (readonly [Parameters<typeof tensor>[1], unknown[], string])[] = [
    ['INT16', [-2], 'feff'],
    ['UINT32', [0xffffffff], 'ffffffff'],
    ['INT64', ['-9223372036854775808'], '0000000000000080'],
    ['UINT64', [2n ** 64n - 1n], 'ffffffffffffffff'],
    ['FP32', ['-Infinity', -0], '000080ff00000080'],
    ['FP32', [2 ** 128 - 2 ** 103 - 2 ** 75, Number.NaN], 'ffff7f7f0000c07f'],
    ['FP16', [1.5, 65519.99, Number.POSITIVE_INFINITY], '003eff7b007c'],
    ['BOOL', [true, false], '0100'],
    ['BYTES', ['é', Uint8Array.of(0)], '02000000c3a90100000000'],
  ];
  for (const [datatype, values, hex] of layouts) {
    test(`${datatype} is little-endian`, () =>
      assert.equal(toHex(tensor('x', datatype, values).data), hex));
  }

  const wrong: readonly (readonly [Parameters<typeof tensor>[1], unknown])[] = [
    ['UINT8', 256],
    ['UINT8', -1],
    ['INT8', 128],
    ['INT32', 1.5],
    ['INT64', 2 ** 53],
    ['INT64', 2n ** 63n],
    ['UINT64', -1n],
    ['FP32', '1'],
    ['FP32', null],
    ['FP32', 1e39],
    ['FP32', -(2 ** 128 - 2 ** 103)],
    ['FP16', 65520],
    ['BOOL', 1],
    ['BYTES', '\ud800'],
    ['BYTES', 7],
  ];
  for (const [datatype, value] of wrong) {
    test(`${String(value)} is no ${datatype}`, () =>
      assert.throws(() => tensor('x', datatype, [value]), { code: 'TENSOR_ELEMENT' }));
  }

  for (const name of ['toString', 'FLOAT', '']) {
    test(`${JSON.stringify(name)} is no datatype`, () => {
      const datatype = name as Datatype;
      const made = { name: 'x', datatype, shape: [0], data: new Uint8Array() };
      for (const use of [() => tensor('x', datatype, []), () => elementsOf(made)]) {
        assert.throws(use, { code: 'TENSOR_DATATYPE' });
      }
    });
  }

  test('BYTES have as many elements as one likes', () => {
    const made = tensor('x', 'BYTES', Array(200_000).fill('a'));
    assert.equal(made.data.length, 1_000_000);
    assert.deepEqual(elementsOf(made).at(-1), utf8('a'));
  });

  test('typed arrays hold the same elements, whatever the alignment', () => {
    for (const datatype of FIXED_DATATYPES) {
      if (datatype === 'FP16') continue;
      const made = tensor('x', datatype, datatype === 'BOOL' ? [true, false] : [1, 2]);
      const shifted = concat(Uint8Array.of(0), made.data).subarray(1);
      const elements = [...typedArrayOf({ ...made, data: shifted })];
      assert.deepEqual(
        elements,
        elementsOf(made).map((e) => (typeof e === 'boolean' ? Number(e) : e)),
      );
    }
    assert.deepEqual([...typedArrayOf(tensor('x', 'FP16', [1]))], [0x3c00]);
    assert.throws(() => typedArrayOf(tensor('x', 'BYTES', [])), { code: 'TENSOR_DATATYPE' });
  });

  describe('bytes that are not those of the shape are read and written by nobody', () => {
    const cut = { ...tensor('x', 'FP32', [1, 2]), shape: [3] };
    for (const read of [elementsOf, typedArrayOf, formatNpy]) {
      test(read.name, () => assert.throws(() => read(cut), { code: 'TENSOR_LENGTH' }));
    }
  });

  describe('a typed array gives its tensor back, bit for bit', () => {
    for (const datatype of FIXED_DATATYPES) {
      test(datatype, () => {
        // In some datatype each: 1, signalling and quiet NaNs with payloads, -0, the least and the largest.
        const bits = fromHex('003c00c0017d017e00800080010080ff0100000000000080010000000000f0ff');
        const data = datatype === 'BOOL' ? Uint8Array.of(1, 0, 0, 1) : bits;
        const size = fixedType(datatype)?.size ?? 0;
        const made = { name: 'x', datatype, shape: [2, data.length / size / 2], data };
        assert.deepEqual(tensor('x', datatype, typedArrayOf(made), made.shape), made);
      });
    }
  });

  test('a typed array of FP16 is the bits of its part of a buffer, and is copied', () => {
    const bits = Uint16Array.of(0, 0x3c00, 0xc000).subarray(1);
    const made = tensor('x', 'FP16', bits);
    bits.fill(0);
    assert.deepEqual(made.shape, [2]);
    assert.deepEqual(elementsOf(made), [1, -2]);
  });

  test('a typed array of BOOL holds 0 and 1 alone', () => {
    assert.throws(() => tensor('x', 'BOOL', Uint8Array.of(1, 2)), {
      code: 'TENSOR_ELEMENT',
      message: /element 1 is not a value of BOOL/,
    });
  });

  test('typed arrays of other kinds hold values', () => {
    assert.deepEqual(elementsOf(tensor('x', 'FP16', Float32Array.of(1, -2))), [1, -2]);
    assert.deepEqual(elementsOf(tensor('x', 'UINT16', Uint8Array.of(7))), [7]);
  });

  test('a shape that the data does not fill is refused', () => {
    assert.throws(() => tensor('x', 'INT8', [1, 2, 3], [2, 2]), { code: 'TENSOR_LENGTH' });
    assert.throws(() => tensor('x', 'INT8', [1], [-1]), { code: 'TENSOR_SHAPE' });
    assert.throws(() => tensor('x', 'INT8', [1], [1.5]), { code: 'TENSOR_SHAPE' });
    const torn = { name: 'x', datatype: 'BYTES', shape: [1], data: fromHex('0500000061') } as const;
    assert.throws(() => elementsOf(torn), { code: 'TENSOR_LENGTH' });
  });
});

describe('inputs from files', () => {
  const image: TensorSpec = { name: 'x', datatype: 'FP32', shape: [-1, 2] };
  const json = (value: unknown): Uint8Array => utf8(JSON.stringify(value));

  test('nested JSON has its own shape, flat JSON the model’s', () => {
    assert.deepEqual(inputFrom(image, json([[1, 2]]), 'json').shape, [1, 2]);
    assert.deepEqual(inputFrom(image, json([1, 2, 3, 4]), 'json').shape, [2, 2]);
    assert.deepEqual(inputFrom({ ...image, shape: [] }, json(4), 'json').shape, []);
  });

  test('JSON reads back what `infer --json` prints, whatever the output was called', () => {
    const all = [
      tensor('y', 'FP32', [0.1, -2.5e-38, Number.NaN, Number.NEGATIVE_INFINITY], [2, 2]),
      tensor('y', 'FP16', [-0, 65504], [2]),
      tensor('y', 'FP32', [-0, 0], [2]),
      tensor('y', 'FP64', [-0, 5e-324], [2]),
      tensor('y', 'INT64', [2n ** 62n, -1n], [1, 2]),
      tensor('y', 'UINT64', [2n ** 64n - 1n], []),
      tensor('y', 'BOOL', [true, false], [2]),
      tensor('y', 'BYTES', [utf8('text'), Uint8Array.of(0xff, 0)], [2]),
      tensor('y', 'INT8', [], [0, 3]),
    ];
    for (const made of all) {
      const spec: TensorSpec = { name: 'x', datatype: made.datatype, shape: undefined };
      const read = inputFrom(spec, utf8(formatJson(tensorToJson(made))), 'json');
      assert.deepEqual(read, { ...made, name: 'x' }, made.datatype);
    }
  });

  describe('integers in JSON', () => {
    const element = (datatype: Datatype, numeral: string): unknown =>
      elementsOf(inputFrom({ name: 'x', datatype, shape: [1] }, utf8(`[${numeral}]`), 'json'))[0];
    const exact: readonly (readonly [Datatype, string, number | bigint])[] = [
      ['INT64', '9007199254740991', 9007199254740991n],
      ['INT64', '9007199254740991.000', 9007199254740991n],
      ['INT64', '"9007199254740993"', 9007199254740993n],
      ['INT64', '1.5e3', 1500n],
      ['INT64', '1500E-2', 15n],
      ['UINT64', '-0.0e-9', 0n],
      ['INT32', '-1.0', -1],
      ['FP64', '1.00000000000000000001', 1],
    ];
    for (const [datatype, numeral, value] of exact) {
      test(`${numeral} is one of ${datatype}`, () => {
        assert.equal(element(datatype, numeral), value);
      });
    }

    const rounded: readonly (readonly [Datatype, string, RegExp])[] = [
      ['INT64', '9007199254740993', /beyond 2\^53/],
      ['INT64', '9007199254740993.0', /beyond 2\^53/],
      ['UINT64', '1e17', /beyond 2\^53/],
      ['INT64', '9007199254740990.6', /a fraction/],
      ['INT64', '4503599627370497.4', /a fraction/],
      ['INT32', '1.00000000000000000001', /a fraction/],
      ['INT32', '1e-400', /a fraction/],
      ['INT64', '1.5', /element 0 is not a value of INT64/],
      ['INT32', '1e17', /element 0 is not a value of INT32/],
      ['INT8', '10e-2', /element 0 is not a value of INT8/],
      ['UINT8', '2550000000000000000001e-19', /a fraction/],
    ];
    for (const [datatype, numeral, message] of rounded) {
      test(`${numeral} is not rounded to one of ${datatype}`, () => {
        assert.throws(() => element(datatype, numeral), { code: 'TENSOR_ELEMENT', message });
      });
    }

    test('are told from text that looks like a fraction', () => {
      const stated = { name: 'a "1.5', datatype: 'INT64', shape: [1], data: ['7'] };
      const spec: TensorSpec = { name: 'x', datatype: 'INT64', shape: [1] };
      assert.deepEqual(elementsOf(inputFrom(spec, json(stated), 'json')), [7n]);
    });
  });

  test('raw elements fill the one free dimension', () => {
    assert.deepEqual(inputFrom(image, new Uint8Array(24), 'binary').shape, [3, 2]);
    assert.deepEqual(
      inputFrom({ ...image, shape: [-1, -1] }, new Uint8Array(24), 'binary', [6, 1]).shape,
      [6, 1],
    );
  });

  test('a raw file is one element of BYTES', () => {
    const spec: TensorSpec = { name: 'x', datatype: 'BYTES', shape: [-1] };
    const made = inputFrom(spec, utf8('hello'), 'binary');
    assert.deepEqual(made.shape, [1]);
    assert.deepEqual(elementsOf(made), [utf8('hello')]);
  });

  test('.npy is known by its magic number', () => {
    const made = tensor('x', 'FP32', [1, 2], [1, 2]);
    assert.deepEqual(inputFrom(image, formatNpy(made), 'binary'), made);
  });

  const doubles = formatNpy(tensor('x', 'FP64', [1, 2], [1, 2]));
  const refused: readonly (readonly [string, () => unknown, string])[] = [
    ['float64 for float32', () => inputFrom(image, doubles, 'binary'), 'TENSOR_DATATYPE'],
    ['another rank', () => inputFrom(image, json([[[1, 2]]]), 'json'), 'TENSOR_SHAPE'],
    ['another dimension', () => inputFrom(image, json([[1, 2, 3]]), 'json'), 'TENSOR_SHAPE'],
    [
      'flat JSON that does not divide',
      () => inputFrom(image, json([1, 2, 3]), 'json'),
      'TENSOR_SHAPE',
    ],
    ['ragged JSON', () => inputFrom(image, json([[1, 2], [3]]), 'json'), 'TENSOR_JSON'],
    ['a number among arrays', () => inputFrom(image, json([[1, 2], 3]), 'json'), 'TENSOR_JSON'],
    [
      'a stated tensor of another datatype',
      () => inputFrom(image, json({ datatype: 'FP64', shape: [1, 2], data: [1, 2] }), 'json'),
      'TENSOR_DATATYPE',
    ],
    [
      'a stated tensor of another shape',
      () => inputFrom(image, json({ datatype: 'FP32', shape: [2, 1], data: [1, 2] }), 'json'),
      'TENSOR_SHAPE',
    ],
    [
      'a stated tensor of too few elements',
      () => inputFrom(image, json({ datatype: 'FP32', shape: [2, 2], data: [1, 2] }), 'json'),
      'TENSOR_LENGTH',
    ],
    [
      'a shape beside a stated one',
      () =>
        inputFrom(image, json({ datatype: 'FP32', shape: [1, 2], data: [1, 2] }), 'json', [1, 2]),
      'TENSOR_SHAPE',
    ],
    [
      'an object that is no tensor',
      () => inputFrom(image, json({ x: [1, 2] }), 'json'),
      'TENSOR_JSON',
    ],
    [
      'a member twice',
      () =>
        inputFrom(
          image,
          utf8('{"datatype":"FP32","shape":[1,2],"data":[1,2],"data":[3,4]}'),
          'json',
        ),
      'TENSOR_JSON',
    ],
    [
      'a numeral beyond every double',
      () => inputFrom(image, utf8('[[1, 1e400]]'), 'json'),
      'TENSOR_ELEMENT',
    ],
    [
      'a negative numeral beyond every double, in a stated tensor',
      () =>
        inputFrom(
          { ...image, datatype: 'FP64' },
          utf8('{"datatype":"FP64","shape":[1,2],"data":[1,-1e400]}'),
          'json',
        ),
      'TENSOR_ELEMENT',
    ],
    ['no JSON', () => inputFrom(image, utf8('[1,'), 'json'), 'TENSOR_JSON'],
    ['text for numbers', () => inputFrom(image, json([['a', 'b']]), 'json'), 'TENSOR_ELEMENT'],
    ['half an element', () => inputFrom(image, new Uint8Array(7), 'binary'), 'TENSOR_SHAPE'],
    [
      'two free dimensions',
      () => inputFrom({ ...image, shape: [-1, -1] }, new Uint8Array(8), 'binary'),
      'TENSOR_SHAPE',
    ],
    [
      'a raw file of another length',
      () => inputFrom({ ...image, shape: [2, 2] }, new Uint8Array(8), 'binary'),
      'TENSOR_LENGTH',
    ],
    [
      'bytes after an array',
      () => inputFrom(image, concat(doubles, doubles), 'binary'),
      'TENSOR_NPY',
    ],
  ];
  for (const [name, attempt, code] of refused) {
    test(`${name} is refused`, () => assert.throws(attempt, { code }));
  }
});
