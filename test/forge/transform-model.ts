/** Rewritings of a model that leave its computation alone. Each returns a new model. */
import { writeElements } from './elements.js';
import type {
  AttributeValue,
  GraphInit,
  ModelInit,
  NodeInit,
  TensorInit,
  TypeInit,
  ValueInit,
} from './onnx-init.js';
import type { Random } from './random.js';
import { randomTensor } from './random-model.js';
import type { Field, WireStyle } from './wire.js';

/** Fisher-Yates, in a copy. */
export function shuffled<T>(random: Random, items: readonly T[]): T[] {
  const copy = [...items];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = random(i + 1);
    const [a, b] = [copy[i], copy[j]];
    if (a !== undefined && b !== undefined) [copy[i], copy[j]] = [b, a];
  }
  return copy;
}

/** Rewrites every graph of a model, innermost first, and function bodies as graphs without inputs. */
export function mapGraphs(model: ModelInit, rewrite: (graph: GraphInit) => GraphInit): ModelInit {
  const attribute = (value: AttributeValue): AttributeValue => {
    if ('g' in value) return { g: graph(value.g) };
    if ('graphs' in value) return { graphs: value.graphs.map(graph) };
    return value;
  };
  const node = (init: NodeInit): NodeInit => ({
    ...init,
    attributes: Object.fromEntries(
      Object.entries(init.attributes ?? {}).map(([name, value]) => [name, attribute(value)]),
    ),
  });
  const graph = (init: GraphInit): GraphInit => rewrite({ ...init, nodes: init.nodes.map(node) });
  return {
    ...model,
    graph: graph(model.graph),
    functions: (model.functions ?? []).map((body) => ({
      ...body,
      nodes: graph({ nodes: body.nodes, outputs: [] }).nodes,
    })),
  };
}

/** Rewrites every tensor: initializers and those in attributes. */
export function mapTensors(
  model: ModelInit,
  rewrite: (tensor: TensorInit) => TensorInit,
): ModelInit {
  return mapGraphs(model, (graph) => ({
    ...graph,
    initializers: (graph.initializers ?? []).map(rewrite),
    nodes: graph.nodes.map((node) => ({
      ...node,
      attributes: Object.fromEntries(
        Object.entries(node.attributes ?? {}).map(([name, value]) => [
          name,
          't' in value ? { t: rewrite(value.t) } : value,
        ]),
      ),
    })),
  }));
}

/** Typed fields become raw_data, where the type allows. */
export function toRaw(tensor: TensorInit): TensorInit {
  const raw = writeElements(tensor);
  if (raw === null) return tensor;
  const { name, type, dims } = tensor;
  return { ...(name === undefined ? {} : { name }), type, dims, raw };
}

/** raw_data becomes typed fields, for the element types that models mostly have. */
export function toTyped(tensor: TensorInit): TensorInit {
  const { raw, ...rest } = tensor;
  if (raw === undefined) return tensor;
  const bytes = new Uint8Array(raw).buffer;
  if (tensor.type === 1) return { ...rest, floats: [...new Float32Array(bytes)] };
  if (tensor.type === 6) return { ...rest, int32s: [...new Int32Array(bytes)] };
  if (tensor.type === 7) return { ...rest, int64s: [...new BigInt64Array(bytes)] };
  return tensor;
}

/** Moves the dense constants of the model's own graph into one external file, with gaps between them. */
export function toExternal(model: ModelInit, location: string): [ModelInit, Uint8Array] {
  const parts: Uint8Array[] = [];
  let offset = 0;
  const move = (tensor: TensorInit): TensorInit => {
    const raw = writeElements(tensor);
    if (raw === null) return tensor;
    const { name, type, dims } = tensor;
    const gap = new Uint8Array(offset % 7).fill(0xee);
    const at = offset + gap.length;
    parts.push(gap, raw);
    offset = at + raw.length;
    return {
      ...(name === undefined ? {} : { name }),
      type,
      dims,
      external: { location, offset: String(at), length: String(raw.length) },
    };
  };
  const { graph } = model;
  const initializers = (graph.initializers ?? []).map(move);
  const nodes = graph.nodes.map((node) => {
    const { value } = node.attributes ?? {};
    return node.op !== 'Constant' || value === undefined || !('t' in value)
      ? node
      : { ...node, attributes: { value: { t: move(value.t) } } };
  });
  const moved = { ...model, graph: { ...graph, initializers, nodes } };
  return [moved, new Uint8Array(Buffer.concat(parts))];
}

/** Renames every value but the inputs and outputs of the model itself. */
export function renameValues(model: ModelInit): ModelInit {
  const kept = new Set([
    ...(model.graph.inputs ?? []).map(({ name }) => name),
    ...model.graph.outputs.map(({ name }) => name),
  ]);
  const rename = (name: string): string =>
    name === '' || kept.has(name) ? name : `renamed/${name}`;
  const value = (init: ValueInit): ValueInit => ({ ...init, name: rename(init.name) });
  const rewritten = mapGraphs(model, (graph) => ({
    ...graph,
    name: 'another name',
    inputs: (graph.inputs ?? []).map(value),
    outputs: graph.outputs.map(value),
    initializers: (graph.initializers ?? []).map((tensor) => ({
      ...tensor,
      name: rename(tensor.name ?? ''),
    })),
    nodes: graph.nodes.map((node) => ({
      ...node,
      name: `node ${node.outputs[0]}`,
      inputs: node.inputs.map(rename),
      outputs: node.outputs.map(rename),
    })),
  }));
  return {
    ...rewritten,
    functions: (rewritten.functions ?? []).map((body) => ({
      ...body,
      inputs: body.inputs.map(rename),
      outputs: body.outputs.map(rename),
    })),
  };
}

/** The type with `rename` of each of its symbols. */
function withSymbols(type: TypeInit, rename: (symbol: string) => string): TypeInit {
  if ('sequence' in type) return { sequence: withSymbols(type.sequence, rename) };
  if ('optional' in type) return { optional: withSymbols(type.optional, rename) };
  if (!('shape' in type)) return type;
  const shape = type.shape.map((size) => (typeof size === 'string' ? rename(size) : size));
  return { ...type, shape };
}

/** Renames the symbols of subgraphs and functions, those of the model's signature aside. */
export function renameSymbols(model: ModelInit): ModelInit {
  const signature = new Set<string>();
  const add = (symbol: string): string => {
    signature.add(symbol);
    return symbol;
  };
  for (const { type } of [...(model.graph.inputs ?? []), ...model.graph.outputs]) {
    if (type !== undefined) withSymbols(type, add);
  }
  const rename = (symbol: string): string => (signature.has(symbol) ? symbol : `renamed ${symbol}`);
  const value = (init: ValueInit): ValueInit =>
    init.type === undefined ? init : { ...init, type: withSymbols(init.type, rename) };
  return mapGraphs(model, (graph) => ({
    ...graph,
    inputs: (graph.inputs ?? []).map(value),
    outputs: graph.outputs.map(value),
  }));
}

/** Names that a node reads, those that its subgraphs capture included. */
function reads(node: NodeInit): string[] {
  const inner = Object.values(node.attributes ?? {}).flatMap((value) =>
    'g' in value ? value.g.nodes.flatMap(reads) : [],
  );
  return [...node.inputs, ...inner];
}

/** Another topological order of every graph. */
export function reorderNodes(model: ModelInit, random: Random): ModelInit {
  return mapGraphs(model, (graph) => {
    const made = new Map(graph.nodes.flatMap((node) => node.outputs.map((name) => [name, node])));
    const order: NodeInit[] = [];
    const place = (node: NodeInit): void => {
      if (order.includes(node)) return;
      for (const name of shuffled(random, reads(node))) {
        const producer = made.get(name);
        if (producer !== undefined) place(producer);
      }
      order.push(node);
    };
    shuffled(random, graph.nodes).forEach(place);
    return { ...graph, nodes: order, initializers: shuffled(random, graph.initializers ?? []) };
  });
}

/** Adds nodes and initializers that no output needs, random draws among them. */
export function addDeadNodes(model: ModelInit, random: Random): ModelInit {
  const [input] = model.graph.inputs ?? [];
  const dead: NodeInit[] = ['Relu', 'RandomNormal'].map((op, index) => ({
    op,
    inputs: [input?.name ?? ''],
    outputs: [`dead ${index}`],
  }));
  const nodes = random(2) === 0 ? [...dead, ...model.graph.nodes] : [...model.graph.nodes, ...dead];
  const initializers = [randomTensor(random, 'dead weight'), ...(model.graph.initializers ?? [])];
  return { ...model, graph: { ...model.graph, nodes, initializers } };
}

/** Initializers become nodes Constant, which give the same values. */
export function toConstantNodes(model: ModelInit): ModelInit {
  return mapGraphs(model, ({ initializers = [], ...graph }) => ({
    ...graph,
    nodes: [
      ...initializers.map(({ name = '', ...tensor }) => ({
        ...{ op: 'Constant', inputs: [], outputs: [name] },
        attributes: { value: { t: tensor } },
      })),
      ...graph.nodes,
    ],
  }));
}

/** Copies initializers, and nodes that draw nothing; some of those who use one use its twin. */
export function addTwins(model: ModelInit, random: Random): ModelInit {
  const twin = (name: string): string => (name === '' ? '' : `twin of ${name}`);
  return mapGraphs(model, (graph) => {
    const { initializers = [] } = graph;
    const twins = new Set(initializers.map(({ name = '' }) => name));
    const either = (name: string): string =>
      twins.has(name) && random(2) === 0 ? twin(name) : name;
    const nodes = graph.nodes.flatMap((node) => {
      const uses = (): NodeInit => ({ ...node, inputs: node.inputs.map(either) });
      const first = uses();
      const drawn = node.op === 'RandomNormal' || node.op === 'If' || node.domain === 'local';
      if (drawn) return [first];
      const second = { ...uses(), outputs: node.outputs.map(twin) };
      for (const name of node.outputs) twins.add(name);
      return random(2) === 0 ? [first, second] : [second, first];
    });
    const copies = initializers.map((tensor) => ({ ...tensor, name: twin(tensor.name ?? '') }));
    return { ...graph, nodes, initializers: [...copies, ...initializers] };
  });
}

/** Changes everything that documents a model and nothing that it computes. */
export function redocument(model: ModelInit): ModelInit {
  const documented = mapGraphs(model, (graph) => ({
    ...graph,
    doc: 'a graph',
    metadata: { key: 'value' },
    values: [{ name: 'inner', type: { tensor: 1, shape: [7] }, doc: 'an inner value' }],
    initializers: (graph.initializers ?? []).map((tensor) => ({ ...tensor, doc: 'a tensor' })),
    nodes: graph.nodes.map((node) => ({ ...node, doc: 'a node', metadata: { key: 'value' } })),
  }));
  return {
    ...documented,
    producer: ['another producer', '9.9'],
    domain: 'org.example',
    modelVersion: 77,
    doc: 'a model',
    metadata: { author: 'someone' },
    irVersion: 10,
    opsets: { ...(model.opsets ?? {}), 'com.example.unused': 3 },
  };
}

/** Any order of fields, keeping that among fields of one number; attributes count as a set. */
export function wildStyle(random: Random): WireStyle {
  return {
    packed: random(2) === 0,
    order: (fields) => {
      const numbers = shuffled(random, [...new Set(fields.map((field) => field.number))]);
      const queues = new Map(
        numbers.map((number) => [number, fields.filter((field) => field.number === number)]),
      );
      const mixed: Field[] = [];
      while (mixed.length < fields.length) {
        const next = queues.get(numbers[random(numbers.length)] ?? 0)?.shift();
        if (next !== undefined) mixed.push(next);
      }
      return mixed;
    },
  };
}
