import { equalBytes } from '../encoding/bytes.js';
import { encodeCbor } from '../encoding/cbor.js';
import { compareAttributes } from './attribute-differences.js';
import { functionKey, isRival } from './computation.js';
import { definitionText, nodeText, valueText } from './difference-text.js';
import { type ComputationDifference, Differences } from './differences.js';
import type { ModelAnalysis } from './identity.js';
import { ComputedValues, inputLike, inputsOf, isSame } from './matching.js';
import { PairsMet } from './pairs-met.js';
import type { Definition, NodeState, Scope } from './scope.js';
import { Symbols, typeItem, type ValueType } from './type.js';
import type { AttributeView, FunctionView, ValueView } from './views.js';

interface Pair {
  readonly a: Definition;
  readonly b: Definition;
  readonly at: string;
}

function bodiesOf({ model }: ModelAnalysis): ReadonlyMap<string, FunctionView> {
  return new Map(model.functions.map((body) => [functionKey(body), body]));
}

class Walk {
  readonly #told: Differences;
  /** Functions of either model by their keys. */
  readonly #bodies: readonly [ReadonlyMap<string, FunctionView>, ReadonlyMap<string, FunctionView>];
  readonly #a: ModelAnalysis;
  readonly #b: ModelAnalysis;
  readonly #inA: ComputedValues;
  readonly #inB: ComputedValues;
  readonly #stack: Pair[] = [];
  readonly #met = new PairsMet();
  /** Symbols of either model, numbered side by side. */
  readonly #symbols = [new Symbols(), new Symbols()] as const;

  constructor(a: ModelAnalysis, b: ModelAnalysis) {
    this.#a = a;
    this.#b = b;
    this.#inA = new ComputedValues(a);
    this.#inB = new ComputedValues(b);
    this.#told = new Differences(a.hasher.files, b.hasher.files);
    this.#bodies = [bodiesOf(a), bodiesOf(b)];
  }

  /** Compares what two graphs or bodies take and give; `named`: their names count. */
  scopes(a: Scope, b: Scope, of: string, named: boolean): void {
    if (!this.#met.first(a, b)) return;
    this.#signatures('input', [a, b], [a.inputs, b.inputs], of, named);
    this.#signatures('output', [a, b], [a.outputs, b.outputs], of, named);
  }

  #signatures(
    kind: 'input' | 'output',
    [a, b]: readonly [Scope, Scope],
    [x, y]: readonly [readonly ValueView[], readonly ValueView[]],
    of: string,
    named: boolean,
  ): void {
    this.#told.compare(x, y);
    for (let index = 0; index < Math.max(x.length, y.length); index++) {
      const [left, right] = [x[index], y[index]];
      const at = `${kind} ${index}${of}`;
      const both = left !== undefined && right !== undefined;
      if (both) this.#push({ a: a.resolve(left.name), b: b.resolve(right.name), at });
      // What differs in the types of inputs is told of the values.
      const typed = both && (this.#sameType(left.type, right.type, a) || kind === 'input');
      if (typed && (!named || left.name === right.name)) continue;
      this.#told.place({
        kind: 'value',
        at,
        a: left === undefined ? null : valueText(left),
        b: right === undefined ? null : valueText(right),
      });
    }
  }

  #sameType(a: ValueType | null, b: ValueType | null, { isFunction }: Scope): boolean {
    const [left, right] = [a, b].map((type, of) =>
      encodeCbor(typeItem(type, isFunction ? null : this.#symbols[of === 0 ? 0 : 1])),
    );
    return left !== undefined && right !== undefined && equalBytes(left, right);
  }

  #push(pair: Pair): void {
    if (!isSame(pair.a, pair.b)) this.#stack.push(pair);
  }

  /** Empties what is left to compare, and returns what was found. */
  run(): Differences {
    for (let pair = this.#stack.pop(); pair !== undefined; pair = this.#stack.pop()) {
      if (!this.#told.hasWork) {
        this.#told.truncated = true;
        break;
      }
      this.#values(pair);
    }
    return this.#told;
  }

  #values({ a, b, at }: Pair): void {
    if (isSame(a, b) || !this.#met.first(a, b)) return;
    if (a.kind === 'constant' && b.kind === 'constant') {
      this.#told.weight(a.constant, b.constant);
      return;
    }
    if (a.kind === 'input' && b.kind === 'input') {
      this.#parameters(a, b, at);
      return;
    }
    // What both models compute differs in none of them: the one that uses it has another.
    if (this.#inB.has(a, b) && this.#inA.has(b, a)) {
      this.#edge(a, b, at);
      return;
    }
    if (a.kind !== 'output' || b.kind !== 'output') {
      if (this.#inserted({ a, b, at })) return;
      this.#told.place({ kind: 'value', at, a: definitionText(a), b: definitionText(b) });
      return;
    }
    this.#nodes(a, b, at);
  }

  /** Compares inputs by what counts of them: their place, type and default. */
  #parameters(
    a: Definition & { readonly kind: 'input' },
    b: Definition & { readonly kind: 'input' },
    at: string,
  ): void {
    const [x, y] = [a.fallback, b.fallback];
    const placed = a.index === b.index && a.scope.level === b.scope.level;
    const alike =
      this.#sameType(a.value.type, b.value.type, a.scope) && (x === null) === (y === null);
    if (!placed || !alike) {
      const text = (of: typeof a) => `input ${of.index} ${valueText(of.value, of.fallback)}`;
      this.#told.place({ kind: 'value', at, a: text(a), b: text(b) });
      return;
    }
    if (x === null || y === null) return;
    const [left, right] = [this.#a.hasher.constant(x), this.#b.hasher.constant(y)];
    if (!equalBytes(left, right)) this.#told.weight(x, y);
  }

  #edge(a: Definition | null, b: Definition | null, at: string): void {
    const text = (of: typeof a) => (of === null ? null : definitionText(of));
    this.#told.place({ kind: 'edge', at, a: text(a), b: text(b) });
  }

  /**
   * Tells a node that only one of the two has in this place,
   * and goes on behind it if the other has it nowhere.
   */
  #inserted({ a, b, at }: Pair): boolean {
    const only = { kind: 'operator', at: 'only here' } as const;
    for (const each of [a, b]) {
      if (each.kind === 'output') this.#told.compare(each.state.node.inputs);
    }
    const more = inputLike(a, b);
    if (more !== undefined) {
      if (this.#inA.has(b, a)) this.#edge(a, b, at);
      else {
        this.#told.place({ ...only, a: null, b: definitionText(b) });
        this.#stack.push({ a, b: more.input, at: more.at });
      }
      return true;
    }
    const less = inputLike(b, a);
    if (less === undefined) return false;
    if (this.#inB.has(a, b)) this.#edge(a, b, at);
    else {
      this.#told.place({ ...only, a: definitionText(a), b: null });
      this.#stack.push({ a: less.input, b, at: less.at });
    }
    return true;
  }

  #nodes(
    a: Definition & { readonly kind: 'output' },
    b: Definition & { readonly kind: 'output' },
    at: string,
  ): void {
    const [left, right] = [a.state, b.state];
    const operator = ({ node }: NodeState) => JSON.stringify([node.domain, node.op, node.overload]);
    const before = this.#size;
    const called = this.#calls(left, right);
    const named = called === undefined || isRival(left.node) || isRival(right.node);
    const other = named && operator(left) !== operator(right);
    const otherVersion = named && !other && this.#opsets(left, right);
    if (other) {
      if (this.#inserted({ a, b, at })) return;
      this.#told.place({ kind: 'operator', at, a: definitionText(a), b: definitionText(b) });
    } else if (a.index !== b.index) {
      this.#told.place({
        kind: 'edge',
        at,
        a: `output ${a.index} of ${definitionText(a)}`,
        b: `output ${b.index} of ${definitionText(b)}`,
      });
    }
    const of = ` of ${nodeText(left.node)}`;
    this.#attributes(
      [left.node.attributes, right.node.attributes],
      [left.scope, right.scope],
      of,
      left.node.domain !== '',
    );
    const [x, y] = [inputsOf(left), inputsOf(right)];
    this.#told.compare(x, y, left.node.outputs, right.node.outputs);
    for (let index = 0; index < Math.max(x.length, y.length); index++) {
      const [from, to] = [x[index] ?? null, y[index] ?? null];
      const place = `input ${index} of ${nodeText(left.node)}`;
      if (from !== null && to !== null) this.#push({ a: from, b: to, at: place });
      else if (from !== to) this.#edge(from, to, place);
    }
    const outputs = ({ node }: NodeState) => node.outputs.map((name) => name !== '').join();
    if (outputs(left) !== outputs(right)) {
      this.#told.place({
        kind: 'edge',
        at: `outputs of ${nodeText(left.node)}`,
        a: `${left.node.outputs.length} outputs`,
        b: `${right.node.outputs.length} outputs`,
      });
    }
    // Of two nodes that are equal in all, one is another draw of random numbers.
    const equal = this.#size === before && called !== 'other' && !otherVersion;
    if (equal && !this.#told.truncated) this.#edge(a, b, at);
  }

  get #size(): number {
    return this.#told.size + this.#stack.length;
  }

  /** Compares the functions that two nodes call; undefined where one calls none. */
  #calls({ node: left }: NodeState, { node: right }: NodeState): 'same' | 'other' | undefined {
    const [a, b] = [left, right].map((node) => functionKey({ ...node, name: node.op }));
    const [calleeOfA, calleeOfB] = [this.#a.functions.get(a ?? ''), this.#b.functions.get(b ?? '')];
    if (calleeOfA === undefined || calleeOfB === undefined) return undefined;
    if (equalBytes(calleeOfA.digest, calleeOfB.digest)) return 'same';
    const [x, y] = [this.#bodies[0].get(a ?? ''), this.#bodies[1].get(b ?? '')];
    const of = ` of function ${left.op}`;
    if (x !== undefined && y !== undefined && this.#met.first(x, y)) {
      const scopes = [calleeOfA.scope, calleeOfB.scope] as const;
      this.#attributes([x.defaults, y.defaults], scopes, `, a default${of}`, false);
    }
    this.scopes(calleeOfA.scope, calleeOfB.scope, of, false);
    return 'other';
  }

  /**
   * Whether two nodes have their operators from other versions of the operator set: those that their bodies
   * import, or else their models. Tells once for each two of these and each domain.
   */
  #opsets(left: NodeState, right: NodeState): boolean {
    const { domain } = left.node;
    const [other] = [
      [left.scope.opsets, right.scope.opsets] as const,
      [this.#a.model.opsets, this.#b.model.opsets] as const,
    ].filter(([x, y]) => x.get(domain) !== y.get(domain));
    if (other === undefined) return false;
    const [x, y] = other;
    if (!this.#met.first(x, y, domain)) return true;
    const [from, to] = [x.get(domain), y.get(domain)];
    const shown = domain === '' ? 'ai.onnx' : domain;
    this.#told.place({
      kind: 'opset',
      at: `${shown} of ${nodeText(left.node)}`,
      a: from === undefined ? null : String(from),
      b: to === undefined ? null : String(to),
    });
    return true;
  }

  /** Compares the attributes of two nodes, or defaults of two bodies, and what is in their subgraphs. */
  #attributes(
    attributes: readonly [readonly AttributeView[], readonly AttributeView[]],
    [a, b]: readonly [Scope, Scope],
    of: string,
    named: boolean,
  ): void {
    const hashers = [this.#a.hasher, this.#b.hasher] as const;
    compareAttributes(this.#told, hashers, attributes, of, (name, [left, right]) => {
      const [inner, other] = [a.subgraphs.get(left), b.subgraphs.get(right)];
      if (inner !== undefined && other !== undefined) {
        this.scopes(inner, other, ` of ${name}${of}`, named);
      }
    });
  }
}

/**
 * Finds where two computations part. Values of equal digest are skipped, so that the time is linear in
 * what differs, up to a limit for models of which all is compared with all (`truncated`); a difference is told
 * where it is made, not again in everything that depends on it.
 */
export function computationDifference(a: ModelAnalysis, b: ModelAnalysis): ComputationDifference {
  if (equalBytes(a.identity.graph, b.identity.graph)) {
    return { graph: [], weights: [], truncated: false };
  }
  const walk = new Walk(a, b);
  walk.scopes(a.scope, b.scope, '', true);
  const told = walk.run();
  // What is left are sizes that go by one name here and by two there, in parts that are equal otherwise.
  if (told.size === 0 && !told.truncated) {
    told.place({ kind: 'value', at: 'symbolic dimensions', a: null, b: null });
  }
  const { graph, weights, truncated } = told;
  return { graph, weights, truncated };
}
