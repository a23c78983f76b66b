import { toHex } from '../encoding/bytes.js';
import type { Needed } from './needed.js';
import type { Definition, NodeState, Scope } from './scope.js';

/**
 * The nodes of graphs, each computation once: of nodes of one graph and one digest the first stands for all,
 * so that it is no matter whether a file has one that two others use, or one for each. Where several outputs
 * of a graph are the same value, which has but one name, each keeps a node of its own.
 */
export class OnceEach {
  readonly #first = new Map<NodeState, NodeState>();
  readonly #constants = new Map<Definition, Definition>();
  readonly #states = new Map<Scope, NodeState[]>();
  readonly #kept = new Set<NodeState | Definition>();
  readonly #outputs = new Map<Scope, readonly Definition[]>();

  /** @param needed what is to be written, each with its digest. */
  constructor({ states, definitions }: Needed) {
    this.#judgeConstants(definitions);
    for (const state of states) {
      const others = this.#states.get(state.scope);
      if (others === undefined) this.#states.set(state.scope, [state]);
      else others.push(state);
    }
    for (const here of this.#states.values()) this.#judge(here);
  }

  #judge(states: NodeState[]): void {
    // Each follows what it needs; constants, which need nothing, come first as the file has them.
    states.sort((a, b) => a.order - b.order);
    const firsts = new Map<string, NodeState>();
    for (const state of states) {
      if (state.digest === null) continue;
      const digest = toHex(state.digest);
      const first = firsts.get(digest);
      if (first === undefined) firsts.set(digest, state);
      else this.#first.set(state, first);
    }
  }

  /** Copies of one constant in one graph are one: what shares it is fused, what has a copy each is not. */
  #judgeConstants(definitions: Iterable<Definition>): void {
    const firsts = new Map<Scope, Map<string, Definition>>();
    for (const definition of definitions) {
      if (definition.kind !== 'constant' || definition.digest === null) continue;
      const here = firsts.get(definition.scope) ?? new Map<string, Definition>();
      firsts.set(definition.scope, here);
      const digest = toHex(definition.digest);
      const first = here.get(digest);
      if (first === undefined) here.set(digest, definition);
      else this.#constants.set(definition, first);
    }
  }

  /** Whether another constant stands for this one, and it is no output of its graph. */
  leavesOut(definition: Definition): boolean {
    return this.#constants.has(definition) && !this.#kept.has(definition);
  }

  /** The definition whose value stands for this one. */
  of(definition: Definition): Definition {
    if (definition.kind !== 'output') return this.#constants.get(definition) ?? definition;
    const first = this.#first.get(definition.state);
    return first === undefined
      ? definition
      : first.scope.resolve(first.node.outputs[definition.index] ?? '');
  }

  /** The definitions that give a graph's outputs; called for each graph before `nodes`. */
  outputs(scope: Scope): readonly Definition[] {
    const known = this.#outputs.get(scope);
    if (known !== undefined) return known;
    const given = new Map<Definition, Map<Definition, Definition>>();
    const outputs = scope.outputs.map(({ name }) => {
      const own = scope.resolve(name);
      const first = this.of(own);
      const others = given.get(first);
      if (others === undefined) {
        given.set(first, new Map([[own, first]]));
        return first;
      }
      const known = others.get(own);
      if (known !== undefined) return known;
      // The first stands for the twin that was asked for before it.
      const [replaced = own] = others.keys();
      const twin = own === first ? replaced : own;
      others.set(own, twin);
      this.#kept.add(twin.kind === 'output' ? twin.state : twin);
      return twin;
    });
    this.#outputs.set(scope, outputs);
    return outputs;
  }

  /** The nodes of a graph to be written, each after what it needs. */
  nodes(scope: Scope): readonly NodeState[] {
    const states = this.#states.get(scope) ?? [];
    return states.filter((state) => {
      const { node } = state;
      if (node.constant === null) return !this.#first.has(state) || this.#kept.has(state);
      return node.outputs.every((name) => name === '' || !this.leavesOut(scope.resolve(name)));
    });
  }
}
