import type { FunctionInit, GraphInit, ModelInit, NodeInit, ValueInit } from './onnx-init.js';
import { pick, type Random } from './random.js';

const INT64 = 7;
const BOOL = 9;
/** AttributeProto.AttributeType of a list of integers. */
const INTS = 7;
/** Every value but conditions and counts is a vector of this many integers, so that answers are exact. */
const LENGTH = 4;
const DEEPEST = 3;

const vector = (name: string, size: number | string | null = LENGTH): ValueInit => ({
  name,
  type: { tensor: INT64, shape: [size] },
});
const condition = (name: string): ValueInit => ({ name, type: { tensor: BOOL, shape: [] } });

/** A graph or function body as it grows. */
interface Room {
  readonly vectors: string[];
  readonly conditions: string[];
  readonly nodes: NodeInit[];
  readonly functions: readonly FunctionInit[];
  /** The number of a loop's turns. */
  readonly turns: string;
  readonly depth: number;
}

/** Makes models that ONNX Runtime executes: each operator gets what it takes. */
class Composer {
  readonly #random: Random;
  #names = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  #fresh(): string {
    this.#names += 1;
    return `v${this.#names}`;
  }

  #recent({ vectors }: Room): string {
    return pick(this.#random, vectors.slice(-6));
  }

  #add(
    room: Room,
    op: string,
    inputs: readonly string[],
    more: Partial<NodeInit> = {},
    results = 1,
  ): string[] {
    const outputs = Array.from({ length: results }, () => this.#fresh());
    room.nodes.push({ op, inputs, outputs, ...more });
    return outputs;
  }

  readonly #growths: readonly ((room: Room) => readonly string[])[] = [
    (room) => {
      const op = pick(this.#random, ['Add', 'Sub', 'Mul', 'Max', 'Min']);
      return this.#add(room, op, [this.#recent(room), this.#recent(room)]);
    },
    (room) => this.#add(room, pick(this.#random, ['Neg', 'Abs', 'Identity']), [this.#recent(room)]),
    (room) => this.#again(room),
    (room) => this.#halves(room),
    (room) => this.#compared(room),
    (room) => this.#constant(room),
    (room) => this.#branched(room),
    (room) => this.#looped(room),
    (room) => this.#called(room),
  ];

  #grow(room: Room, times: number): void {
    for (let i = 0; i < times; i++) {
      const growth = pick(this.#random, this.#growths);
      room.vectors.push(...growth(room));
    }
  }

  /** The twin of a node. */
  #again(room: Room): readonly string[] {
    const twins = room.nodes.filter(({ op }) => ['Add', 'Neg', 'Max', 'Split'].includes(op));
    if (twins.length === 0) return [];
    const { op, inputs, attributes = {}, outputs } = pick(this.#random, twins);
    const given = this.#add(room, op, inputs, { attributes }, outputs.length);
    return op === 'Split' ? this.#joined(room, given) : given;
  }

  #joined(room: Room, halves: readonly string[]): readonly string[] {
    const inputs = [pick(this.#random, halves), pick(this.#random, halves)];
    return this.#add(room, 'Concat', inputs, { attributes: { axis: { i: 0 } } });
  }

  #halves(room: Room): readonly string[] {
    const attributes = { num_outputs: { i: 2 } };
    return this.#joined(room, this.#add(room, 'Split', [this.#recent(room)], { attributes }, 2));
  }

  /** A condition, and one of two values by it. */
  #compared(room: Room): readonly string[] {
    const [sum = ''] = this.#add(room, 'ReduceSum', [this.#recent(room)], {
      attributes: { keepdims: { i: 0 } },
    });
    const [less = ''] = this.#add(room, 'Less', [sum, room.turns]);
    room.conditions.push(less);
    return this.#add(room, 'Where', [less, this.#recent(room), this.#recent(room)]);
  }

  #constant(room: Room): readonly string[] {
    const int64s = Array.from({ length: LENGTH }, () => this.#random(3) - 1);
    const attributes = this.#random(2)
      ? { value_ints: { ints: int64s } }
      : { value: { t: { type: INT64, dims: [LENGTH], int64s } } };
    return this.#add(room, 'Constant', [], { attributes });
  }

  /** Values of this graph's own, each once, as operators with subgraphs take them. */
  #given(room: Room, known: ReadonlySet<string>, results: number): string[] {
    const own = room.vectors.filter((name) => !known.has(name));
    const given = new Set<string>();
    while (given.size < results) {
      const chosen = own.length > 0 && this.#random(4) > 0 ? pick(this.#random, own) : '';
      if (chosen !== '' && !given.has(chosen)) given.add(chosen);
      else given.add(this.#add(room, 'Identity', [this.#recent(room)])[0] ?? '');
    }
    return [...given];
  }

  #inside(room: Room, vectors: readonly string[], conditions: readonly string[]): Room {
    return {
      ...room,
      vectors: [...room.vectors, ...vectors],
      conditions: [...room.conditions, ...conditions],
      nodes: [],
      depth: room.depth + 1,
    };
  }

  #branch(room: Room, results: number): GraphInit {
    const inner = this.#inside(room, [], []);
    this.#grow(inner, 1 + this.#random(4));
    const outputs = this.#given(inner, new Set(room.vectors), results);
    return { nodes: inner.nodes, outputs: outputs.map((name) => vector(name)) };
  }

  #branched(room: Room): readonly string[] {
    if (room.depth >= DEEPEST) return [];
    const results = 1 + this.#random(2);
    const attributes = {
      then_branch: { g: this.#branch(room, results) },
      else_branch: { g: this.#branch(room, results) },
    };
    return this.#add(room, 'If', [pick(this.#random, room.conditions)], { attributes }, results);
  }

  #looped(room: Room): readonly string[] {
    if (room.depth >= DEEPEST) return [];
    const carried = Array.from({ length: 1 + this.#random(2) }, () => this.#fresh());
    const [turn, on, goesOn] = [this.#fresh(), this.#fresh(), this.#fresh()];
    const inner = this.#inside(room, carried, [on]);
    this.#grow(inner, 1 + this.#random(4));
    const known = new Set([...room.vectors, ...carried]);
    const outputs = this.#given(inner, known, carried.length);
    inner.nodes.push({ op: 'Identity', inputs: [on], outputs: [goesOn] });
    const size = (): number | string | null => pick(this.#random, [LENGTH, 'M', null]);
    const body: GraphInit = {
      inputs: [
        { name: turn, type: { tensor: INT64, shape: [] } },
        condition(on),
        ...carried.map((name) => vector(name, size())),
      ],
      nodes: inner.nodes,
      outputs: [condition(goesOn), ...outputs.map((name) => vector(name, size()))],
    };
    const inputs = [room.turns, '', ...carried.map(() => this.#recent(room))];
    return this.#add(room, 'Loop', inputs, { attributes: { body: { g: body } } }, carried.length);
  }

  #called(room: Room): readonly string[] {
    if (room.functions.length === 0) return [];
    const { name, domain, outputs } = pick(this.#random, room.functions);
    const ints = Array.from({ length: LENGTH }, () => this.#random(4));
    const attributes = this.#random(2) ? { k: { ints } } : {};
    const inputs = [room.turns, this.#recent(room), this.#recent(room)];
    return this.#add(room, name, inputs, { domain, attributes }, outputs.length);
  }

  #function(index: number, functions: readonly FunctionInit[]): FunctionInit {
    const [turns, ...vectors] = [this.#fresh(), this.#fresh(), this.#fresh()];
    const room = { vectors, conditions: [], nodes: [], functions, turns, depth: 1 };
    const attributes = { value_ints: { ref: 'k', type: INTS } };
    const known = new Set(room.vectors);
    room.vectors.push(...this.#add(room, 'Constant', [], { attributes }));
    room.vectors.push(...this.#compared(room));
    this.#grow(room, 2 + this.#random(5));
    return {
      domain: 'local',
      name: `function_${index}`,
      inputs: [turns, ...vectors.slice(0, 2)],
      outputs: this.#given(room, known, 1 + this.#random(2)),
      defaults: { k: { ints: [5, 6, 7, 8] } },
      nodes: room.nodes,
      opsets: { '': 18, local: 1 },
    };
  }

  model(): ModelInit {
    const functions: FunctionInit[] = [];
    for (let i = this.#random(3); i > 0; i--) functions.push(this.#function(i, [...functions]));
    const room: Room = {
      vectors: ['x', 'w', 'y'],
      conditions: ['c'],
      nodes: [],
      functions,
      turns: 'turns',
      depth: 0,
    };
    this.#grow(room, 4 + this.#random(9));
    const known = new Set(['x', 'w', 'y']);
    const outputs = this.#given(room, known, 1 + this.#random(3));
    return {
      irVersion: 9,
      opsets: { '': 18, local: 1 },
      functions,
      graph: {
        inputs: [vector('x'), vector('y', pick(this.#random, [LENGTH, 'N'])), condition('c')],
        initializers: [
          { name: 'w', type: INT64, dims: [LENGTH], int64s: [1, -2, 3, 4] },
          { name: 'turns', type: INT64, dims: [], int64s: [2] },
        ],
        nodes: room.nodes,
        outputs: outputs.map((name) => vector(name, pick(this.#random, [LENGTH, 'N', 'Q']))),
      },
    };
  }
}

/** A random model of integers that ONNX Runtime executes: `x` and `y` of four each, and the condition `c`. */
export function randomComputation(random: Random): ModelInit {
  return new Composer(random).model();
}
