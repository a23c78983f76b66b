import { status } from '@grpc/grpc-js';
import { fromStrings } from '../../../src/engine/framing.js';
import { arithmeticModel, identityModel } from '../../forge/inference-models.js';
import { floats, type RefusedRequest, refusedRequests } from '../../forge/inference-requests.js';
import { startTestServer } from '../../forge/inference-server.js';

const server = await startTestServer({
  models: {
    arithmetic: arithmeticModel(),
    ...Object.fromEntries(
      (['INT8', 'BOOL', 'BYTES'] as const).map((type) => [`identity-${type}`, identityModel(type)]),
    ),
  },
  maxReceiveBytes: 64 * 1024,
});

const typed = (contents: object) => ({
  name: 'input',
  datatype: 'INT8',
  shape: [1, 2],
  contents,
});

/** Each request has one fault, in its inputs. */
const INPUTS: readonly RefusedRequest[] = [
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
    'a rank that begins as expected',
    (r) => ({ ...r, inputs: [{ ...r.inputs[0], shape: [1, 3, 1] }, r.inputs[1]] }),
    status.INVALID_ARGUMENT,
    /input a: expected shape \[n,3\], not \[1,3,1\]/,
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
    /input a: expected dimensions from 0 to 4294967295, not -1$/,
  ],
  [
    'a dimension beyond every integer',
    (r) => ({ ...r, inputs: [{ ...r.inputs[0], shape: ['9223372036854775807', 3] }, r.inputs[1]] }),
    status.INVALID_ARGUMENT,
    /input a: expected dimensions from 0 to 4294967295, not 9223372036854775807$/,
  ],
  [
    'a dimension of which but one bit is set',
    (r) => ({ ...r, inputs: [{ ...r.inputs[0], shape: ['1152921504606846976', 3] }, r.inputs[1]] }),
    status.INVALID_ARGUMENT,
    /input a: expected dimensions from 0 to 4294967295, not 1152921504606846976$/,
  ],
  [
    'a huge shape with little data',
    (r) => ({ ...r, inputs: [{ ...r.inputs[0], shape: [4e9, 3] }, r.inputs[1]] }),
    status.INVALID_ARGUMENT,
    /expected 48000000000 bytes for FP32 \[4000000000,3\], not 12$/,
  ],
  [
    'raw data too short',
    (r) => ({ ...r, raw_input_contents: [floats(1, 2), floats(1, 2, 3)] }),
    status.INVALID_ARGUMENT,
    /input a: expected 12 bytes for FP32 \[1,3\], not 8$/,
  ],
  [
    'raw data too long',
    (r) => ({ ...r, raw_input_contents: [floats(1, 2, 3, 4), floats(1, 2, 3)] }),
    status.INVALID_ARGUMENT,
    /expected 12 bytes for FP32 \[1,3\], not 16$/,
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
    /expected 12 bytes for FP32 \[1,3\], not 0$/,
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
    /expected 2 elements for INT8 \[1,2\], not 1$/,
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
    /expected 2 elements for BYTES of this shape, not 1$/,
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
];

refusedRequests(server, INPUTS);
