import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { concat, fromBase64, fromHex, toHex, utf8 } from '../../../attestation/encoding/bytes.js';
import { formatNpy, parseNpy } from '../../../src/client/npy.js';
import { elementsOf, tensor } from '../../../src/client/tensor.js';
import { dictionary, file, NUMPY } from '../../forge/npy.js';
import { fc } from '../../property.js';

describe('.npy files that numpy wrote', () => {
  for (const [name, { base64, ...expected }] of Object.entries(NUMPY)) {
    test(name, () => {
      const read = parseNpy('x', fromBase64(base64));
      assert.equal(read.datatype, expected.datatype);
      assert.deepEqual(read.shape, expected.shape);
      assert.deepEqual(elementsOf(read), expected.elements);
    });
  }
});

describe('.npy variants', () => {
  const cases: readonly (readonly [string, Uint8Array, readonly unknown[]])[] = [
    [
      'big-endian int64',
      file(dictionary('>i8', '(1,)'), fromHex('c000000000000000')),
      [-(2n ** 62n)],
    ],
    ['scalar', file(dictionary('<f8', '()'), fromHex('0000000000000c40')), [3.5]],
    ['bool, version 2', file(dictionary('|b1', '(2,)'), Uint8Array.of(1, 0), 2), [true, false]],
    ['float16', file(dictionary('<f2', '(2,)'), fromHex('ff7b0100')), [65504, 2 ** -24]],
    [
      'bytes with inner zero',
      file(dictionary('|S3', '(2,)'), fromHex('610062620000')),
      [fromHex('610062'), utf8('b')],
    ],
    ['big-endian text', file(dictionary('>U1', '(1,)'), fromHex('000000e9')), [utf8('é')]],
    ['nothing', file(dictionary('<i4', '(0, 3)'), new Uint8Array()), []],
    [
      'members in another order',
      file("{'shape': (1,), 'descr': '|u1', 'fortran_order': False}", Uint8Array.of(7)),
      [7],
    ],
    ['the longest header', file(dictionary('|u1', '(1,)').padEnd(9999), Uint8Array.of(7)), [7]],
  ];
  for (const [name, bytes, expected] of cases) {
    test(name, () => assert.deepEqual(elementsOf(parseNpy('x', bytes)), expected));
  }
});

describe('.npy files that are refused', () => {
  const one = Uint8Array.of(1);
  const good = file(dictionary('|u1', '(1,)'), one);
  const cases: readonly (readonly [string, Uint8Array, RegExp])[] = [
    ['no magic', good.subarray(1), /magic/],
    ['version 4', good.with(6, 4), /version/],
    ['minor version', good.with(7, 1), /version/],
    ['ends in its header', good.subarray(0, 60), /ends inside/],
    ['a byte too few', good.subarray(0, good.length - 1), /expected 1 bytes for .* not 0$/],
    ['a byte too many', concat(good, one), /expected 1 bytes for .* not 2$/],
    ['object array', file(dictionary('|O', '(1,)'), one), /pickle/],
    ['complex', file(dictionary('<c8', '(1,)'), new Uint8Array(8)), /no datatype/],
    [
      'structured',
      file("{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (1,), }", one),
      /members/,
    ],
    ['a member twice', file("{'shape': (1,), 'shape': (1,), 'descr': '|u1'}", one), /once each/],
    ['a member missing', file("{'descr': '|u1', 'shape': (1,)}", one), /fortran_order/],
    [
      'an unknown member',
      file("{'descr': '|u1', 'fortran_order': False, 'shape': (1,), 'x': True}", one),
      /members/,
    ],
    ['no dictionary', file(`x${dictionary('|u1', '(1,)')}`, one), /not a dictionary/],
    ['half a dictionary', file('{', one), /not a dictionary/],
    ['a dictionary of nothing', file('{ }', one), /one plain element type/],
    ['spaces for members', file(`{${' '.repeat(9000)}x`, one), /not a dictionary/],
    [
      'a header of a byte too many',
      file(dictionary('|u1', '(1,)').padEnd(10_000), one),
      /at most 10000 bytes, not 10001/,
    ],
    ['no byte order', file(dictionary('|i4', '(1,)'), new Uint8Array(4)), /byte order/],
    ['a boolean of 2', file(dictionary('|b1', '(1,)'), Uint8Array.of(2)), /neither 0 nor 1/],
    ['a surrogate', file(dictionary('<U1', '(1,)'), fromHex('00d80000')), /no Unicode/],
    [
      'empty strings without end',
      file(dictionary('|S0', '(99999999,)'), new Uint8Array()),
      /empty strings/,
    ],
  ];
  for (const [name, bytes, message] of cases) {
    test(name, () => assert.throws(() => parseNpy('x', bytes), { code: 'TENSOR_NPY', message }));
  }
  test('a shape beyond all memory', () => {
    const bytes = file(dictionary('|u1', '(9007199254740991, 2)'), one);
    assert.throws(() => parseNpy('x', bytes), { code: 'TENSOR_SHAPE' });
  });
});

test('what is written reads back to the same bits', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ noDefaultInfinity: false })), (values) => {
      const made = tensor('x', 'FP64', values);
      assert.equal(toHex(parseNpy('x', formatNpy(made)).data), toHex(made.data));
    }),
  );
  for (const made of [
    tensor('x', 'BYTES', ['a', 'bcd', '']),
    tensor('x', 'INT64', [1n, -(2n ** 63n)], [2, 1]),
    tensor('x', 'BOOL', [true], []),
    tensor('x', 'UINT8', [], [0, 4]),
  ]) {
    assert.deepEqual(parseNpy('x', formatNpy(made)), made);
  }
});

test('strings are as many as one likes', () => {
  const made = tensor('x', 'BYTES', Array(200_000).fill('a'));
  assert.deepEqual(parseNpy('x', formatNpy(made)).data, made.data);
});

describe('BYTES that are not written', () => {
  const cases: readonly (readonly [string, readonly unknown[], RegExp])[] = [
    ['ending in zero, which numpy would drop', [Uint8Array.of(1, 0)], /ends in a zero byte/],
    [
      'a long one among many, each of which would be as long',
      ['a'.repeat(200_000), ...Array(59_999).fill('b')],
      /60000 of 200000 have 12000000000$/,
    ],
  ];
  for (const [name, elements, message] of cases) {
    test(name, () => {
      const made = tensor('x', 'BYTES', elements);
      assert.throws(() => formatNpy(made), { code: 'TENSOR_NPY', message });
    });
  }
});
