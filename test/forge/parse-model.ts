/** Reads a model back into what the writer takes, without its documentation. */
import { attributeType, streamList } from '../../attestation/model/attribute.js';
import { streamElements } from '../../attestation/model/elements.js';
import { readModel } from '../../attestation/model/onnx.js';
import { type Constant, isSparse, type TensorView } from '../../attestation/model/tensor.js';
import type { ValueType } from '../../attestation/model/type.js';
import type {
  AttributeView,
  GraphView,
  NodeView,
  ValueView,
} from '../../attestation/model/views.js';
import type {
  AttributeValue,
  GraphInit,
  ModelInit,
  NodeInit,
  SparseInit,
  TensorInit,
  TypeInit,
  ValueInit,
} from './onnx-init.js';

function collect(stream: (sink: (bytes: Uint8Array) => void) => void): Buffer {
  const parts: Uint8Array[] = [];
  stream((bytes) => parts.push(new Uint8Array(bytes)));
  return Buffer.concat(parts);
}

function strings(bytes: Buffer): string[] {
  const found: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    found.push(bytes.toString('utf8', at + 8, at + 8 + length));
    at += 8 + length;
  }
  return found;
}

function tensorOf(view: TensorView): TensorInit {
  const bytes = collect((sink) => streamElements(view, new Map(), sink));
  const { name, dims } = view;
  const type = view.type.code;
  return view.type.name === 'STRING'
    ? { name, dims, type, strings: strings(bytes) }
    : { name, dims, type, raw: bytes };
}

function sparseOf(constant: Constant): SparseInit {
  if (!isSparse(constant)) throw new Error('expected a sparse tensor');
  const { values, indices, dims } = constant;
  return { values: tensorOf(values), indices: tensorOf(indices), dims };
}

function typeOf(type: ValueType): TypeInit {
  if (type.kind === 'tensor' || type.kind === 'sparse_tensor') {
    const shape = type.dims === null ? {} : { shape: type.dims };
    return type.kind === 'tensor'
      ? { tensor: type.element, ...shape }
      : { sparse: type.element, ...shape };
  }
  if (type.kind === 'map') return { map: [type.key, typeOf(type.of)] };
  if (type.kind === 'opaque') return { opaque: [type.domain, type.name] };
  return type.kind === 'seq' ? { sequence: typeOf(type.of) } : { optional: typeOf(type.of) };
}

function valueInit({ name, type }: ValueView): ValueInit {
  return type === null ? { name } : { name, type: typeOf(type) };
}

function attributeOf(view: AttributeView): AttributeValue {
  if (view.reference !== '') return { ref: view.reference, type: view.type };
  const list = collect((sink) => streamList(view, sink));
  const each = <T>(width: number, read: (at: number) => T): T[] =>
    Array.from({ length: list.length / width }, (_, index) => read(index * width));
  switch (view.type) {
    case attributeType.float:
      return { f: Buffer.from(view.bytes).readFloatLE() };
    case attributeType.int:
      return { i: view.int };
    case attributeType.string:
      return { s: view.bytes };
    case attributeType.floats:
      return { floats: each(4, (at) => list.readFloatLE(at)) };
    case attributeType.ints:
      return { ints: each(8, (at) => list.readBigInt64LE(at)) };
    case attributeType.strings:
      return { strings: strings(list) };
    case attributeType.tensor:
    case attributeType.tensors: {
      const [first, ...rest] = view.tensors.map(tensorOf);
      return view.type === attributeType.tensor && first !== undefined && rest.length === 0
        ? { t: first }
        : { tensors: view.tensors.map(tensorOf) };
    }
    case attributeType.graph: {
      const [graph] = view.graphs.map(graphOf);
      if (graph === undefined) throw new Error('expected a graph');
      return { g: graph };
    }
    case attributeType.graphs:
      return { graphs: view.graphs.map(graphOf) };
    case attributeType.sparseTensors:
    case attributeType.sparseTensor: {
      const [first] = view.sparse.map(sparseOf);
      return view.type === attributeType.sparseTensor && first !== undefined
        ? { sparse: first }
        : { sparses: view.sparse.map(sparseOf) };
    }
    default:
      return { tps: view.types.map(typeOf) };
  }
}

function nodeOf(view: NodeView): NodeInit {
  const { op, domain, overload, inputs, outputs } = view;
  const attributes = Object.fromEntries(
    view.attributes.map((attribute) => [attribute.name, attributeOf(attribute)]),
  );
  return { op, domain, overload, inputs, outputs, attributes };
}

function graphOf(view: GraphView): GraphInit {
  return {
    nodes: view.nodes.map(nodeOf),
    initializers: view.initializers.map(tensorOf),
    sparse: view.sparse.map(sparseOf),
    inputs: view.inputs.map(valueInit),
    outputs: view.outputs.map(valueInit),
  };
}

/** A model file as the writer's input. */
export function parseModel(bytes: Uint8Array): ModelInit {
  const { irVersion, opsets, graph, functions } = readModel(bytes);
  return {
    irVersion,
    opsets: Object.fromEntries(opsets),
    graph: graphOf(graph),
    functions: functions.map((body) => ({
      ...body,
      defaults: Object.fromEntries(body.defaults.map((view) => [view.name, attributeOf(view)])),
      nodes: body.nodes.map(nodeOf),
      opsets: Object.fromEntries(body.opsets),
    })),
  };
}
