import { AssayError } from '../encoding/error.js';
import { type Constant, nameOf } from './tensor.js';
import type { FunctionView, GraphView, NodeView, Opsets, ValueView } from './views.js';

/** A node in its graph, and its digest once that is known. */
export interface NodeState {
  readonly node: NodeView;
  readonly scope: Scope;
  digest: Uint8Array | null;
  /** Where the walk of what outputs need came to it: behind all that it needs itself; -1 where it did not. */
  order: number;
  /** True while the walk is below this node: meeting it again is a cycle. */
  open: boolean;
}

/**
 * What gives a name its value. `node` is the index of the node that does, or -1; `digest` is filled
 * in when the value is first wanted.
 */
export type Definition = {
  readonly scope: Scope;
  readonly node: number;
  digest: Uint8Array | null;
} & (
  | {
      readonly kind: 'input';
      readonly index: number;
      readonly value: ValueView;
      readonly fallback: Constant | null;
    }
  | { readonly kind: 'constant'; readonly constant: Constant }
  | { readonly kind: 'output'; readonly state: NodeState; readonly index: number }
);

/** Names that ONNX Runtime makes of those in functions, as it inlines them. */
const MADE_BY_RUNTIME = /^(_inlfunc_|SequenceMap_)/;

/** Requires of a name that is kept that no value which a runtime names can have it too. */
export function assertFree(name: string): void {
  if (!MADE_BY_RUNTIME.test(name)) return;
  throw new AssayError(
    'MODEL_RESERVED_NAME',
    `an input or output is called ${quote(name)}, as ONNX Runtime calls values of its own`,
  );
}

/** Requires that the outputs of a model or function can be told apart. */
function assertApart(outputs: readonly ValueView[]): void {
  const names = new Set<string>();
  for (const { name } of outputs) {
    if (names.has(name)) {
      throw new AssayError('MODEL_DUPLICATE_NAME', `more than one output is called ${quote(name)}`);
    }
    names.add(name);
  }
}

/** The subgraphs of a node. */
export function subgraphsOf({ node, scope }: NodeState): Scope[] {
  const graphs = node.attributes.flatMap((attribute) => attribute.graphs);
  return graphs.flatMap((graph) => scope.subgraphs.get(graph) ?? []);
}

/** The graph or function body that a graph is in. */
export function topOf(scope: Scope): Scope {
  let top = scope;
  while (top.parent !== null) top = top.parent;
  return top;
}

/** What a node needs, in the order of its inputs, then of its subgraphs' outputs. */
export function needsOf(state: NodeState): Definition[] {
  const needs: Definition[] = [];
  for (const name of state.node.inputs) if (name !== '') needs.push(state.scope.resolve(name));
  for (const inner of subgraphsOf(state)) {
    for (const { name } of inner.outputs) if (name !== '') needs.push(inner.resolve(name));
  }
  return needs;
}

function quote(name: string): string {
  return JSON.stringify(name.slice(0, 200));
}

interface Context {
  readonly owner: NodeState | null;
  readonly isFunction: boolean;
  readonly opsets: Opsets;
  readonly inputsMayHaveDefaults: boolean;
}

/** The names of one graph or function body; a subgraph also sees those of the graphs around it. */
export class Scope {
  readonly parent: Scope | null;
  /** The node whose subgraph this is. */
  readonly owner: NodeState | null;
  /** 0 for the model's graph and for a function body, one more for each subgraph within. */
  readonly level: number;
  readonly isFunction: boolean;
  readonly opsets: Opsets;
  /** The graph's inputs; those that are constants of an old IR version are left out. */
  readonly inputs: readonly (ValueView & { readonly fallback: Constant | null })[];
  readonly outputs: readonly ValueView[];
  readonly states: readonly NodeState[];
  readonly subgraphs = new Map<GraphView, Scope>();
  /** Whether each output is to be a value of its own: that of an If or a Scan, once they were walked. */
  apart = false;
  readonly #definitions = new Map<string, Definition>();

  private constructor(
    body: Pick<GraphView, 'inputs' | 'outputs' | 'nodes'>,
    constants: readonly Constant[],
    context: Context,
  ) {
    this.owner = context.owner;
    this.parent = context.owner?.scope ?? null;
    this.level = this.parent === null ? 0 : this.parent.level + 1;
    this.isFunction = context.isFunction;
    this.opsets = context.opsets;
    this.outputs = body.outputs;
    const fallbacks = new Map<string, Constant>();
    for (const constant of constants) {
      const name = nameOf(constant);
      if (fallbacks.has(name)) this.#duplicate(name);
      fallbacks.set(name, constant);
    }
    this.inputs = body.inputs
      .filter(({ name }) => context.inputsMayHaveDefaults || !fallbacks.has(name))
      .map((value) => ({ ...value, fallback: fallbacks.get(value.name) ?? null }));
    const here = { scope: this, digest: null };
    this.inputs.forEach((value, index) => {
      const { fallback } = value;
      this.#define(value.name, { ...here, node: -1, kind: 'input', index, value, fallback });
      fallbacks.delete(value.name);
    });
    for (const [name, constant] of fallbacks) {
      this.#define(name, { ...here, node: -1, kind: 'constant', constant });
    }
    this.states = body.nodes.map((node, at) => {
      const state = { node, scope: this, digest: null, order: -1, open: false };
      const { constant } = node;
      node.outputs.forEach((name, index) => {
        if (name === '') return;
        this.#define(
          name,
          constant === null
            ? { ...here, node: at, kind: 'output', state, index }
            : { ...here, node: at, kind: 'constant', constant },
        );
      });
      return state;
    });
  }

  /**
   * The scopes of a graph and of all subgraphs in it. Before IR version 4 an initializer had to be
   * listed as an input and is a constant all the same; since then it is an input with a default.
   */
  static ofGraph(graph: GraphView, opsets: Opsets, irVersion: number): Scope {
    const inputsMayHaveDefaults = irVersion >= 4;
    const root = Scope.#graph(graph, {
      owner: null,
      isFunction: false,
      opsets,
      inputsMayHaveDefaults,
    });
    root.#check();
    assertApart(root.outputs);
    return root;
  }

  /** The scopes of a function body, which sees nothing but its parameters. */
  static ofFunction(body: FunctionView): Scope {
    const value = (name: string): ValueView => ({ name, type: null });
    const root = new Scope(
      {
        inputs: body.inputs.map(value),
        outputs: body.outputs.map(value),
        nodes: body.nodes,
      },
      [],
      { owner: null, isFunction: true, opsets: body.opsets, inputsMayHaveDefaults: true },
    );
    root.#enter(true);
    root.#check();
    assertApart(root.outputs);
    return root;
  }

  static #graph(graph: GraphView, context: Context): Scope {
    const scope = new Scope(graph, [...graph.initializers, ...graph.sparse], context);
    scope.#enter(context.inputsMayHaveDefaults);
    return scope;
  }

  #enter(inputsMayHaveDefaults: boolean): void {
    const { isFunction, opsets } = this;
    for (const owner of this.states) {
      for (const graph of owner.node.attributes.flatMap((attribute) => attribute.graphs)) {
        const context = { owner, isFunction, opsets, inputsMayHaveDefaults };
        this.subgraphs.set(graph, Scope.#graph(graph, context));
      }
    }
  }

  #duplicate(name: string): never {
    throw new AssayError('MODEL_DUPLICATE_NAME', `more than one value is called ${quote(name)}`);
  }

  #define(name: string, definition: Definition): void {
    if (name === '' || this.#definitions.has(name)) this.#duplicate(name);
    this.#definitions.set(name, definition);
  }

  /** The definition that a name has here; throws MODEL_UNDEFINED_VALUE. */
  resolve(name: string): Definition {
    for (let scope: Scope | null = this; scope !== null; scope = scope.parent) {
      const definition = scope.#definitions.get(name);
      if (definition !== undefined) return definition;
    }
    throw new AssayError('MODEL_UNDEFINED_VALUE', `nothing defines the value ${quote(name)}`);
  }

  #hides(name: string): boolean {
    for (let scope = this.parent; scope !== null; scope = scope.parent) {
      if (scope.#definitions.has(name)) return true;
    }
    return false;
  }

  /**
   * Requires that every name is defined, and that it does not depend on the reader which definition
   * is meant: a name that a later node defines may not exist in a graph around this one too.
   */
  #check(): void {
    const at = new Map<Scope, number>();
    const visit = (scope: Scope): void => {
      const use = (name: string): void => {
        const { scope: home, node } = scope.resolve(name);
        if (node >= (at.get(home) ?? 0) && home.#hides(name)) {
          throw new AssayError(
            'MODEL_SHADOWED_NAME',
            `${quote(name)} is used before its definition and means another value until then`,
          );
        }
      };
      scope.states.forEach(({ node }, index) => {
        at.set(scope, index);
        for (const name of node.inputs) if (name !== '') use(name);
        for (const { graphs } of node.attributes) {
          for (const graph of graphs) {
            const inner = scope.subgraphs.get(graph);
            if (inner !== undefined) visit(inner);
          }
        }
      });
      at.set(scope, scope.states.length);
      for (const { name } of scope.outputs) use(name);
    };
    visit(this);
  }
}
