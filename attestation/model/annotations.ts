import { WireReader } from './wire.js';

/** A reserved field number of GraphProto and FunctionProto, which every reader skips. */
const RESERVED_TAG = (3 << 3) | 2;

const GRAPH_VALUE_INFO = 13;
const FUNCTION_VALUE_INFO = 12;

/** Turns the tag at `offset` (field number below 16, length-delimited) into the reserved one. */
function strike(message: Uint8Array, offset: number): void {
  message[offset] = ((message[offset] ?? 0) & 0x80) | RESERVED_TAG;
}

function strikeNode(message: Uint8Array): number {
  let struck = 0;
  const node = new WireReader(message, 'NodeProto', null);
  while (node.next()) {
    if (node.number !== 5) {
      node.skip();
      continue;
    }
    const attribute = new WireReader(node.bytes(), 'AttributeProto', null);
    while (attribute.next()) {
      if (attribute.number === 6 || attribute.number === 11) {
        struck += strikeBody(attribute.bytes(), 1, GRAPH_VALUE_INFO);
      } else attribute.skip();
    }
  }
  return struck;
}

function strikeBody(message: Uint8Array, nodes: number, valueInfo: number): number {
  let struck = 0;
  const fields = new WireReader(message, 'GraphProto', null);
  while (fields.next()) {
    if (fields.number === nodes) {
      struck += strikeNode(fields.bytes());
    } else if (fields.number === valueInfo) {
      strike(message, fields.tagOffset);
      fields.bytes();
      struck += 1;
    } else fields.skip();
  }
  return struck;
}

/**
 * Strikes out every `value_info` of a model, in place, by giving it a field number that readers skip;
 * returns how many there were. To be called after `identifyModel` and before the bytes go to a
 * runtime.
 *
 * Why: `value_info` states the types of inner values. It is documentation, and does not count in a
 * model's identity; but where ONNX Runtime cannot infer a shape (NonZero, NonMaxSuppression, …) it
 * believes what is stated and folds it into constants, so that a false statement changes answers
 * under an unchanged `graph`. What does not count must not be executed either.
 *
 * @param bytes a model that `identifyModel` accepted: its nesting is then bounded.
 */
export function strikeAnnotations(bytes: Uint8Array): number {
  let struck = 0;
  const model = new WireReader(bytes, 'ModelProto', null);
  while (model.next()) {
    if (model.number === 7) struck += strikeBody(model.bytes(), 1, GRAPH_VALUE_INFO);
    else if (model.number === 25) struck += strikeBody(model.bytes(), 7, FUNCTION_VALUE_INFO);
    else model.skip();
  }
  return struck;
}
