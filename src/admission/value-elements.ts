import { functionKey } from '../../attestation/model/computation.js';
import type { ExternalFiles } from '../../attestation/model/external.js';
import type { Definition, NodeState, Scope } from '../../attestation/model/scope.js';
import {
  anyOf,
  BOOL,
  declared,
  type Elements,
  hull,
  ofConstant,
  UNKNOWN,
} from './element-range.js';
import { countOf, operatorElements } from './operator-ranges.js';

/** What the graphs of one model have in common. */
export interface Surroundings {
  /** Model-local functions by `functionKey`. */
  readonly functions: ReadonlyMap<string, { readonly scope: Scope }>;
  readonly files: ExternalFiles;
  /** Told of each node and what its inputs hold, in each call of a function anew. */
  readonly visit: (state: NodeState, inputs: readonly (Elements | undefined)[]) => void;
  /** Nodes of functions that are still looked at, in all calls together; beyond that nothing is known. */
  calledNodes: number;
}

interface Frame {
  readonly state: NodeState;
  readonly needs: readonly NodeState[];
  next: number;
}

function subgraphsOf({ node, scope }: NodeState): readonly Scope[] {
  const graphs = node.attributes.flatMap((attribute) => attribute.graphs);
  return graphs.flatMap((graph) => scope.subgraphs.get(graph) ?? []);
}

/**
 * What the values of a graph, or of one call of a function, can hold, subgraphs included. The walk has a
 * stack of its own, as `Computation` has, which has found that nothing depends on itself.
 */
export class ValueElements {
  readonly #shared: Surroundings;
  /** What a function's parameters hold; undefined: the graph is the model's. */
  readonly #given: readonly Elements[] | undefined;
  readonly #outputs = new Map<NodeState, readonly Elements[]>();
  readonly #constants = new Map<Definition, Elements>();
  /** The node that each subgraph belongs to. */
  readonly #owners = new Map<Scope, NodeState>();

  constructor(shared: Surroundings, given?: readonly Elements[]) {
    this.#shared = shared;
    this.#given = given;
  }

  /** Visits every node of the scope and of all subgraphs in it; returns what the outputs hold. */
  walk(scope: Scope): readonly Elements[] {
    this.#adopt(scope);
    for (const { states } of [scope, ...this.#owners.keys()]) {
      for (const state of states) this.#reach(state);
    }
    return scope.outputs.map(({ name }) => this.#value(scope.resolve(name)));
  }

  #adopt(scope: Scope): void {
    for (const state of scope.states) {
      for (const inner of subgraphsOf(state)) {
        this.#owners.set(inner, state);
        this.#adopt(inner);
      }
    }
  }

  #reach(root: NodeState): void {
    if (this.#outputs.has(root)) return;
    const stack: Frame[] = [this.#enter(root)];
    for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
      const need = frame.needs[frame.next];
      frame.next += 1;
      if (need === undefined) {
        this.#outputs.set(frame.state, this.#node(frame.state));
        stack.pop();
      } else if (!this.#outputs.has(need)) {
        stack.push(this.#enter(need));
      }
    }
  }

  /** What a node's outputs depend on: its inputs, and the outputs of its subgraphs. */
  #enter(state: NodeState): Frame {
    const needs: NodeState[] = [];
    const need = (definition: Definition | undefined): void => {
      if (definition?.kind === 'output') needs.push(definition.state);
      else if (definition?.kind === 'input') need(this.#carried(definition));
    };
    for (const name of state.node.inputs) {
      if (name !== '') need(state.scope.resolve(name));
    }
    for (const inner of subgraphsOf(state)) {
      for (const { name } of inner.outputs) need(inner.resolve(name));
    }
    return { state, needs, next: 0 };
  }

  /** What a Loop starts an input of its body with; undefined for every other input. */
  #carried({ scope, index }: Definition & { readonly kind: 'input' }): Definition | undefined {
    const owner = this.#owners.get(scope);
    const name = owner?.node.op === 'Loop' && index > 1 ? owner.node.inputs[index] : '';
    return name === undefined || name === '' ? undefined : owner?.scope.resolve(name);
  }

  #value(definition: Definition): Elements {
    if (definition.kind === 'output') {
      return this.#outputs.get(definition.state)?.[definition.index] ?? UNKNOWN;
    }
    if (definition.kind === 'input') return this.#input(definition);
    const { constant } = definition;
    const known = this.#constants.get(definition) ?? ofConstant(constant, this.#shared.files);
    this.#constants.set(definition, known);
    return known;
  }

  #input(definition: Definition & { readonly kind: 'input' }): Elements {
    const { scope, index, value } = definition;
    const owner = this.#owners.get(scope);
    if (owner === undefined) return this.#given?.[index] ?? declared(value.type);
    if (owner.node.op === 'Loop' && index < 2) return index === 0 ? countOf(true) : anyOf(BOOL);
    const carried = this.#carried(definition);
    const type = carried === undefined ? 0 : this.#value(carried).type;
    return type === 0 ? declared(value.type) : anyOf(type);
  }

  #node(state: NodeState): readonly Elements[] {
    const { node, scope } = state;
    const inputs = node.inputs.map((name) =>
      name === '' ? undefined : this.#value(scope.resolve(name)),
    );
    this.#shared.visit(state, inputs);
    const callee = this.#shared.functions.get(functionKey({ ...node, name: node.op }));
    if (callee !== undefined) return this.#call(callee.scope, inputs);
    if (subgraphsOf(state).length > 0) return this.#branches(state, inputs);
    if (node.domain !== '') return [];
    return node.outputs.map((_, index) =>
      operatorElements(node, inputs, index, this.#shared.files),
    );
  }

  #call(callee: Scope, inputs: readonly (Elements | undefined)[]): readonly Elements[] {
    this.#shared.calledNodes -= callee.states.length;
    if (this.#shared.calledNodes < 0) return [];
    const given = callee.inputs.map((_, index) => inputs[index] ?? UNKNOWN);
    return new ValueElements(this.#shared, given).walk(callee);
  }

  #branches(state: NodeState, inputs: readonly (Elements | undefined)[]): readonly Elements[] {
    const { node } = state;
    const bodies = subgraphsOf(state).map((inner) =>
      inner.outputs.map(({ name }) => this.#value(inner.resolve(name))),
    );
    const ends = (index: number): readonly Elements[] =>
      bodies.flatMap((outputs) => outputs[index] ?? []);
    return node.outputs.map((_, index) => {
      if (node.domain !== '') return UNKNOWN;
      if (node.op === 'If') return hull(ends(index));
      if (node.op === 'Loop')
        return hull([...ends(index + 1), ...[inputs[index + 2] ?? []].flat()]);
      return node.op === 'Scan' ? anyOf(hull(ends(index)).type) : UNKNOWN;
    });
  }
}
