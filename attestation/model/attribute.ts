import { AssayError } from '../encoding/error.js';
import { Chunk, type Sink } from './elements.js';
import { readSparse, readTensor, type SparseView, type TensorView } from './tensor.js';
import { readType, type ValueType } from './type.js';
import type { AttributeView, GraphView } from './views.js';
import { type WalkBudget, WireReader, wireType } from './wire.js';

/** AttributeProto.AttributeType. */
export const attributeType = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
  tensors: 9,
  graphs: 10,
  sparseTensor: 11,
  sparseTensors: 12,
  type: 13,
  types: 14,
} as const;

/** Field number of AttributeProto to the attribute type that uses it. */
const FIELD_TYPE: Readonly<Record<number, number>> = {
  2: attributeType.float,
  3: attributeType.int,
  4: attributeType.string,
  5: attributeType.tensor,
  6: attributeType.graph,
  7: attributeType.floats,
  8: attributeType.ints,
  9: attributeType.strings,
  10: attributeType.tensors,
  11: attributeType.graphs,
  14: attributeType.type,
  15: attributeType.types,
  22: attributeType.sparseTensor,
  23: attributeType.sparseTensors,
};

/** Types whose value is one message, which must be there: protobuf has no default for it. */
export const ONE_MESSAGE: ReadonlySet<number> = new Set([
  attributeType.tensor,
  attributeType.graph,
  attributeType.sparseTensor,
  attributeType.type,
]);

function bad(name: string, reason: string): never {
  throw new AssayError(
    'MODEL_ATTRIBUTE',
    `attribute ${JSON.stringify(name.slice(0, 200))} ${reason}`,
  );
}

/** Walks over an element of a numeric list, or a packed run of them. */
function skipNumbers(fields: WireReader, type: number): void {
  if (fields.wire !== wireType.bytes) {
    if (type === attributeType.floats) fields.fixed(4);
    else fields.int64();
    return;
  }
  const packed = fields.bytes();
  if (type === attributeType.floats) {
    if (packed.length % 4 !== 0) bad('', 'has a packed list of floats that ends inside one');
    return;
  }
  const elements = new WireReader(packed, 'AttributeProto.ints', null);
  while (elements.more) elements.readVarint();
}

/**
 * Reads an AttributeProto: its type must be given and agree with the one member that has its value;
 * a number or string that is left out is protobuf's default. Throws MODEL_ATTRIBUTE.
 *
 * @param readGraph reads a subgraph, one level deeper.
 */
export function readAttribute(
  message: Uint8Array,
  budget: WalkBudget,
  readGraph: (graph: Uint8Array) => GraphView,
): AttributeView {
  const fields = new WireReader(message, 'AttributeProto', budget);
  let name = '';
  let type = 0;
  let reference = '';
  let bytes: Uint8Array | null = null;
  let int = 0n;
  let member: number | null = null;
  const tensors: TensorView[] = [];
  const sparse: SparseView[] = [];
  const types: ValueType[] = [];
  const graphs: GraphView[] = [];
  while (fields.next()) {
    const uses = FIELD_TYPE[fields.number];
    if (uses !== undefined) {
      if (member !== null && member !== uses) bad(name, 'has values of two kinds');
      member = uses;
    }
    switch (fields.number) {
      case 1:
        name = fields.once().text();
        break;
      case 2:
        bytes = fields.once().fixed(4);
        break;
      case 3:
        int = fields.once().int64();
        break;
      case 4:
        bytes = fields.once().bytes();
        break;
      case 5:
        tensors.push(readTensor(fields.once().bytes(), budget));
        break;
      case 6:
        graphs.push(readGraph(fields.once().bytes()));
        break;
      case 7:
      case 8:
        skipNumbers(fields, uses ?? 0);
        break;
      case 9:
        fields.bytes();
        break;
      case 13:
        fields.once().bytes();
        break;
      case 10:
        tensors.push(readTensor(fields.bytes(), budget));
        break;
      case 11:
        graphs.push(readGraph(fields.bytes()));
        break;
      case 14:
        types.push(readType(fields.once().bytes(), budget));
        break;
      case 15:
        types.push(readType(fields.bytes(), budget));
        break;
      case 20:
        type = fields.once().int32();
        break;
      case 21:
        reference = fields.once().text();
        break;
      case 22:
        sparse.push(readSparse(fields.once().bytes(), budget));
        break;
      case 23:
        sparse.push(readSparse(fields.bytes(), budget));
        break;
      default:
        fields.unknown();
    }
  }
  if (name === '') bad(name, 'has no name');
  if (type < attributeType.float || type > attributeType.types) bad(name, `has type ${type}`);
  if (reference !== '' && member !== null) bad(name, 'has a value and refers to another');
  if (member !== null && member !== type) bad(name, `has type ${type} and a value of ${member}`);
  if (member === null && reference === '' && ONE_MESSAGE.has(type)) bad(name, 'has no value');
  const zero = new Uint8Array(type === attributeType.float ? 4 : 0);
  return {
    name,
    type,
    reference,
    bytes: bytes ?? zero,
    int,
    tensors,
    sparse,
    types,
    graphs,
    message,
  };
}

/**
 * Streams the canonical bytes of a FLOATS, INTS or STRINGS list: little-endian numbers of 4 or 8
 * bytes; a string is its length (64 bits) and its bytes. Returns the number of elements.
 */
export function streamList(attribute: AttributeView, sink: Sink): number {
  const fields = new WireReader(attribute.message, 'AttributeProto', null);
  const chunk = new Chunk(sink, attribute.message.length * 8);
  let count = 0;
  const integer = (reader: WireReader): void => {
    reader.readVarint();
    chunk.number(reader.low, reader.high, 8);
    count += 1;
  };
  while (fields.next()) {
    if (fields.number === 7) {
      const floats = fields.wire === wireType.bytes ? fields.bytes() : fields.fixed(4);
      chunk.bytes(floats);
      count += floats.length / 4;
    } else if (fields.number === 8 && fields.wire !== wireType.bytes) {
      integer(fields);
    } else if (fields.number === 8) {
      const packed = new WireReader(fields.bytes(), 'AttributeProto.ints', null);
      while (packed.more) integer(packed);
    } else if (fields.number === 9) {
      const text = fields.bytes();
      chunk.number(text.length, Math.floor(text.length / 2 ** 32), 8);
      chunk.bytes(text);
      count += 1;
    } else {
      fields.skip();
    }
  }
  chunk.flush();
  return count;
}
