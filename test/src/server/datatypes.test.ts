import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromStrings } from '../../../src/engine/framing.js';
import { identityModel, ONNX_TYPES } from '../../forge/inference-models.js';
import { bytesOf, floats } from '../../forge/inference-requests.js';
import { type InferAnswer, startTestServer } from '../../forge/inference-server.js';

const datatypes = Object.keys(ONNX_TYPES) as (keyof typeof ONNX_TYPES)[];

const server = await startTestServer({
  models: {
    ...Object.fromEntries(datatypes.map((type) => [`identity-${type}`, identityModel(type)])),
  },
  maxReceiveBytes: 64 * 1024,
});
const infer = (request: object): Promise<InferAnswer> => server.call('ModelInfer', request);

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
