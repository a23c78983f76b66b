import { type InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { EngineError } from './error.js';
import { fromStrings, toStrings } from './framing.js';
import { type Datatype, elementCount, type TensorSpec } from './tensor.js';

const DATATYPES: Readonly<Record<string, Datatype>> = {
  bool: 'BOOL',
  uint8: 'UINT8',
  uint16: 'UINT16',
  uint32: 'UINT32',
  uint64: 'UINT64',
  int8: 'INT8',
  int16: 'INT16',
  int32: 'INT32',
  int64: 'INT64',
  float16: 'FP16',
  float32: 'FP32',
  float64: 'FP64',
  string: 'BYTES',
};

/** The protocol's name of an ONNX Runtime type; undefined for those that it has none for. */
function datatypeOf(ortType: string): Datatype | undefined {
  return DATATYPES[ortType];
}

/** ONNX Runtime for Node puts tensors into plain objects, by their names. */
const UNCARRIED = '__proto__';

/** Translates a session's signature; EngineError `load` for what the protocol, or the binding, cannot carry. */
export function tensorSpecs(
  side: 'input' | 'output',
  metadata: readonly InferenceSession.ValueMetadata[],
): TensorSpec[] {
  return metadata.map((value) => {
    const datatype = value.isTensor ? datatypeOf(value.type) : undefined;
    if (!value.isTensor || datatype === undefined) {
      const what = value.isTensor ? `a tensor of ${value.type}` : 'not a tensor';
      throw new EngineError(
        'load',
        `${side} ${value.name} is ${what}: the protocol has no such type`,
      );
    }
    if (value.name === UNCARRIED) {
      const reason = `expected another name of an ${side} than ${UNCARRIED}, by which ONNX Runtime for Node carries no tensor`;
      throw new EngineError('load', reason);
    }
    return {
      name: value.name,
      datatype,
      shape: value.shape.length === 0 ? undefined : value.shape,
    };
  });
}

/**
 * An ONNX Runtime tensor over the bytes, without a copy (BYTES excepted). `offset` must be a
 * multiple of the element's size.
 */
export function toOrt(
  datatype: Datatype,
  shape: readonly number[],
  buffer: ArrayBuffer,
  offset: number,
  length: number,
): OrtTensor {
  const count = elementCount(shape);
  switch (datatype) {
    case 'BOOL':
      return new OrtTensor('bool', new Uint8Array(buffer, offset, count), shape);
    case 'UINT8':
      return new OrtTensor('uint8', new Uint8Array(buffer, offset, count), shape);
    case 'UINT16':
      return new OrtTensor('uint16', new Uint16Array(buffer, offset, count), shape);
    case 'UINT32':
      return new OrtTensor('uint32', new Uint32Array(buffer, offset, count), shape);
    case 'UINT64':
      return new OrtTensor('uint64', new BigUint64Array(buffer, offset, count), shape);
    case 'INT8':
      return new OrtTensor('int8', new Int8Array(buffer, offset, count), shape);
    case 'INT16':
      return new OrtTensor('int16', new Int16Array(buffer, offset, count), shape);
    case 'INT32':
      return new OrtTensor('int32', new Int32Array(buffer, offset, count), shape);
    case 'INT64':
      return new OrtTensor('int64', new BigInt64Array(buffer, offset, count), shape);
    case 'FP16':
      return new OrtTensor('float16', new Uint16Array(buffer, offset, count), shape);
    case 'FP32':
      return new OrtTensor('float32', new Float32Array(buffer, offset, count), shape);
    case 'FP64':
      return new OrtTensor('float64', new Float64Array(buffer, offset, count), shape);
    case 'BYTES':
      return new OrtTensor(
        'string',
        toStrings(new Uint8Array(buffer, offset, length), count),
        shape,
      );
  }
}

/** The protocol's view of a result, without a copy (strings excepted). */
export function fromOrt(tensor: OrtTensor): {
  datatype: Datatype;
  shape: readonly number[];
  data: Uint8Array;
} {
  const datatype = datatypeOf(tensor.type);
  if (datatype === undefined) {
    throw new EngineError('execution', `the model returned ${tensor.type}, which has no datatype`);
  }
  const { data } = tensor;
  if (Array.isArray(data)) {
    const strings = data.map((value) => String(value));
    return { datatype, shape: tensor.dims, data: fromStrings(strings) };
  }
  if (!ArrayBuffer.isView(data)) {
    throw new EngineError('execution', `the model returned ${tensor.type} outside of memory`);
  }
  return {
    datatype,
    shape: tensor.dims,
    data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  };
}
