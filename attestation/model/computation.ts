import type { CborValue } from '../encoding/cbor.js';
import { AssayError } from '../encoding/error.js';
import { attributeType } from './attribute.js';
import { attributeItem } from './attribute-item.js';
import type { ModelHasher } from './hashing.js';
import { assertFree, type Definition, type NodeState, needsOf, type Scope } from './scope.js';
import { type Symbols, typeItem, type ValueType } from './type.js';
import type { AttributeView, GraphView, NodeView, Opsets } from './views.js';
import { type NodeVisitor, walkNeeds } from './walk.js';

/** Digest of a function's body, and what of it counts where it is called. */
export interface FunctionDigest {
  readonly digest: Uint8Array;
  /** Whether two calls of it are two draws. */
  readonly draws: boolean;
  /** Its attributes whose subgraphs an If or a Scan takes, be it in a function that it calls. */
  readonly apart: ReadonlySet<string>;
  /** The names of its body; every definition that its outputs need has its digest. */
  readonly scope: Scope;
}

/** Functions by `functionKey`. */
export type FunctionDigests = ReadonlyMap<string, FunctionDigest>;

/** What a call and a function agree on (FunctionProto: domain, name and overload are its key). */
export function functionKey(of: { domain: string; name: string; overload: string }): string {
  return JSON.stringify([of.domain, of.name, of.overload]);
}

/** Domains whose operators are known: they are functions of their inputs, apart from those that may draw. */
export const PURE_DOMAINS: ReadonlySet<string> = new Set(['', 'ai.onnx.ml']);

/** ONNX operators that draw random numbers; Dropout does in training mode. */
export const DRAWS: ReadonlySet<string> = new Set([
  'Bernoulli',
  'Multinomial',
  'RandomNormal',
  'RandomNormalLike',
  'RandomUniform',
  'RandomUniformLike',
]);

/** Of what a runtime takes for an operator. */
function mayDraw({ domain, op }: NodeView): boolean {
  return !PURE_DOMAINS.has(domain) || DRAWS.has(op) || op === 'Dropout';
}

/** Domains in which a runtime has operators of its own that could stand in for a model's function. */
const RUNTIME_DOMAIN = /^(|ai\.onnx(\..*)?|com\.microsoft(\..*)?|com\.ms(\..*)?|org\.pytorch\..*)$/;

/** A runtime might execute its own operator in place of a model's function of this name. */
export function isRival({ domain }: { readonly domain: string }): boolean {
  return RUNTIME_DOMAIN.test(domain);
}

/**
 * Digests the values of one graph or function body with all its subgraphs: a Merkle DAG over the data
 * flow.
 */
export class Computation implements NodeVisitor {
  readonly #hasher: ModelHasher;
  readonly #functions: FunctionDigests;
  readonly #opsets: Opsets;
  readonly #symbols: Symbols | null;
  readonly #apart = new Set<string>();
  #ordinal = 0;
  #walked = 0;

  /**
   * @param opsets of the model.
   * @param symbols null in a function: calls have sizes of their own, so that a symbol there equals nothing.
   */
  constructor(
    hasher: ModelHasher,
    functions: FunctionDigests,
    opsets: Opsets,
    symbols: Symbols | null,
  ) {
    this.#hasher = hasher;
    this.#functions = functions;
    this.#opsets = opsets;
    this.#symbols = symbols;
  }

  /** Number of draws so far. */
  get draws(): number {
    return this.#ordinal;
  }

  /** Attributes of the function so far, whose subgraphs an If or a Scan takes. */
  get apart(): ReadonlySet<string> {
    return new Set(this.#apart);
  }

  /** What a digest covers of a type; symbols are numbered over the whole computation. */
  type(type: ValueType | null): CborValue {
    return typeItem(type, this.#symbols);
  }

  /** Digests every node of the scope that its outputs need, and returns the outputs' digests. */
  outputs(scope: Scope): Uint8Array[] {
    return scope.outputs.map(({ name }) => {
      const definition = scope.resolve(name);
      if (definition.kind === 'output') walkNeeds(definition.state, this);
      return this.#value(definition);
    });
  }

  /** Walks what no output needs: it does not count, but it may be no cycle either. */
  rest(scope: Scope): void {
    for (const state of scope.states) {
      if (state.node.constant === null) walkNeeds(state, this);
    }
    for (const inner of scope.subgraphs.values()) this.rest(inner);
  }

  needs(state: NodeState): readonly NodeState[] {
    state.open = true;
    return needsOf(state).flatMap((need) => (need.kind === 'output' ? need.state : []));
  }

  known({ open, digest, node }: NodeState): boolean {
    if (!open) return digest !== null;
    throw new AssayError(
      'MODEL_CYCLE',
      `a node of type ${node.op.slice(0, 100)} depends on its own output`,
    );
  }

  visit(state: NodeState): void {
    state.digest = this.#node(state);
    state.order = this.#walked;
    this.#walked += 1;
    state.open = false;
  }

  #value(definition: Definition): Uint8Array {
    definition.digest ??= this.#definitionDigest(definition);
    return definition.digest;
  }

  #definitionDigest(definition: Definition): Uint8Array {
    if (definition.kind === 'constant') {
      const { level } = definition.scope;
      const constant = this.#hasher.constant(definition.constant);
      return level === 0 ? constant : this.#hasher.digest('constant', [level, constant]);
    }
    if (definition.kind === 'output') {
      const { digest } = definition.state;
      if (digest === null) throw new AssayError('MODEL_CYCLE', 'a value depends on itself');
      return this.#hasher.digest('value', [digest, definition.index]);
    }
    const { scope, index, value, fallback } = definition;
    if (scope.isFunction && scope.level === 0) return this.#hasher.digest('parameter', index);
    const initial = fallback === null ? null : this.#hasher.constant(fallback);
    return this.#hasher.digest('input', [scope.level, index, this.type(value.type), initial]);
  }

  #node(state: NodeState): Uint8Array {
    const { node, scope } = state;
    const callee =
      this.#functions.size === 0
        ? undefined
        : this.#functions.get(functionKey({ ...node, name: node.op }));
    this.#assertOutputs(state, callee);
    const draws =
      node.attributes.some(isPassedGraph) ||
      callee?.draws === true ||
      ((callee === undefined || isRival(node)) && mayDraw(node));
    const inputs = node.inputs.map((name) =>
      name === '' ? null : this.#value(scope.resolve(name)),
    );
    // An optional input that is left out at the end is the same as one that is not mentioned.
    while (inputs.at(-1) === null) inputs.pop();
    const content = [
      this.attributes(node.attributes, scope, !PURE_DOMAINS.has(node.domain)),
      inputs,
      // How many outputs are asked for can decide what they are (Split, BatchNormalization).
      node.outputs.map((name) => name !== ''),
      // A branch may not be taken, a loop draws anew in each turn: what they capture is done once, before.
      draws ? [this.#ordinal, scope.level] : scope.level || null,
    ];
    if (draws) this.#ordinal += 1;
    if (callee === undefined) {
      assertImported(node, scope);
      return this.#hasher.digest('node', [this.#operator(node, scope), ...content]);
    }
    const rival = isRival(node) ? this.#operator(node, scope) : null;
    return this.#hasher.digest('call', [callee.digest, rival, ...content]);
  }

  /**
   * Requires of the branches of an If and the body of a Scan, also where calls pass them on, that each output
   * is a value of its own. A function of one of these names changes nothing: ONNX Runtime executes its own.
   */
  #assertOutputs({ node, scope }: NodeState, callee: FunctionDigest | undefined): void {
    const takes = node.domain === '' && (node.op === 'If' || node.op === 'Scan');
    for (const { name, reference, graphs } of node.attributes) {
      if (!takes && callee?.apart.has(name) !== true) continue;
      if (reference !== '') this.#apart.add(reference);
      for (const graph of graphs) {
        const inner = scope.subgraphs.get(graph);
        if (inner !== undefined) setApart(inner, node);
      }
    }
  }

  /**
   * What an operator is: ONNX means it in the version that its function imports, and ONNX Runtime executes it
   * in that which the model imports.
   */
  #operator({ domain, op, overload }: NodeView, { opsets }: Scope): CborValue {
    const [own = 0, models = 0] = [opsets.get(domain), this.#opsets.get(domain)];
    return [domain, op, overload, own === models ? own : [own, models]];
  }

  /** What a digest covers of attributes: name, type and value, sorted by name. */
  attributes(attributes: readonly AttributeView[], scope: Scope, named: boolean): CborValue {
    return attributes.map((attribute) => {
      if (attribute.reference === '') {
        const subgraph = (graph: GraphView): CborValue => {
          const inner = scope.subgraphs.get(graph);
          if (inner !== undefined) return this.#subgraph(inner, named);
          throw new AssayError('MODEL_FUNCTION', 'the default of an attribute is a graph');
        };
        const type = (of: ValueType): CborValue => this.type(of);
        const value = attributeItem(attribute, this.#hasher, type, subgraph);
        return [attribute.name, attribute.type, value];
      }
      if (!scope.isFunction) {
        throw new AssayError(
          'MODEL_ATTRIBUTE',
          'an attribute refers to that of a call, and is not in a function',
        );
      }
      return [attribute.name, attribute.type, null, attribute.reference];
    });
  }

  /** ONNX's own operators feed subgraphs by position; others may do so by name. */
  #subgraph(inner: Scope, named: boolean): Uint8Array {
    if (named) for (const { name } of [...inner.inputs, ...inner.outputs]) assertFree(name);
    const inputs = inner.inputs.map(({ name, type, fallback }) => [
      this.type(type),
      fallback === null ? null : this.#hasher.constant(fallback),
      named ? name : null,
    ]);
    const outputs = inner.outputs.map(({ name, type }) => [
      this.type(type),
      this.#value(inner.resolve(name)),
      named ? name : null,
    ]);
    return this.#hasher.digest('subgraph', [inputs, outputs]);
  }
}

function assertImported({ domain, op }: NodeView, { opsets }: Scope): void {
  if (opsets.has(domain)) return;
  throw new AssayError(
    'MODEL_OPSET',
    `no opset of domain ${JSON.stringify(domain.slice(0, 200))} is imported, which ${op.slice(0, 100)} needs`,
  );
}

/** A subgraph that a call passes on, which may draw. */
function isPassedGraph({ reference, type }: AttributeView): boolean {
  const { graph, graphs } = attributeType;
  return reference !== '' && (type === graph || type === graphs);
}

/**
 * Requires that each output of a subgraph is a value of its own: of others an If and a Scan of ONNX Runtime
 * leave the memory as it was, with what earlier requests left there.
 */
function setApart(inner: Scope, { op }: NodeView): void {
  const names = new Set(inner.outputs.map(({ name }) => name));
  const passed = inner.inputs.some(({ name }) => names.has(name));
  if (names.size < inner.outputs.length || passed) {
    throw new AssayError(
      'MODEL_SUBGRAPH_OUTPUT',
      `expected values of its own, each once, as the outputs of a subgraph of ${op.slice(0, 100)}, which an If or a Scan takes`,
    );
  }
  inner.apart = true;
}
