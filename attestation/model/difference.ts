import { equalBytes, toHex } from '../encoding/bytes.js';
import { type CborValue, encodeCbor } from '../encoding/cbor.js';
import { attributeItem } from './attribute-item.js';
import { attributeText } from './attribute-text.js';
import { functionKey } from './computation.js';
import type { TensorDistance } from './distance.js';
import type { ModelAnalysis } from './identity.js';
import type { Definition, NodeState, Scope } from './scope.js';
import { type Constant, isSparse, nameOf } from './tensor.js';
import { typeText } from './type.js';
import type { AttributeView, NodeView } from './views.js';
import { weightDistance } from './weight-distance.js';

/** Local differences that are told; a graph that differs everywhere is told by its counts. */
const MAX_TOLD = 100;

/** A place where two computations part: an operator, an attribute, an edge. */
export interface GraphDifference {
  /** What the two have, for people; null where one has nothing. */
  readonly a: string | null;
  readonly b: string | null;
  readonly kind: 'operator' | 'attribute' | 'edge' | 'value';
  /** Attribute, input or output that is meant. */
  readonly at: string;
}

/** A constant that differs, under the names it has in each model. */
export interface WeightDifference {
  readonly a: string;
  readonly b: string;
  readonly shapeOfA: string;
  readonly shapeOfB: string;
  /** Null where type or shape differ. */
  readonly distance: TensorDistance | null;
}

/** Where two computations part, found by walking both from their outputs. */
export interface ComputationDifference {
  readonly graph: readonly GraphDifference[];
  readonly weights: readonly WeightDifference[];
  /** True if there is more than is told. */
  readonly truncated: boolean;
}

function nodeText(node: NodeView): string {
  const name = node.name === '' ? (node.outputs.find((output) => output !== '') ?? '') : node.name;
  return `${node.op} "${name}"`;
}

function shapeText(constant: Constant): string {
  const { type } = isSparse(constant) ? constant.values : constant;
  return `${isSparse(constant) ? 'sparse ' : ''}${type.name} [${constant.dims.join(', ')}]`;
}

function definitionText(definition: Definition): string {
  if (definition.kind === 'input') return `input "${definition.value.name}"`;
  if (definition.kind === 'constant') {
    return `constant "${nameOf(definition.constant)}" ${shapeText(definition.constant)}`;
  }
  return nodeText(definition.state.node);
}

interface Pair {
  readonly a: Definition;
  readonly b: Definition;
  readonly at: string;
}

class Walk {
  readonly graph: GraphDifference[] = [];
  readonly weights: WeightDifference[] = [];
  truncated = false;
  readonly #a: ModelAnalysis;
  readonly #b: ModelAnalysis;
  readonly #stack: Pair[] = [];
  readonly #ids = new Map<Definition | Scope, number>();
  readonly #seen = new Set<string>();

  constructor(a: ModelAnalysis, b: ModelAnalysis) {
    this.#a = a;
    this.#b = b;
  }

  #first(a: Definition | Scope, b: Definition | Scope): boolean {
    const id = (of: Definition | Scope): number => {
      const known = this.#ids.get(of) ?? this.#ids.size;
      this.#ids.set(of, known);
      return known;
    };
    const key = `${id(a)} ${id(b)}`;
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    return true;
  }

  #tell(difference: GraphDifference): void {
    if (this.graph.length < MAX_TOLD) this.graph.push(difference);
    else this.truncated = true;
  }

  /** Compares what two graphs or bodies give, output by output. */
  scopes(a: Scope, b: Scope): void {
    if (!this.#first(a, b)) return;
    const count = Math.max(a.outputs.length, b.outputs.length);
    for (let index = 0; index < count; index++) {
      const [left, right] = [a.outputs[index], b.outputs[index]];
      if (left !== undefined && right !== undefined) {
        this.#stack.push({
          a: a.resolve(left.name),
          b: b.resolve(right.name),
          at: `output ${index}`,
        });
      }
    }
  }

  run(): void {
    for (let pair = this.#stack.pop(); pair !== undefined; pair = this.#stack.pop()) {
      this.#values(pair);
    }
  }

  #values({ a, b, at }: Pair): void {
    if (a.digest !== null && b.digest !== null && equalBytes(a.digest, b.digest)) return;
    if (!this.#first(a, b)) return;
    if (a.kind === 'constant' && b.kind === 'constant') {
      this.#constants(a.constant, b.constant);
      return;
    }
    if (a.kind !== 'output' || b.kind !== 'output') {
      if (this.#inserted(a, b)) return;
      this.#tell({ kind: 'value', at, a: definitionText(a), b: definitionText(b) });
      return;
    }
    if (a.index !== b.index) {
      this.#tell({
        kind: 'edge',
        at,
        a: `output ${a.index} of ${definitionText(a)}`,
        b: `output ${b.index} of ${definitionText(b)}`,
      });
    }
    this.#nodes(a, b, at);
  }

  #constants(a: Constant, b: Constant): void {
    if (this.weights.length >= MAX_TOLD) {
      this.truncated = true;
      return;
    }
    const distance =
      isSparse(a) || isSparse(b)
        ? null
        : weightDistance(a, b, this.#a.hasher.files, this.#b.hasher.files);
    this.weights.push({
      a: nameOf(a),
      b: nameOf(b),
      shapeOfA: shapeText(a),
      shapeOfB: shapeText(b),
      distance,
    });
  }

  #inputs({ node, scope }: NodeState): (Definition | null)[] {
    return node.inputs.map((name) => (name === '' ? null : scope.resolve(name)));
  }

  /** Tells a node that only one of the two has in this place, and goes on behind it. */
  #inserted(a: Definition, b: Definition): boolean {
    const same = (x: Definition, y: Definition | null): boolean => {
      if (y === null) return false;
      if (x.digest !== null && y.digest !== null && equalBytes(x.digest, y.digest)) return true;
      return (
        x.kind === 'output' &&
        y.kind === 'output' &&
        x.state.node.op === y.state.node.op &&
        x.state.node.domain === y.state.node.domain
      );
    };
    const behind = (inner: Definition, outer: Definition): Definition | undefined =>
      outer.kind === 'output'
        ? (this.#inputs(outer.state).find((input) => same(inner, input)) ?? undefined)
        : undefined;
    const at = 'only here';
    const more = behind(a, b);
    if (more !== undefined) {
      this.#tell({ kind: 'operator', at, a: null, b: definitionText(b) });
      this.#stack.push({ a, b: more, at });
      return true;
    }
    const less = behind(b, a);
    if (less === undefined) return false;
    this.#tell({ kind: 'operator', at, a: definitionText(a), b: null });
    this.#stack.push({ a: less, b, at });
    return true;
  }

  #nodes(
    a: Definition & { readonly kind: 'output' },
    b: Definition & { readonly kind: 'output' },
    at: string,
  ): void {
    const [left, right] = [a.state, b.state];
    const operator = ({ node }: NodeState) => JSON.stringify([node.domain, node.op, node.overload]);
    const calls = [
      this.#a.functions.get(functionKey({ ...left.node, name: left.node.op })),
      this.#b.functions.get(functionKey({ ...right.node, name: right.node.op })),
    ] as const;
    const [calleeOfA, calleeOfB] = calls;
    if (calleeOfA !== undefined && calleeOfB !== undefined) {
      this.scopes(calleeOfA.scope, calleeOfB.scope);
    } else if (operator(left) !== operator(right)) {
      if (this.#inserted(a, b)) return;
      this.#tell({ kind: 'operator', at, a: definitionText(a), b: definitionText(b) });
    }
    this.#attributes(left, right);
    const [x, y] = [this.#inputs(left), this.#inputs(right)];
    for (let index = 0; index < Math.max(x.length, y.length); index++) {
      const [from, to] = [x[index] ?? null, y[index] ?? null];
      const place = `input ${index} of ${nodeText(left.node)}`;
      if (from !== null && to !== null) this.#stack.push({ a: from, b: to, at: place });
      else if (from !== to) {
        this.#tell({
          kind: 'edge',
          at: place,
          a: from === null ? null : definitionText(from),
          b: to === null ? null : definitionText(to),
        });
      }
    }
    const outputs = ({ node }: NodeState) => node.outputs.map((name) => name !== '').join();
    if (outputs(left) !== outputs(right)) {
      this.#tell({
        kind: 'edge',
        at: `outputs of ${nodeText(left.node)}`,
        a: `${left.node.outputs.length} outputs`,
        b: `${right.node.outputs.length} outputs`,
      });
    }
  }

  #attributes(left: NodeState, right: NodeState): void {
    const of = (state: NodeState) =>
      new Map(state.node.attributes.map((attribute) => [attribute.name, attribute]));
    const [x, y] = [of(left), of(right)];
    for (const name of new Set([...x.keys(), ...y.keys()])) {
      const [from, to] = [x.get(name), y.get(name)];
      if (from !== undefined && to !== undefined && this.#alike(from, to)) {
        from.graphs.forEach((graph, index) => {
          const other = to.graphs[index];
          const inner = left.scope.subgraphs.get(graph);
          const outer = other === undefined ? undefined : right.scope.subgraphs.get(other);
          if (inner !== undefined && outer !== undefined) this.scopes(inner, outer);
        });
        continue;
      }
      this.#tell({
        kind: 'attribute',
        at: `${name} of ${nodeText(left.node)}`,
        a: from === undefined ? null : attributeText(from),
        b: to === undefined ? null : attributeText(to),
      });
    }
  }

  /** Equality of two attributes, apart from what is in their subgraphs. */
  #alike(a: AttributeView, b: AttributeView): boolean {
    const item = (attribute: AttributeView, of: ModelAnalysis): CborValue => [
      attribute.type,
      attribute.reference,
      attribute.reference === '' ? attributeItem(attribute, of.hasher, typeText, () => null) : null,
    ];
    return equalBytes(encodeCbor(item(a, this.#a)), encodeCbor(item(b, this.#b)));
  }
}

/**
 * Finds where two computations part. Values of equal digest are skipped, so that the time is linear in
 * what differs; a difference is told where it is made, not again in everything that depends on it.
 */
export function computationDifference(a: ModelAnalysis, b: ModelAnalysis): ComputationDifference {
  const walk = new Walk(a, b);
  if (toHex(a.identity.graph) !== toHex(b.identity.graph)) {
    walk.scopes(a.scope, b.scope);
    walk.run();
  }
  const { graph, weights, truncated } = walk;
  return { graph, weights, truncated };
}
