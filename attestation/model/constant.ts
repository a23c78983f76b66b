import { attributeType, streamList } from './attribute.js';
import { dataTypeOf } from './data-type.js';
import type { Constant, TensorView } from './tensor.js';
import type { AttributeView, NodeView } from './views.js';

const INT64 = 7;
const FLOAT = 1;
const STRING = 8;

function listBytes(attribute: AttributeView): [bytes: Uint8Array, count: number] {
  let length = 0;
  streamList(attribute, (bytes) => {
    length += bytes.length;
  });
  const whole = new Uint8Array(length);
  let offset = 0;
  const count = streamList(attribute, (bytes) => {
    whole.set(bytes, offset);
    offset += bytes.length;
  });
  return [whole, count];
}

/** The canonical bytes of a scalar string: its length (64 bits) and itself. */
function stringBytes(text: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(8 + text.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}

function tensor(
  name: string,
  code: number,
  dims: readonly number[],
  bytes: Uint8Array,
): TensorView {
  const type = dataTypeOf(code);
  const elements = dims[0] ?? 1;
  const size = type.bits === 0 ? 0 : bytes.length;
  return { name, type, dims, elements, size, payload: { kind: 'raw', bytes }, message: bytes };
}

function int64Bytes(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, value, true);
  return bytes;
}

function constantValue(name: string, attribute: AttributeView): Constant | null {
  const [dense] = attribute.tensors;
  const [sparse] = attribute.sparse;
  const is = (attributeName: string, type: number) =>
    attribute.name === attributeName && attribute.type === type;
  if (is('value', attributeType.tensor) && dense) return { ...dense, name };
  if (is('sparse_value', attributeType.sparseTensor) && sparse) {
    return { ...sparse, values: { ...sparse.values, name } };
  }
  if (is('value_float', attributeType.float)) return tensor(name, FLOAT, [], attribute.bytes);
  if (is('value_int', attributeType.int)) {
    return tensor(name, INT64, [], int64Bytes(attribute.int));
  }
  if (is('value_string', attributeType.string)) {
    return tensor(name, STRING, [], stringBytes(attribute.bytes));
  }
  const lists: readonly (readonly [string, number, number])[] = [
    ['value_floats', attributeType.floats, FLOAT],
    ['value_ints', attributeType.ints, INT64],
    ['value_strings', attributeType.strings, STRING],
  ];
  for (const [attributeName, type, code] of lists) {
    if (!is(attributeName, type)) continue;
    const [bytes, count] = listBytes(attribute);
    return tensor(name, code, [count], bytes);
  }
  return null;
}

/**
 * What ONNX's operator Constant gives, under the name of its output; null for any other node. Some
 * exporters keep every weight in such nodes, and ONNX Runtime turns them into initializers as it
 * loads a model: so the two are one thing to a model's identity.
 */
export function constantOf(node: Omit<NodeView, 'constant'>): Constant | null {
  const [attribute] = node.attributes;
  const [output] = node.outputs;
  const plain =
    node.domain === '' &&
    node.op === 'Constant' &&
    node.overload === '' &&
    node.inputs.length === 0 &&
    node.attributes.length === 1 &&
    node.outputs.length === 1;
  if (!plain || attribute === undefined || output === undefined || output === '') return null;
  return attribute.reference === '' ? constantValue(output, attribute) : null;
}
