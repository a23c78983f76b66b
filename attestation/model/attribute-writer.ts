import { attributeType, ONE_MESSAGE, streamList } from './attribute.js';
import type { ConstantWriter } from './constant-writer.js';
import type { ValueType } from './type.js';
import type { AttributeView, GraphView } from './views.js';
import { WireReader } from './wire.js';
import { putVarint, WireWriter } from './wire-writer.js';

/** How the parts of attributes are written that are messages. */
interface PartWriters {
  readonly constants: ConstantWriter;
  readonly graph: (view: GraphView) => WireWriter;
  readonly type: (type: ValueType) => WireWriter;
}

function packedFloats(attribute: AttributeView): Uint8Array {
  const into = new Uint8Array(attribute.message.length);
  let at = 0;
  streamList(attribute, (floats) => {
    into.set(floats, at);
    at += floats.length;
  });
  return into.subarray(0, at);
}

function packedInts(attribute: AttributeView): Uint8Array {
  const into = new Uint8Array(attribute.message.length);
  let at = 0;
  streamList(attribute, (ints) => {
    const view = new DataView(ints.buffer, ints.byteOffset, ints.length);
    for (let i = 0; i < ints.length; i += 8) {
      at = putVarint(into, at, view.getUint32(i, true), view.getUint32(i + 4, true));
    }
  });
  return into.subarray(0, at);
}

function* strings({ message }: AttributeView): Iterable<Uint8Array> {
  const fields = new WireReader(message, 'AttributeProto', null);
  while (fields.next()) {
    if (fields.number === 9) yield fields.bytes();
    else fields.skip();
  }
}

function writePacked(writer: WireWriter, number: number, elements: Uint8Array): void {
  if (elements.length > 0) writer.bytes(number, elements);
}

/** AttributeProto of what `attributeItem` covers, encoded in the one way that there is here. */
export function writeAttribute(attribute: AttributeView, parts: PartWriters): WireWriter {
  const { name, type, reference } = attribute;
  const writer = new WireWriter();
  writer.text(1, name);
  writer.int(20, type);
  if (reference === '') writeValue(writer, attribute, parts);
  else writer.text(21, reference);
  return writer;
}

function writeValue(writer: WireWriter, attribute: AttributeView, parts: PartWriters): void {
  switch (attribute.type) {
    case attributeType.float:
      writer.float(2, attribute.bytes);
      break;
    case attributeType.int:
      writer.int64(3, attribute.int);
      break;
    case attributeType.string:
      writer.bytes(4, attribute.bytes);
      break;
    case attributeType.floats:
      writePacked(writer, 7, packedFloats(attribute));
      break;
    case attributeType.ints:
      writePacked(writer, 8, packedInts(attribute));
      break;
    case attributeType.strings:
      writer.strings(9, strings(attribute), attribute.message.length);
      break;
    default:
      writeParts(writer, attribute, parts);
  }
}

function writeParts(
  writer: WireWriter,
  { type, tensors, graphs, types, sparse }: AttributeView,
  parts: PartWriters,
): void {
  const one = ONE_MESSAGE.has(type);
  for (const each of tensors) writer.message(one ? 5 : 10, parts.constants.tensor(each));
  for (const each of graphs) writer.message(one ? 6 : 11, parts.graph(each));
  for (const each of types) writer.message(one ? 14 : 15, parts.type(each));
  for (const each of sparse) writer.message(one ? 22 : 23, parts.constants.sparse(each));
}
