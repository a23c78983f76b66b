import type {
  Attributes,
  AttributeValue,
  FunctionInit,
  GraphInit,
  ModelInit,
  NodeInit,
  TensorInit,
  TypeInit,
} from './onnx-init.js';
import { pick, type Random } from './random.js';

/** `count` results of `make`. */
function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

/** A tensor of small integers, in typed fields. */
export function randomTensor(random: Random, name: string): TensorInit {
  const dims = times(random(3), () => 1 + random(3));
  const count = dims.reduce((product, size) => product * size, 1);
  const named = { name, dims };
  const values = times(count, () => random(200) - 100);
  switch (random(7)) {
    case 0:
      return { ...named, type: 7, int64s: values };
    case 1:
      return { ...named, type: 6, int32s: values };
    case 2:
      return { ...named, type: 11, doubles: values };
    case 3:
      return { ...named, type: 8, strings: values.map((value) => `text ${value}`) };
    case 4:
      return { ...named, type: 10, int32s: values.map((value) => value + 100) };
    default:
      return { ...named, type: 1, floats: values };
  }
}

function randomType(random: Random): TypeInit {
  const shape = times(random(3), () => pick(random, [1, 3, 'N', 'M', null]));
  const tensor: TypeInit = { tensor: pick(random, [1, 6, 7, 9, 10]), shape };
  return random(8) === 0 ? { sequence: tensor } : tensor;
}

function randomAttribute(random: Random): AttributeValue {
  const numbers = times(random(4), () => random(50) - 25);
  switch (random(7)) {
    case 0:
      return { f: random(100) / 8 };
    case 1:
      return { i: random(100) - 50 };
    case 2:
      return { s: `mode ${random(3)}` };
    case 3:
      return { floats: numbers };
    case 4:
      return { ints: numbers };
    case 5:
      return { strings: numbers.map(String) };
    default:
      return { t: randomTensor(random, '') };
  }
}

const OPERATORS = ['Add', 'Concat', 'MatMul', 'Relu', 'RandomNormal', 'Split', 'Where'] as const;

/** Names that a node may use, its own name prefix, and the functions it may call. */
interface Surroundings {
  readonly prefix: string;
  readonly values: string[];
  readonly functions: readonly FunctionInit[];
  readonly depth: number;
}

function randomSubgraph(random: Random, around: Surroundings): GraphInit {
  const prefix = `${around.prefix}s${random(1e6)}_`;
  const values = [...around.values, `${prefix}in`];
  const inner = { ...around, prefix, values, depth: around.depth + 1 };
  const nodes = times(1 + random(3), (index) => randomNode(random, inner, index));
  const outputs = nodes.flatMap((node) => node.outputs).slice(-1);
  return {
    inputs: [{ name: `${prefix}in`, type: { tensor: 1, shape: ['K'] } }],
    nodes,
    outputs: outputs.map((name) => ({ name, type: { tensor: 1, shape: [null] } })),
    initializers: random(2) === 0 ? [randomTensor(random, `${prefix}w`)] : [],
  };
}

function randomNode(random: Random, around: Surroundings, index: number): NodeInit {
  const inputs = times(1 + random(3), () => pick(random, around.values));
  if (random(6) === 0) inputs.splice(random(inputs.length), 1, '');
  const outputs = times(1 + random(2), (output) => `${around.prefix}v${index}_${output}`);
  const attributes: Record<string, AttributeValue> = {};
  for (let i = random(3); i > 0; i--)
    attributes[`attribute_${random(5)}`] = randomAttribute(random);
  const called = around.functions.length > 0 && random(5) === 0;
  const node: NodeInit = called
    ? { op: pick(random, around.functions).name, domain: 'local', inputs, outputs, attributes }
    : { op: pick(random, OPERATORS), inputs, outputs, attributes };
  const branched =
    !called && around.depth < 2 && random(6) === 0
      ? { ...node, op: 'If', attributes: branches(random, around) }
      : node;
  around.values.push(...outputs);
  return branched;
}

function branches(random: Random, around: Surroundings): Attributes {
  return {
    then_branch: { g: randomSubgraph(random, around) },
    else_branch: { g: randomSubgraph(random, around) },
  };
}

function randomFunction(random: Random, index: number, functions: FunctionInit[]): FunctionInit {
  const values = ['a', 'b'];
  const around = { prefix: `f${index}_`, values, functions: [...functions], depth: 2 };
  const nodes = times(1 + random(4), (at) => randomNode(random, around, at));
  const reference: NodeInit = {
    op: 'LeakyRelu',
    inputs: ['a'],
    outputs: [`f${index}_ref`],
    attributes: { alpha: { ref: 'alpha', type: 1 } },
  };
  return {
    domain: 'local',
    name: `function_${index}`,
    inputs: ['a', 'b'],
    outputs: [nodes.at(-1)?.outputs[0] ?? 'a', `f${index}_ref`],
    attributes: ['alpha'],
    defaults: random(2) === 0 ? { beta: { f: 1 } } : {},
    nodes: [...nodes, reference],
    opsets: { '': 20 },
  };
}

/**
 * A random model that uses every part of ONNX that a digest covers. It is well-formed, and means
 * nothing: operators get whatever inputs and attributes come.
 */
export function randomModel(random: Random): ModelInit {
  const functions: FunctionInit[] = [];
  for (let i = random(3); i > 0; i--) functions.push(randomFunction(random, i, functions));
  const inputs = times(1 + random(3), (i) => ({ name: `x${i}`, type: randomType(random) }));
  const initializers = times(1 + random(3), (i) => randomTensor(random, `w${i}`));
  const values = [...inputs, ...initializers].map((value) => value.name ?? '');
  const around = { prefix: '', values, functions, depth: 0 };
  const nodes = times(2 + random(8), (index) => randomNode(random, around, index));
  const last = nodes.slice(-3).flatMap((node) => node.outputs);
  return {
    irVersion: 9,
    opsets: { '': 20, local: 1 },
    functions,
    graph: {
      name: 'random',
      inputs,
      initializers,
      nodes,
      outputs: last.map((name) => ({ name, type: randomType(random) })),
    },
  };
}
