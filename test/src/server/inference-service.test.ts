import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ServiceError, status } from '@grpc/grpc-js';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { fromStrings } from '../../../src/engine/framing.js';
import {
  arithmeticModel,
  identityModel,
  mlpModel,
  ONNX_TYPES,
  pseudoRandom,
} from '../../forge/inference-models.js';
import { type InferAnswer, startTestServer } from '../../forge/inference-server.js';

const datatypes = Object.keys(ONNX_TYPES) as (keyof typeof ONNX_TYPES)[];
const MLP_WIDTHS = [8, 16, 4];

const server = await startTestServer({
  models: {
    arithmetic: arithmeticModel(),
    mlp: mlpModel(MLP_WIDTHS),
    scalar: identityModel('FP32', []),
    fixed: identityModel('INT64', [2, 2]),
    ...Object.fromEntries(datatypes.map((type) => [`identity-${type}`, identityModel(type)])),
  },
  maxReceiveBytes: 64 * 1024,
});

const infer = (request: object): Promise<InferAnswer> => server.call('ModelInfer', request);

const floats = (...values: number[]): Buffer => Buffer.from(Float32Array.from(values).buffer);

/** A good request for `arithmetic`, raw; tests break one thing of it. */
function arithmetic(): {
  model_name: string;
  model_version: string;
  id: string;
  parameters: Record<string, object>;
  inputs: {
    name: string;
    datatype: string;
    shape: number[];
    contents?: object;
    parameters?: object;
  }[];
  outputs: { name: string; parameters?: object }[];
  raw_input_contents: Buffer[];
} {
  return {
    model_name: 'arithmetic',
    model_version: '',
    id: 'request 7',
    parameters: {},
    inputs: [
      { name: 'a', datatype: 'FP32', shape: [1, 3] },
      { name: 'b', datatype: 'FP32', shape: [1, 3] },
    ],
    outputs: [],
    raw_input_contents: [floats(1, 2, 3), floats(10, 20, 30)],
  };
}

test('raw contents: every output, in the order of the signature, the id echoed', async () => {
  const answer = await infer(arithmetic());
  assert.equal(answer.model_name, 'arithmetic');
  assert.equal(answer.model_version, '1');
  assert.equal(answer.id, 'request 7');
  assert.deepEqual(
    answer.outputs.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
    [
      { name: 'sum', datatype: 'FP32', shape: ['1', '3'] },
      { name: 'difference', datatype: 'FP32', shape: ['1', '3'] },
    ],
  );
  assert.deepEqual(answer.raw_output_contents, [floats(11, 22, 33), floats(-9, -18, -27)]);
  assert.deepEqual(answer.parameters, {});
});

test('inputs in another order are matched by name', async () => {
  const request = arithmetic();
  request.inputs.reverse();
  request.raw_input_contents.reverse();
  assert.deepEqual((await infer(request)).raw_output_contents[1], floats(-9, -18, -27));
});

test('only the outputs that were asked for come, in the order of the signature', async () => {
  const one = await infer({ ...arithmetic(), outputs: [{ name: 'difference' }] });
  assert.deepEqual(
    one.outputs.map(({ name }) => name),
    ['difference'],
  );
  assert.deepEqual(one.raw_output_contents, [floats(-9, -18, -27)]);
  const both = await infer({
    ...arithmetic(),
    outputs: [{ name: 'difference' }, { name: 'sum' }],
  });
  assert.deepEqual(
    both.outputs.map(({ name }) => name),
    ['sum', 'difference'],
  );
});

const bytesOf = (array: ArrayBufferView): Buffer =>
  Buffer.from(array.buffer, array.byteOffset, array.byteLength);

/** Extreme values of each datatype, raw and typed. */
const VALUES: Record<keyof typeof ONNX_TYPES, { raw: Buffer; contents?: object }> = {
  BOOL: { raw: Buffer.of(1, 0, 1, 1), contents: { bool_contents: [true, false, true, true] } },
  UINT8: { raw: Buffer.of(0, 1, 127, 255), contents: { uint_contents: [0, 1, 127, 255] } },
  UINT16: {
    raw: bytesOf(Uint16Array.of(0, 1, 2, 65535)),
    contents: { uint_contents: [0, 1, 2, 65535] },
  },
  UINT32: {
    raw: bytesOf(Uint32Array.of(0, 1, 2, 0xffffffff)),
    contents: { uint_contents: [0, 1, 2, 0xffffffff] },
  },
  UINT64: {
    raw: bytesOf(BigUint64Array.of(0n, 1n, 2n ** 53n + 1n, 2n ** 64n - 1n)),
    contents: { uint64_contents: ['0', '1', '9007199254740993', '18446744073709551615'] },
  },
  INT8: {
    raw: bytesOf(Int8Array.of(-128, -1, 0, 127)),
    contents: { int_contents: [-128, -1, 0, 127] },
  },
  INT16: {
    raw: bytesOf(Int16Array.of(-32768, -1, 0, 32767)),
    contents: { int_contents: [-32768, -1, 0, 32767] },
  },
  INT32: {
    raw: bytesOf(Int32Array.of(-(2 ** 31), -1, 0, 2 ** 31 - 1)),
    contents: { int_contents: [-(2 ** 31), -1, 0, 2 ** 31 - 1] },
  },
  INT64: {
    raw: bytesOf(BigInt64Array.of(-(2n ** 63n), -1n, 2n ** 53n + 1n, 2n ** 63n - 1n)),
    contents: {
      int64_contents: ['-9223372036854775808', '-1', '9007199254740993', '9223372036854775807'],
    },
  },
  FP16: { raw: bytesOf(Uint16Array.of(0, 0x3c00, 0x7bff, 0xfe00)) },
  FP32: {
    raw: floats(0, -0, 3.4028234663852886e38, Number.NEGATIVE_INFINITY),
    contents: { fp32_contents: [0, -0, 3.4028234663852886e38, Number.NEGATIVE_INFINITY] },
  },
  FP64: {
    raw: bytesOf(Float64Array.of(0, -0, 5e-324, Number.POSITIVE_INFINITY)),
    contents: { fp64_contents: [0, -0, 5e-324, Number.POSITIVE_INFINITY] },
  },
  BYTES: {
    raw: Buffer.from(fromStrings(['', 'a', 'zwölf', '字'])),
    contents: { bytes_contents: ['', 'a', 'zwölf', '字'].map((text) => Buffer.from(text)) },
  },
};

for (const datatype of datatypes) {
  const { raw, contents } = VALUES[datatype];
  const request = { model_name: `identity-${datatype}` };
  const input = { name: 'input', datatype, shape: [2, 2] };
  test(`${datatype} survives raw`, async () => {
    const answer = await infer({ ...request, inputs: [input], raw_input_contents: [raw] });
    assert.equal(answer.outputs[0]?.datatype, datatype);
    assert.deepEqual(answer.raw_output_contents, [raw]);
  });
  test(`${datatype} ${contents === undefined ? 'has no typed contents' : 'survives typed'}`, async () => {
    if (contents === undefined) {
      const typed = { ...input, contents: { fp32_contents: [1, 2, 3, 4] } };
      await assert.rejects(infer({ ...request, inputs: [typed] }), /FP16 has no typed contents/);
      return;
    }
    const answer = await infer({ ...request, inputs: [{ ...input, contents }] });
    assert.deepEqual(answer.raw_output_contents, [raw]);
  });
  test(`${datatype} without elements`, async () => {
    const empty = { ...input, shape: [0, 2] };
    const answer = await infer({
      ...request,
      inputs: [empty],
      raw_input_contents: [Buffer.alloc(0)],
    });
    assert.deepEqual(answer.outputs[0]?.shape, ['0', '2']);
    assert.deepEqual(answer.raw_output_contents, [Buffer.alloc(0)]);
  });
}

test('a scalar has an empty shape', async () => {
  const answer = await infer({
    model_name: 'scalar',
    inputs: [{ name: 'input', datatype: 'FP32', shape: [] }],
    raw_input_contents: [floats(2.5)],
  });
  assert.deepEqual(answer.outputs[0]?.shape, []);
  assert.deepEqual(answer.raw_output_contents, [floats(2.5)]);
});

test('results equal plain onnxruntime-node bit for bit', async () => {
  const session = await InferenceSession.create(mlpModel(MLP_WIDTHS));
  const random = pseudoRandom(99);
  await Promise.all(
    Array.from({ length: 40 }, async (_, index) => {
      const rows = 1 + (index % 5);
      const values = Float32Array.from({ length: rows * 8 }, () => random() * 10);
      const plain = await session.run({ input: new Tensor('float32', values, [rows, 8]) });
      const expected = plain['output']?.data as Float32Array;
      const answer = await infer({
        model_name: 'mlp',
        id: String(index),
        inputs: [{ name: 'input', datatype: 'FP32', shape: [rows, 8] }],
        raw_input_contents: [bytesOf(values)],
      });
      assert.equal(answer.id, String(index));
      assert.deepEqual(answer.raw_output_contents, [bytesOf(expected)]);
    }),
  );
});

test('metadata states types and shapes, -1 where a dimension may vary', async () => {
  assert.deepEqual(await server.call('ServerMetadata', {}), {
    name: 'assay',
    version: 'test',
    extensions: ['model_configuration', 'model_repository', 'schedule_policy', 'statistics'],
  });
  assert.deepEqual(await server.call('ModelMetadata', { name: 'arithmetic' }), {
    name: 'arithmetic',
    versions: ['1'],
    platform: 'onnxruntime_onnx',
    inputs: ['a', 'b'].map((name) => ({ name, datatype: 'FP32', shape: ['-1', '3'] })),
    outputs: ['sum', 'difference'].map((name) => ({ name, datatype: 'FP32', shape: ['-1', '3'] })),
  });
});

test('liveness and readiness', async () => {
  assert.deepEqual(await server.call('ServerLive', {}), { live: true });
  assert.deepEqual(await server.call('ServerReady', {}), { ready: true });
  const ready = (request: object): Promise<unknown> => server.call('ModelReady', request);
  assert.deepEqual(await ready({ name: 'mlp' }), { ready: true });
  assert.deepEqual(await ready({ name: 'mlp', version: '1' }), { ready: true });
  assert.deepEqual(await ready({ name: 'mlp', version: '2' }), { ready: false });
  assert.deepEqual(await ready({ name: 'nothing' }), { ready: false });
});

type Request = ReturnType<typeof arithmetic>;

const typed = (contents: object) => ({
  name: 'input',
  datatype: 'INT8',
  shape: [1, 2],
  contents,
});

/** Each request has one fault. */
const REFUSED: readonly (readonly [
  what: string,
  fault: (request: Request) => object,
  code: status,
  message: RegExp,
])[] = [
  [
    'unknown model',
    (r) => ({ ...r, model_name: 'other' }),
    status.NOT_FOUND,
    /no model other; served are: arithmetic, mlp/,
  ],
  ['no model', (r) => ({ ...r, model_name: '' }), status.NOT_FOUND, /no model \(empty name\)/],
  [
    'unknown version',
    (r) => ({ ...r, model_version: '2' }),
    status.NOT_FOUND,
    /model arithmetic has no version 2; served are: 1/,
  ],
  [
    'missing input',
    (r) => ({ ...r, inputs: r.inputs.slice(1), raw_input_contents: [floats(1, 2, 3)] }),
    status.INVALID_ARGUMENT,
    /expects the inputs a, b; missing: a, unknown: none/,
  ],
  [
    'no inputs',
    (r) => ({ ...r, inputs: [], raw_input_contents: [] }),
    status.INVALID_ARGUMENT,
    /missing: a, b/,
  ],
  [
    'extra input',
    (r) => ({
      ...r,
      inputs: [...r.inputs, { name: 'c', datatype: 'FP32', shape: [1, 3] }],
      raw_input_contents: [...r.raw_input_contents, floats(1, 2, 3)],
    }),
    status.INVALID_ARGUMENT,
    /missing: none, unknown: c/,
  ],
  [
    'input twice',
    (r) => ({ ...r, inputs: [r.inputs[0], r.inputs[0]] }),
    status.INVALID_ARGUMENT,
    /expected each input once, not a, a/,
  ],
  [
    'input that is named as an object member',
    (r) => ({ ...r, inputs: [{ ...r.inputs[0], name: '__proto__' }, r.inputs[1]] }),
    status.INVALID_ARGUMENT,
    /unknown: __proto__/,
  ],
  [
    'wrong datatype',
    (r) => ({ ...r, inputs: [{ ...r.inputs[0], datatype: 'FP64' }, r.inputs[1]] }),
    status.INVALID_ARGUMENT,
    /input a: expected datatype FP32, not FP64/,
  ],
  [
    'unknown datatype',
    (r) => ({ ...r, inputs: [{ ...r.inputs[0], datatype: 'BF16' }, r.inputs[1]] }),
    status.INVALID_ARGUMENT,
    /expected datatype FP32, not BF16/,
  ],
  [
    'empty datatype',
    (r) => ({ ...r, inputs: [{ ...r.inputs[0], datatype: '' }, r.inputs[1]] }),
    status.INVALID_ARGUMENT,
    /not \(empty\)/,
  ],
  [
    'wrong rank',
    (r) => ({ ...r, inputs: [{ ...r.inputs[0], shape: [3] }, r.inputs[1]] }),
    status.INVALID_ARGUMENT,
    /input a: expected shape \[n,3\], not \[3\]/,
  ],
  [
    'wrong fixed dimension',
    (r) => ({ ...r, inputs: [{ ...r.inputs[0], shape: [3, 1] }, r.inputs[1]] }),
    status.INVALID_ARGUMENT,
    /input a: expected shape \[n,3\], not \[3,1\]/,
  ],
  [
    'negative dimension',
    (r) => ({ ...r, inputs: [{ ...r.inputs[0], shape: [-1, 3] }, r.inputs[1]] }),
    status.INVALID_ARGUMENT,
    /input a: dimension -1 is not a size/,
  ],
  [
    'a dimension beyond 2^53',
    (r) => ({ ...r, inputs: [{ ...r.inputs[0], shape: ['9223372036854775807', 3] }, r.inputs[1]] }),
    status.INVALID_ARGUMENT,
    /dimension 9223372036854775807 is not a size/,
  ],
  [
    'a huge shape with little data',
    (r) => ({ ...r, inputs: [{ ...r.inputs[0], shape: [1e12, 3] }, r.inputs[1]] }),
    status.INVALID_ARGUMENT,
    /FP32 of shape \[1000000000000,3\] has 12000000000000 bytes, 12 came/,
  ],
  [
    'raw data too short',
    (r) => ({ ...r, raw_input_contents: [floats(1, 2), floats(1, 2, 3)] }),
    status.INVALID_ARGUMENT,
    /input a: FP32 of shape \[1,3\] has 12 bytes, 8 came/,
  ],
  [
    'raw data too long',
    (r) => ({ ...r, raw_input_contents: [floats(1, 2, 3, 4), floats(1, 2, 3)] }),
    status.INVALID_ARGUMENT,
    /has 12 bytes, 16 came/,
  ],
  [
    'one raw entry for two inputs',
    (r) => ({ ...r, raw_input_contents: [floats(1, 2, 3)] }),
    status.INVALID_ARGUMENT,
    /expected one raw_input_contents for each of 2 inputs, not 1/,
  ],
  [
    'three raw entries for two inputs',
    (r) => ({ ...r, raw_input_contents: [...r.raw_input_contents, floats(1, 2, 3)] }),
    status.INVALID_ARGUMENT,
    /for each of 2 inputs, not 3/,
  ],
  [
    'raw and typed contents mixed',
    (r) => ({
      ...r,
      inputs: [{ ...r.inputs[0], contents: { fp32_contents: [1, 2, 3] } }, r.inputs[1]],
    }),
    status.INVALID_ARGUMENT,
    /either raw_input_contents or contents, not both/,
  ],
  [
    'no contents at all',
    (r) => ({ ...r, raw_input_contents: [] }),
    status.INVALID_ARGUMENT,
    /has 12 bytes, 0 came/,
  ],
  [
    'typed contents of another type',
    () => ({ model_name: 'identity-INT8', inputs: [typed({ uint_contents: [1, 2] })] }),
    status.INVALID_ARGUMENT,
    /expected int_contents for INT8, not uint_contents/,
  ],
  [
    'typed contents of two types',
    () => ({
      model_name: 'identity-INT8',
      inputs: [typed({ int_contents: [1, 2], uint_contents: [1] })],
    }),
    status.INVALID_ARGUMENT,
    /contents of two types/,
  ],
  [
    'a value above the range',
    () => ({ model_name: 'identity-INT8', inputs: [typed({ int_contents: [1, 128] })] }),
    status.INVALID_ARGUMENT,
    /input input: element 1 is out of the range of INT8/,
  ],
  [
    'a value below the range',
    () => ({ model_name: 'identity-INT8', inputs: [typed({ int_contents: [-129, 0] })] }),
    status.INVALID_ARGUMENT,
    /element 0 is out of the range of INT8/,
  ],
  [
    'too few typed values',
    () => ({ model_name: 'identity-INT8', inputs: [typed({ int_contents: [1] })] }),
    status.INVALID_ARGUMENT,
    /has 2 bytes, 1 came/,
  ],
  [
    'a BOOL of 2',
    () => ({
      model_name: 'identity-BOOL',
      inputs: [{ name: 'input', datatype: 'BOOL', shape: [1, 2] }],
      raw_input_contents: [Buffer.of(1, 2)],
    }),
    status.INVALID_ARGUMENT,
    /expected every BOOL to be 0 or 1/,
  ],
  [
    'BYTES whose length runs past the end',
    () => ({
      model_name: 'identity-BYTES',
      inputs: [{ name: 'input', datatype: 'BYTES', shape: [1, 2] }],
      raw_input_contents: [Buffer.of(1, 0, 0, 0, 65, 9, 0, 0, 0, 66)],
    }),
    status.INVALID_ARGUMENT,
    /element 1 of the BYTES data runs past its end/,
  ],
  [
    'BYTES with half a length',
    () => ({
      model_name: 'identity-BYTES',
      inputs: [{ name: 'input', datatype: 'BYTES', shape: [1, 2] }],
      raw_input_contents: [Buffer.of(1, 0, 0, 0, 65, 9, 0)],
    }),
    status.INVALID_ARGUMENT,
    /element 1 of the BYTES data runs past its end/,
  ],
  [
    'too few BYTES elements',
    () => ({
      model_name: 'identity-BYTES',
      inputs: [{ name: 'input', datatype: 'BYTES', shape: [1, 2] }],
      raw_input_contents: [Buffer.from(fromStrings(['one']))],
    }),
    status.INVALID_ARGUMENT,
    /expected 2 BYTES elements as the shape says, the data holds 1/,
  ],
  [
    'BYTES that are not UTF-8',
    () => ({
      model_name: 'identity-BYTES',
      inputs: [
        {
          name: 'input',
          datatype: 'BYTES',
          shape: [1, 2],
          contents: { bytes_contents: [Buffer.of(65), Buffer.of(0xff)] },
        },
      ],
    }),
    status.INVALID_ARGUMENT,
    /element 1 of the BYTES data is not well-formed UTF-8/,
  ],
  [
    'BYTES with a zero byte',
    () => ({
      model_name: 'identity-BYTES',
      inputs: [{ name: 'input', datatype: 'BYTES', shape: [1, 2] }],
      raw_input_contents: [Buffer.from(fromStrings(['one', 't\0wo']))],
    }),
    status.INVALID_ARGUMENT,
    /element 1 of the BYTES data has a zero byte/,
  ],
  [
    'unknown output',
    (r) => ({ ...r, outputs: [{ name: 'product' }] }),
    status.INVALID_ARGUMENT,
    /has the outputs sum, difference; expected some of them, each once, not product/,
  ],
  [
    'output twice',
    (r) => ({ ...r, outputs: [{ name: 'sum' }, { name: 'sum' }] }),
    status.INVALID_ARGUMENT,
    /each once, not sum, sum/,
  ],
  [
    'shared memory',
    (r) => ({
      ...r,
      inputs: [
        { ...r.inputs[0], parameters: { shared_memory_region: { string_param: 'x' } } },
        r.inputs[1],
      ],
    }),
    status.INVALID_ARGUMENT,
    /tensor a: the parameter shared_memory_region is not supported/,
  ],
  [
    'classification',
    (r) => ({
      ...r,
      outputs: [{ name: 'sum', parameters: { classification: { int64_param: 3 } } }],
    }),
    status.INVALID_ARGUMENT,
    /tensor sum: the parameter classification is not supported/,
  ],
  [
    'a nonce that is not a string',
    (r) => ({ ...r, parameters: { nonce: { int64_param: 1 } } }),
    status.INVALID_ARGUMENT,
    /parameter nonce: expected a string/,
  ],
  [
    'a nonce of 31 bytes',
    (r) => ({
      ...r,
      parameters: { nonce: { string_param: Buffer.alloc(31).toString('base64url') } },
    }),
    status.INVALID_ARGUMENT,
    /parameter nonce: expected 32 bytes, 43 characters, not 42/,
  ],
  [
    'a nonce with padding',
    (r) => ({ ...r, parameters: { nonce: { string_param: `${'A'.repeat(42)}=` } } }),
    status.INVALID_ARGUMENT,
    /parameter nonce: expected base64url without padding/,
  ],
  [
    'a nonce whose last character has bits that no byte holds',
    (r) => ({ ...r, parameters: { nonce: { string_param: `${'A'.repeat(42)}B` } } }),
    status.INVALID_ARGUMENT,
    /parameter nonce: expected base64url without padding/,
  ],
  [
    'a negative timeout',
    (r) => ({ ...r, parameters: { timeout: { int64_param: -1 } } }),
    status.INVALID_ARGUMENT,
    /parameter timeout: expected an integer that is not negative/,
  ],
  [
    'a sequence identifier that is neither an integer nor a string',
    (r) => ({ ...r, parameters: { sequence_id: { bool_param: true } } }),
    status.INVALID_ARGUMENT,
    /parameter sequence_id: expected an integer or a string/,
  ],
  [
    'a sequence flag that is not a boolean',
    (r) => ({ ...r, parameters: { sequence_end: { int64_param: 1 } } }),
    status.INVALID_ARGUMENT,
    /parameter sequence_end: expected a boolean/,
  ],
  [
    'a message above the limit',
    (r) => ({ ...r, raw_input_contents: [Buffer.alloc(70_000), floats(1, 2, 3)] }),
    status.RESOURCE_EXHAUSTED,
    /larger than max|65536/,
  ],
];

for (const [what, fault, code, message] of REFUSED) {
  test(`refused: ${what}`, async () => {
    const error = await infer(fault(arithmetic())).then(
      () => assert.fail('it was answered'),
      (reason: ServiceError) => reason,
    );
    assert.equal(status[error.code], status[code], error.details);
    assert.match(error.details, message);
    assert.doesNotMatch(error.details, /\.js:|node:|^\s+at /m);
  });
}

const MALFORMED: readonly (readonly [what: string, bytes: number[]])[] = [
  ['a field past the end', [0x0a, 0x7f, 0x41]],
  ['an endless varint', [0x0a, ...Array.from({ length: 11 }, () => 0xff)]],
  ['a group', [0x0b, 0x0c]],
  ['field number 0', [0x02, 0x00]],
  ['a model name that is not UTF-8', [0x0a, 0x01, 0xff]],
  ['a model name as a varint', [0x08, 0x01]],
];

for (const [what, bytes] of MALFORMED) {
  test(`refused: not protobuf, ${what}`, async () => {
    await assert.rejects(server.callBytes('ModelInfer', Buffer.from(bytes)), (error) => {
      assert.equal((error as ServiceError).code, status.INVALID_ARGUMENT);
      assert.match((error as ServiceError).details, /not well-formed protobuf/);
      return true;
    });
  });
}

test('unknown metadata is NOT_FOUND', async () => {
  await assert.rejects(server.call('ModelMetadata', { name: 'nothing' }), {
    code: status.NOT_FOUND,
  });
});

test('no refusal counted as a failure of the server', () => {
  assert.deepEqual(
    server.failures.filter((error) => error instanceof Error && /execution/.test(error.message)),
    [],
  );
});
