/** A small writer of ONNX models (field numbers: onnx/onnx.proto, IR version 13), for tests alone. */
import type {
  Attributes,
  AttributeValue,
  FunctionInit,
  GraphInit,
  ModelInit,
  NodeInit,
  Pairs,
  SparseInit,
  TensorInit,
  TypeInit,
  ValueInit,
} from './onnx-init.js';
import { bytes, type Field, float, int, message, repeated, type WireStyle } from './wire.js';

/** TensorProto.DataType. */
export const dataType = {
  float: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  double: 11,
  uint32: 12,
  uint64: 13,
  complex64: 14,
  complex128: 15,
  bfloat16: 16,
  float8e4m3fn: 17,
  float8e4m3fnuz: 18,
  float8e5m2: 19,
  float8e5m2fnuz: 20,
  uint4: 21,
  int4: 22,
  float4e2m1: 23,
  float8e8m0: 24,
  uint2: 25,
  int2: 26,
} as const;

function pairs(number: number, of: Pairs | undefined, style: WireStyle): Field[] {
  return Object.entries(of ?? {}).map(([key, value]) =>
    bytes(number, message([bytes(1, key), bytes(2, value)], style)),
  );
}

function text(number: number, value: string | undefined): Field[] {
  return value === undefined ? [] : [bytes(number, value)];
}

function each<T>(
  number: number,
  items: readonly T[] | undefined,
  encode: (item: T, style: WireStyle) => Uint8Array | string,
  style: WireStyle,
): Field[] {
  return (items ?? []).map((item) => bytes(number, encode(item, style)));
}

/** TensorProto. */
export function encodeTensor(tensor: TensorInit, style: WireStyle = {}): Uint8Array {
  return message(
    [
      ...repeated(1, 'int', tensor.dims, style),
      int(2, tensor.type),
      ...repeated(4, 'float', tensor.floats ?? [], style),
      ...repeated(5, 'int', tensor.int32s ?? [], style),
      ...(tensor.strings ?? []).map((value) => bytes(6, value)),
      ...repeated(7, 'int', tensor.int64s ?? [], style),
      ...text(8, tensor.name),
      ...(tensor.raw === undefined ? [] : [bytes(9, tensor.raw)]),
      ...repeated(10, 'double', tensor.doubles ?? [], style),
      ...repeated(11, 'int', tensor.uint64s ?? [], style),
      ...text(12, tensor.doc),
      ...pairs(13, tensor.external, style),
      ...(tensor.external === undefined ? [] : [int(14, 1)]),
    ],
    style,
  );
}

function encodeSparse(sparse: SparseInit, style: WireStyle): Uint8Array {
  return message(
    [
      bytes(1, encodeTensor(sparse.values, style)),
      bytes(2, encodeTensor(sparse.indices, style)),
      ...repeated(3, 'int', sparse.dims, style),
    ],
    style,
  );
}

function encodeShape(shape: readonly (number | string | null)[], style: WireStyle): Uint8Array {
  return message(
    shape.map((dim) => {
      if (dim === null) return bytes(1, message([], style));
      return bytes(1, message([typeof dim === 'number' ? int(1, dim) : bytes(2, dim)], style));
    }),
    style,
  );
}

function encodeType(type: TypeInit, style: WireStyle): Uint8Array {
  const shaped = (elem: number, shape?: readonly (number | string | null)[]) =>
    message(
      [int(1, elem), ...(shape === undefined ? [] : [bytes(2, encodeShape(shape, style))])],
      style,
    );
  if ('tensor' in type) return message([bytes(1, shaped(type.tensor, type.shape))], style);
  if ('sparse' in type) return message([bytes(8, shaped(type.sparse, type.shape))], style);
  if ('map' in type) {
    const value = bytes(2, encodeType(type.map[1], style));
    return message([bytes(5, message([int(1, type.map[0]), value], style))], style);
  }
  if ('opaque' in type) {
    const [domain, name] = type.opaque;
    return message([bytes(7, message([bytes(1, domain), bytes(2, name)], style))], style);
  }
  const inner = 'sequence' in type ? type.sequence : type.optional;
  return message(
    [bytes('sequence' in type ? 4 : 9, message([bytes(1, encodeType(inner, style))], style))],
    style,
  );
}

function encodeValue(value: ValueInit, style: WireStyle): Uint8Array {
  const type = value.type === undefined ? [] : [bytes(2, encodeType(value.type, style))];
  return message([bytes(1, value.name), ...type, ...text(3, value.doc)], style);
}

function attributeFields(value: AttributeValue, style: WireStyle): Field[] {
  if ('ref' in value) return [bytes(21, value.ref), int(20, value.type)];
  if ('f' in value) return [float(2, value.f), int(20, 1)];
  if ('i' in value) return [int(3, value.i), int(20, 2)];
  if ('s' in value) return [bytes(4, value.s), int(20, 3)];
  if ('t' in value) return [bytes(5, encodeTensor(value.t, style)), int(20, 4)];
  if ('g' in value) return [bytes(6, encodeGraph(value.g, style)), int(20, 5)];
  if ('floats' in value) return [...repeated(7, 'float', value.floats, style), int(20, 6)];
  if ('ints' in value) return [...repeated(8, 'int', value.ints, style), int(20, 7)];
  if ('strings' in value) return [...value.strings.map((s) => bytes(9, s)), int(20, 8)];
  if ('tensors' in value) return [...each(10, value.tensors, encodeTensor, style), int(20, 9)];
  if ('graphs' in value) return [...each(11, value.graphs, encodeGraph, style), int(20, 10)];
  if ('sparse' in value) return [bytes(22, encodeSparse(value.sparse, style)), int(20, 11)];
  if ('sparses' in value) return [...each(23, value.sparses, encodeSparse, style), int(20, 12)];
  if ('tp' in value) return [bytes(14, encodeType(value.tp, style)), int(20, 13)];
  return [...each(15, value.tps, encodeType, style), int(20, 14)];
}

function attributes(number: number, of: Attributes | undefined, style: WireStyle): Field[] {
  return Object.entries(of ?? {}).map(([name, value]) =>
    bytes(number, message([bytes(1, name), ...attributeFields(value, style)], style)),
  );
}

function encodeNode(node: NodeInit, style: WireStyle): Uint8Array {
  return message(
    [
      ...node.inputs.map((name) => bytes(1, name)),
      ...node.outputs.map((name) => bytes(2, name)),
      ...text(3, node.name),
      bytes(4, node.op),
      ...attributes(5, node.attributes, style),
      ...text(6, node.doc),
      ...text(7, node.domain),
      ...text(8, node.overload),
      ...pairs(9, node.metadata, style),
    ],
    style,
  );
}

/** GraphProto. */
function encodeGraph(graph: GraphInit, style: WireStyle): Uint8Array {
  return message(
    [
      ...each(1, graph.nodes, encodeNode, style),
      ...text(2, graph.name ?? 'graph'),
      ...each(5, graph.initializers, encodeTensor, style),
      ...text(10, graph.doc),
      ...each(11, graph.inputs, encodeValue, style),
      ...each(12, graph.outputs, encodeValue, style),
      ...each(13, graph.values, encodeValue, style),
      ...each(15, graph.sparse, encodeSparse, style),
      ...pairs(16, graph.metadata, style),
    ],
    style,
  );
}

function opsets(number: number, of: Readonly<Record<string, number>>, style: WireStyle): Field[] {
  return Object.entries(of).map(([domain, version]) =>
    bytes(number, message([bytes(1, domain), int(2, version)], style)),
  );
}

function encodeFunction(body: FunctionInit, style: WireStyle): Uint8Array {
  return message(
    [
      bytes(1, body.name),
      ...body.inputs.map((name) => bytes(4, name)),
      ...body.outputs.map((name) => bytes(5, name)),
      ...(body.attributes ?? []).map((name) => bytes(6, name)),
      ...each(7, body.nodes, encodeNode, style),
      ...text(8, body.doc),
      ...opsets(9, body.opsets, style),
      bytes(10, body.domain),
      ...attributes(11, body.defaults, style),
      ...each(12, body.values, encodeValue, style),
      ...text(13, body.overload),
    ],
    style,
  );
}

/** ModelProto. */
export function encodeModel(model: ModelInit, style: WireStyle = {}): Uint8Array<ArrayBuffer> {
  const [producer, version] = model.producer ?? [];
  return message(
    [
      int(1, model.irVersion ?? 10),
      ...text(2, producer),
      ...text(3, version),
      ...text(4, model.domain),
      ...(model.modelVersion === undefined ? [] : [int(5, model.modelVersion)]),
      ...text(6, model.doc),
      bytes(7, encodeGraph(model.graph, style)),
      ...opsets(8, model.opsets ?? { '': 21 }, style),
      ...pairs(14, model.metadata, style),
      ...each(
        20,
        model.training,
        (graph) => message([bytes(2, encodeGraph(graph, style))], style),
        style,
      ),
      ...each(25, model.functions, encodeFunction, style),
    ],
    style,
  );
}
