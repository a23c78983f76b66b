import assert from 'node:assert/strict';
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';
import { fromBase64 } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { inputFrom, type TensorSpec } from '../../src/client/input.js';
import { parseNpy } from '../../src/client/npy.js';
import { elementsOf } from '../../src/client/tensor.js';
import { EngineError } from '../../src/engine/error.js';
import { frame, fromStrings, toStrings, unframe } from '../../src/engine/framing.js';
import { isDatatype } from '../../src/engine/tensor.js';
import { decodeInferRequest } from '../../src/server/codec/infer-request.js';
import { rawOf } from '../../src/server/codec/typed-contents.js';
import { loadInference } from '../../src/server/protocol.js';
import { RequestMessage } from '../../src/server/request-message.js';
import { RpcError } from '../../src/server/rpc-error.js';
import { dictionary, file, NUMPY } from '../forge/npy.js';
import { fuzz } from './harness.js';

const service = loadInference()['inference.GRPCInferenceService'] as ServiceDefinition;
const { requestSerialize } = service['ModelInfer'] as MethodDefinition<object, Buffer>;

/** One tensor for each way that contents travel. */
const TYPED = {
  BOOL: { bool_contents: [true, false] },
  INT8: { int_contents: [-128, 127] },
  UINT16: { uint_contents: [0, 65535] },
  INT64: { int64_contents: ['-9223372036854775808', '1'] },
  UINT64: { uint64_contents: ['18446744073709551615', '1'] },
  FP32: { fp32_contents: [1.5, -0] },
  FP64: { fp64_contents: [5e-324, 2] },
  BYTES: { bytes_contents: [Buffer.from('a'), Buffer.from('')] },
};

function* cuts(bytes: Uint8Array): Generator<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    const size = 1 + ((bytes[at] ?? 0) % 5);
    yield Buffer.from(bytes.subarray(at, at + size));
    at += size;
  }
}

/** Pieces of one to five bytes. */
const inPieces = (bytes: Uint8Array): Buffer[] => [...cuts(bytes)];

/** What a request says, or how it was refused, which is the same in whatever pieces it lies. */
function outcome(message: Buffer | readonly Buffer[]): object {
  try {
    const { inputs, raw, ...rest } = decodeInferRequest(message);
    const contents = inputs.map(({ name, datatype, contents: typed }) =>
      typed !== undefined && isDatatype(datatype)
        ? Buffer.concat(rawOf({ name, datatype, shape: [2] }, typed))
        : typed?.field,
    );
    return { ...rest, contents, raw: raw.map((pieces) => Buffer.concat(pieces)) };
  } catch (error) {
    if (error instanceof AssayError) return error;
    throw error;
  }
}

fuzz({
  name: 'ModelInferRequest',
  seeds: [
    ...Object.entries(TYPED).map(([datatype, contents]) => ({
      model_name: 'm',
      inputs: [{ name: 'x', datatype, shape: [2, -1], contents }],
    })),
    {
      model_name: 'm',
      model_version: '1',
      id: 'i',
      parameters: { nonce: { string_param: 'AA' }, timeout: { int64_param: 7 } },
      inputs: [{ name: 'x', datatype: 'FP16', shape: [1] }],
      outputs: [{ name: 'y', parameters: { classification: { int64_param: 3 } } }],
      raw_input_contents: [Buffer.of(0, 60)],
    },
  ].map((request) => requestSerialize(request)),
  decode: (bytes) => {
    const whole = outcome(Buffer.from(bytes));
    assert.deepEqual(outcome(inPieces(bytes)), whole);
    if (whole instanceof AssayError) throw whole;
    return undefined;
  },
});

fuzz({
  name: 'a message of gRPC in pieces',
  seeds: [Buffer.from([0, 0, 0, 0, 3, 1, 2, 3]), Buffer.from([0, 0, 0, 0, 0])],
  decode: (bytes) => {
    const message = new RequestMessage(1 << 16, false);
    try {
      for (const piece of inPieces(bytes)) message.push(piece);
      const whole = Buffer.concat(message.end());
      const prefix = Buffer.alloc(5);
      prefix.writeUInt32BE(whole.length, 1);
      return Buffer.concat([prefix, whole]);
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      throw new AssayError('TENSOR_WIRE', error.message);
    }
  },
});

fuzz({
  name: 'BYTES',
  seeds: [fromStrings(['', 'a', 'zwölf'])],
  decode: (bytes) => {
    try {
      toStrings(bytes, 3);
      return frame(unframe(bytes, 3));
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      throw new AssayError('TENSOR_CONTENTS', error.message);
    }
  },
});

fuzz({
  name: '.npy',
  seeds: [
    ...Object.values(NUMPY).map(({ base64 }) => fromBase64(base64)),
    file(dictionary('|S3', '(2,)'), new Uint8Array(6), 2),
  ],
  decode: (bytes) => {
    elementsOf(parseNpy('x', bytes));
    return undefined;
  },
});

const spec = (datatype: TensorSpec['datatype']): TensorSpec => ({
  name: 'x',
  datatype,
  shape: [-1, 2],
});

for (const [datatype, json] of [
  ['FP32', '[[1, 2.5], [-0, 1e30]]'],
  ['INT64', '["9223372036854775807", 1]'],
  ['BYTES', '[["a", "b"]]'],
] as const) {
  fuzz({
    name: `${datatype} in JSON`,
    seeds: [Buffer.from(json)],
    decode: (bytes) => {
      inputFrom(spec(datatype), bytes, 'json');
      return undefined;
    },
  });
}
