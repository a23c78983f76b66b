import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { concat, fromHex, toHex, utf8 } from '../../../attestation/encoding/bytes.js';
import { encodeCbor } from '../../../attestation/encoding/cbor.js';
import { AssayError } from '../../../attestation/encoding/error.js';
import { label, sha256 } from '../../../attestation/encoding/hash.js';
import { leafHash, merkleRoot } from '../../../attestation/encoding/merkle.js';
import { externalLocations } from '../../../attestation/model/external-data.js';
import { identifyModel } from '../../../attestation/model/identity.js';
import { readModel } from '../../../attestation/model/onnx.js';
import { nativeSha256 } from '../../../src/system/sha256.js';
import { dataType, encodeModel } from '../../forge/onnx.js';
import type { ModelInit, Pairs, SparseInit, TensorInit } from '../../forge/onnx-init.js';

function modelOf(
  initializers: readonly TensorInit[],
  sparse: readonly SparseInit[] = [],
): ModelInit {
  const names = [
    ...initializers.map(({ name }) => name ?? ''),
    ...sparse.map(({ values }) => values.name ?? ''),
  ];
  return {
    opsets: { '': 21 },
    graph: {
      initializers,
      sparse,
      nodes: [{ op: 'Concat', inputs: names, outputs: ['y'] }],
      outputs: [{ name: 'y' }],
    },
  };
}

function identify(model: ModelInit, external = new Map<string, Uint8Array>()) {
  return identifyModel({ path: 'm', bytes: encodeModel(model), external });
}

function refusal(code: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof AssayError, String(error));
    assert.equal(error.code, code, error.message);
    return true;
  };
}

const named = (type: number, count: number) => ({ name: 't', type, dims: [count] });

/** Every element type: values in their typed field, and their little-endian bytes. */
const encodings: readonly (readonly [keyof typeof dataType, TensorInit, string])[] = [
  ['float', { ...named(1, 2), floats: [1, -0] }, '0000803f00000080'],
  ['uint8', { ...named(2, 3), int32s: [0, 1, 255] }, '0001ff'],
  ['int8', { ...named(3, 3), int32s: [-128, -1, 127] }, '80ff7f'],
  ['uint16', { ...named(4, 2), int32s: [1, 0xffff] }, '0100ffff'],
  ['int16', { ...named(5, 2), int32s: [-2, 0x7fff] }, 'feffff7f'],
  ['int32', { ...named(6, 2), int32s: [-1, 0x7fffffff] }, 'ffffffffffffff7f'],
  ['int64', { ...named(7, 2), int64s: [-2n, 2n ** 62n] }, 'feffffffffffffff0000000000000040'],
  ['bool', { ...named(9, 3), int32s: [1, 0, 1] }, '010001'],
  ['float16', { ...named(10, 2), int32s: [0x3c00, 0xfe00] }, '003c00fe'],
  ['double', { ...named(11, 1), doubles: [-2] }, '00000000000000c0'],
  ['uint32', { ...named(12, 2), uint64s: [1, 0xffffffff] }, '01000000ffffffff'],
  ['uint64', { ...named(13, 1), uint64s: [2n ** 64n - 1n] }, 'ffffffffffffffff'],
  ['complex64', { ...named(14, 1), floats: [1, 2] }, '0000803f00000040'],
  ['complex128', { ...named(15, 1), doubles: [1, 2] }, '000000000000f03f0000000000000040'],
  ['bfloat16', { ...named(16, 1), int32s: [0x3f80] }, '803f'],
  ['float8e4m3fn', { ...named(17, 2), int32s: [0x38, 0xff] }, '38ff'],
  ['float8e4m3fnuz', { ...named(18, 1), int32s: [0x80] }, '80'],
  ['float8e5m2', { ...named(19, 1), int32s: [0x7c] }, '7c'],
  ['float8e5m2fnuz', { ...named(20, 1), int32s: [0x01] }, '01'],
  ['uint4', { ...named(21, 3), int32s: [0x21, 0x03] }, '2103'],
  ['int4', { ...named(22, 2), int32s: [0xf8] }, 'f8'],
  ['float4e2m1', { ...named(23, 3), int32s: [0x76, 0x05] }, '7605'],
  ['float8e8m0', { ...named(24, 1), int32s: [127] }, '7f'],
  ['uint2', { ...named(25, 5), int32s: [0xe4, 0x02] }, 'e402'],
  ['int2', { ...named(26, 2), int32s: [0x0e] }, '0e'],
];

for (const [name, typed, hex] of encodings) {
  test(`${name}: typed, unpacked, raw and external elements give one leaf`, () => {
    assert.equal(typed.type, dataType[name]);
    const { name: tensorName, type, dims } = typed;
    const bytes = fromHex(hex);
    const bare = { name: tensorName ?? '', type, dims };
    const expected = merkleRoot([
      leafHash(
        concat(label('model-weight'), encodeCbor(['t', [type, dims.map(Number), sha256(bytes)]])),
      ),
    ]);
    const model = modelOf([typed]);
    const external = new Map([['w.bin', concat(Uint8Array.of(9, 9), bytes)]]);
    const identities = [
      identify(model),
      identifyModel({ path: 'm', bytes: encodeModel(model, { packed: false }) }),
      identify(modelOf([{ ...bare, raw: bytes }])),
      identify(modelOf([{ ...bare, external: { location: 'w.bin', offset: '2' } }]), external),
    ];
    for (const identity of identities) {
      assert.equal(toHex(identity.weights), toHex(expected));
      assert.equal(toHex(identity.graph), toHex(identities[0]?.graph ?? new Uint8Array()));
    }
  });
}

test('every element type of ONNX but strings is in the table', () => {
  const covered = new Set<string>(encodings.map(([name]) => name));
  assert.deepEqual(
    Object.keys(dataType).filter((name) => !covered.has(name)),
    ['string'],
  );
});

test('the unused bits of packed elements do not count', () => {
  const raw = (hex: string) => identify(modelOf([{ ...named(21, 3), raw: fromHex(hex) }]));
  assert.equal(toHex(raw('2103').weights), toHex(raw('21f3').weights));
  assert.notEqual(toHex(raw('2103').weights), toHex(raw('2104').weights));
});

test('strings have their boundaries', () => {
  const strings = (...values: string[]) =>
    toHex(identify(modelOf([{ ...named(8, values.length), strings: values }])).weights);
  const element = (text: string) => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(utf8(text).length));
    return concat(length, utf8(text));
  };
  const content = sha256(element('ab'), element('é'));
  const leaf = concat(label('model-weight'), encodeCbor(['t', [8, [2], content]]));
  assert.equal(strings('ab', 'é'), toHex(leafHash(leaf)));
  assert.notEqual(strings('ab', 'c'), strings('a', 'bc'));
});

test('large tensors are hashed as they lie', () => {
  const floats = Array.from({ length: 100_000 }, (_, index) => index / 7);
  const typed = modelOf([{ name: 't', type: 1, dims: [100_000], floats }]);
  const raw = modelOf([
    { name: 't', type: 1, dims: [100_000], raw: Buffer.from(Float32Array.from(floats).buffer) },
  ]);
  const options = { sha256: () => createHash('sha256') };
  const digests = [
    identify(typed),
    identify(raw),
    identifyModel({ path: 'm', bytes: encodeModel(typed, { packed: false }) }, options),
  ].map(({ graph }) => toHex(graph));
  assert.equal(new Set(digests).size, 1);
});

test('the root is over the weights sorted by name', () => {
  const tensor = (name: string, value: number): TensorInit => ({
    name,
    type: 1,
    dims: [1],
    floats: [value],
  });
  const [a, b, c] = [tensor('a', 1), tensor('b', 2), tensor('c', 3)];
  const root = (...tensors: TensorInit[]) => toHex(identify(modelOf(tensors)).weights);
  assert.equal(root(a, b, c), root(c, a, b));
  assert.notEqual(root(a, b, c), root(a, b));
  assert.notEqual(root(a, b), root({ ...a, name: 'b' }, { ...b, name: 'a' }));
  assert.equal(
    toHex(identify({ ...modelOf([]), graph: { ...modelOf([]).graph } }).weights),
    toHex(sha256()),
  );
});

test('the indices of a sparse initializer may be linear or coordinates', () => {
  const values: TensorInit = { name: 's', type: 1, dims: [2], floats: [5, 6] };
  const sparse = (indices: TensorInit, dims: readonly number[] = [3, 4]): string => {
    const identity = identify(modelOf([], [{ values, indices, dims }]));
    return toHex(identity.weights) + toHex(identity.graph);
  };
  const linear = sparse({ type: 7, dims: [2], int64s: [1, 11] });
  assert.equal(linear, sparse({ type: 7, dims: [2, 2], int64s: [0, 1, 2, 3] }));
  assert.notEqual(linear, sparse({ type: 7, dims: [2], int64s: [1, 10] }));
  for (const [indices, code] of [
    [{ type: 7, dims: [2], int64s: [11, 1] }, 'MODEL_TENSOR'],
    [{ type: 7, dims: [2], int64s: [1, 12] }, 'MODEL_TENSOR'],
    [{ type: 7, dims: [2], int64s: [-1, 1] }, 'MODEL_TENSOR'],
    [{ type: 7, dims: [2], int64s: [1, 1] }, 'MODEL_TENSOR'],
    [{ type: 7, dims: [2, 2], int64s: [0, 4, 2, 3] }, 'MODEL_TENSOR'],
    [{ type: 7, dims: [2, 2], int64s: [1, -1, 2, 3] }, 'MODEL_TENSOR'],
    [{ type: 7, dims: [2, 2], int64s: [0, 1, 3, 0] }, 'MODEL_TENSOR'],
    [{ type: 7, dims: [3], int64s: [0, 1, 2] }, 'MODEL_TENSOR'],
    [{ type: 6, dims: [2], int32s: [0, 1] }, 'MODEL_TENSOR'],
  ] as const) {
    assert.throws(() => sparse(indices), refusal(code));
  }
  const first: TensorInit = { type: 7, dims: [2], int64s: [0, 1] };
  assert.doesNotThrow(() => sparse(first, [2 ** 26, 2 ** 26]));
  assert.throws(() => sparse(first, [2 ** 27, 2 ** 26]), refusal('MODEL_TENSOR'));
  assert.throws(() => sparse(first, []), refusal('MODEL_TENSOR'));
});

const float = named(1, 2);
const malformed: Readonly<Record<string, readonly [tensor: TensorInit, code: string]>> = {
  'no elements': [float, 'MODEL_TENSOR'],
  'too few elements': [{ ...float, floats: [1] }, 'MODEL_TENSOR'],
  'too many elements': [{ ...float, floats: [1, 2, 3] }, 'MODEL_TENSOR'],
  'too few raw bytes': [{ ...float, raw: new Uint8Array(7) }, 'MODEL_TENSOR'],
  'elements in the wrong field': [{ ...float, doubles: [1, 2] }, 'MODEL_TENSOR'],
  'elements in two fields': [{ ...float, floats: [1], doubles: [2] }, 'MODEL_TENSOR'],
  'elements in two places': [{ ...float, floats: [1, 2], raw: new Uint8Array(8) }, 'MODEL_TENSOR'],
  'a negative dim': [{ ...float, dims: [-2], floats: [1, 2] }, 'MODEL_TENSOR'],
  'dims whose product overflows': [{ ...float, dims: [2 ** 40, 2 ** 40] }, 'MODEL_TENSOR'],
  'a dim of 2^63 - 1': [{ ...float, dims: [2n ** 63n - 1n] }, 'MODEL_TENSOR'],
  'no type': [{ ...float, type: 0, floats: [1, 2] }, 'MODEL_DATA_TYPE'],
  'an unknown type': [{ ...float, type: 27, raw: new Uint8Array(2) }, 'MODEL_DATA_TYPE'],
  'raw strings': [{ ...named(8, 1), raw: new Uint8Array(8) }, 'MODEL_TENSOR'],
  'a string in no raw bytes': [{ ...named(8, 1), raw: new Uint8Array() }, 'MODEL_TENSOR'],
  'a uint8 of 256': [{ ...named(2, 1), int32s: [256] }, 'MODEL_TENSOR'],
  'a negative float16 pattern': [{ ...named(10, 1), int32s: [-1] }, 'MODEL_TENSOR'],
  'a bool of 2': [{ ...named(9, 1), int32s: [2] }, 'MODEL_TENSOR'],
  'a uint32 beyond 32 bits': [{ ...named(12, 1), uint64s: [2 ** 32] }, 'MODEL_TENSOR'],
  'no name': [{ type: 1, dims: [1], floats: [1] }, 'MODEL_DUPLICATE_NAME'],
};

for (const [what, [tensor, code]] of Object.entries(malformed)) {
  test(`an initializer with ${what} is refused`, () => {
    assert.throws(() => identify(modelOf([tensor])), refusal(code));
  });
}

test('an empty tensor needs no elements', () => {
  assert.equal(identify(modelOf([{ ...float, dims: [0, 2 ** 40] }])).parameters.elements, 0);
});

const supplied = new Map([['w.bin', new Uint8Array(16)]]);
const references: Readonly<Record<string, readonly [pairs: Pairs, code: string]>> = {
  'an absolute path': [{ location: '/etc/passwd' }, 'MODEL_EXTERNAL_PATH'],
  'a parent folder': [{ location: '../w.bin' }, 'MODEL_EXTERNAL_PATH'],
  'a parent folder within': [{ location: 'a/../w.bin' }, 'MODEL_EXTERNAL_PATH'],
  'a dot': [{ location: './w.bin' }, 'MODEL_EXTERNAL_PATH'],
  'an empty segment': [{ location: 'a//w.bin' }, 'MODEL_EXTERNAL_PATH'],
  'a trailing slash': [{ location: 'w.bin/' }, 'MODEL_EXTERNAL_PATH'],
  'a backslash': [{ location: 'a\\w.bin' }, 'MODEL_EXTERNAL_PATH'],
  'a drive': [{ location: 'C:w.bin' }, 'MODEL_EXTERNAL_PATH'],
  'a NUL': [{ location: 'w.bin\0' }, 'MODEL_EXTERNAL_PATH'],
  'the last control character': [{ location: 'w\x1f.bin' }, 'MODEL_EXTERNAL_PATH'],
  'a DEL': [{ location: 'w\x7f.bin' }, 'MODEL_EXTERNAL_PATH'],
  'an address in memory': [
    { location: '*/_ORT_MEM_ADDR_/*', offset: '4096', length: '8' },
    'MODEL_EXTERNAL_PATH',
  ],
  'no location': [{ offset: '0' }, 'MODEL_EXTERNAL_PATH'],
  'an empty location': [{ location: '' }, 'MODEL_EXTERNAL_PATH'],
  'an undeclared file': [{ location: 'other.bin' }, 'MODEL_EXTERNAL_UNDECLARED'],
  'an offset past the end': [{ location: 'w.bin', offset: '9' }, 'MODEL_EXTERNAL_DATA'],
  'a negative offset': [{ location: 'w.bin', offset: '-1' }, 'MODEL_EXTERNAL_DATA'],
  'an offset that is no number': [{ location: 'w.bin', offset: '0x0' }, 'MODEL_EXTERNAL_DATA'],
  'a huge offset': [{ location: 'w.bin', offset: '9007199254740993' }, 'MODEL_EXTERNAL_DATA'],
  'another length': [{ location: 'w.bin', length: '12' }, 'MODEL_EXTERNAL_DATA'],
  'prepacked weights': [{ location: 'w.bin', prepacked_0: 'key|0;8' }, 'MODEL_EXTERNAL_DATA'],
};

for (const [what, [external, code]] of Object.entries(references)) {
  test(`external data with ${what} is refused`, () => {
    const other: TensorInit = { name: 'o', type: 1, dims: [1], external: { location: 'w.bin' } };
    const model = modelOf([{ ...float, external }, other]);
    assert.throws(() => identify(model, supplied), refusal(code));
  });
}

test('external data in the model file itself are refused: its files are listed once', () => {
  const bytes = encodeModel(modelOf([{ ...float, external: { location: 'own.onnx' } }]));
  const external = new Map([['own.onnx', bytes]]);
  assert.ok(identifyModel({ path: 'other.onnx', bytes, external }).files.length === 2);
  const own = () => identifyModel({ path: 'own.onnx', bytes, external });
  assert.throws(own, refusal('MODEL_EXTERNAL_PATH'));
});

test('tensors may lie in the same place of a file, but not as often as a model likes', () => {
  const external = new Map([['w.bin', new Uint8Array(2 ** 20)]]);
  const many = (count: number) =>
    Array.from({ length: count }, (_, i): TensorInit => {
      return { name: `w${i}`, type: 2, dims: [2 ** 20], external: { location: 'w.bin' } };
    });
  const identified = (count: number) => {
    const bytes = encodeModel(modelOf([{ ...float, floats: [1, 2] }, ...many(count)]));
    return identifyModel({ path: 'm', bytes, external }, { sha256: nativeSha256 });
  };
  assert.equal(identified(272).parameters.tensors, 273);
  assert.throws(() => identified(273), refusal('MODEL_TOO_COMPLEX'));
});

test('external strings, and a file that no tensor lies in, are refused', () => {
  const strings = { ...named(8, 1), external: { location: 'w.bin' } };
  assert.throws(() => identify(modelOf([strings]), supplied), refusal('MODEL_TENSOR'));
  const plain = modelOf([{ ...float, floats: [1, 2] }]);
  assert.throws(() => identify(plain, supplied), refusal('MODEL_EXTERNAL_UNDECLARED'));
});

test('external locations are those of all tensors, sorted, each once', () => {
  const tensor = (name: string, location: string): TensorInit => ({
    name,
    type: 1,
    dims: [1],
    external: { location, length: '4', checksum: 'ignored' },
  });
  const model = modelOf([tensor('a', 'z.bin'), tensor('b', 'dir/a b~.bin'), tensor('c', 'z.bin')]);
  const attribute = { value: { t: tensor('', 'attribute.bin') } };
  const nodes = [
    ...model.graph.nodes,
    { op: 'Constant', inputs: [], outputs: ['k'], attributes: attribute },
  ];
  const bytes = encodeModel({ ...model, graph: { ...model.graph, nodes } });
  assert.deepEqual(externalLocations(readModel(bytes)), ['attribute.bin', 'dir/a b~.bin', 'z.bin']);
  const external = new Map(
    ['z.bin', 'dir/a b~.bin', 'attribute.bin'].map((path) => [path, new Uint8Array(4)]),
  );
  const { files } = identifyModel({ path: 'm.onnx', bytes, external });
  assert.deepEqual(
    files.map(({ path, size }) => [path, size]),
    [
      ['m.onnx', bytes.length],
      ['attribute.bin', 4],
      ['dir/a b~.bin', 4],
      ['z.bin', 4],
    ],
  );
  assert.equal(toHex(files[1]?.sha256 ?? new Uint8Array()), toHex(sha256(new Uint8Array(4))));
});
