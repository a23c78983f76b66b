import { functionKey } from '../../attestation/model/computation.js';
import type { ModelAnalysis } from '../../attestation/model/identity.js';
import {
  type Definition,
  type NodeState,
  needsOf,
  type Scope,
} from '../../attestation/model/scope.js';

/**
 * What operands are made of, followed from uses to definitions, through functions and out to their calls; of what
 * `Shape` and `Size` give no further, which is no caller's number. Takes time in what is executed, once for all.
 */
export class Origins {
  readonly #root: Scope;
  readonly #functions: ModelAnalysis['functions'];
  /** What the calls of a function give for each of its parameters. */
  readonly #given = new Map<Scope, Definition[][]>();
  /** Of the operators on the way, each asked once, whichever of its outputs leads there. */
  readonly #states = new Set<NodeState>();
  /** Everything on the way. */
  readonly seen = new Set<Definition>();
  /** Names of the model's inputs that they are made of. */
  readonly inputs = new Set<string>();

  constructor({ scope, functions }: ModelAnalysis, executed: Iterable<NodeState>) {
    this.#root = scope;
    this.#functions = functions;
    for (const state of executed) {
      const callee = this.#callee(state);
      if (callee === undefined) continue;
      const given = this.#given.get(callee) ?? [];
      this.#given.set(callee, given);
      state.node.inputs.forEach((name, index) => {
        given[index] ??= [];
        if (name !== '') given[index].push(state.scope.resolve(name));
      });
    }
  }

  #callee({ node }: NodeState): Scope | undefined {
    return this.#functions.get(functionKey({ ...node, name: node.op }))?.scope;
  }

  follow(operand: Definition): void {
    const left = [operand];
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      if (this.seen.has(next)) continue;
      this.seen.add(next);
      for (const definition of this.#behind(next)) left.push(definition);
    }
  }

  #behind(definition: Definition): readonly Definition[] {
    if (definition.kind === 'constant') return [];
    if (definition.kind === 'input') return this.#behindInput(definition);
    const { state, index } = definition;
    const callee = this.#callee(state);
    const output = callee?.outputs[index];
    if (callee !== undefined && output !== undefined) return [callee.resolve(output.name)];
    if (this.#states.has(state)) return [];
    this.#states.add(state);
    const { domain, op } = state.node;
    return domain === '' && (op === 'Shape' || op === 'Size') ? [] : needsOf(state);
  }

  #behindInput(definition: Definition & { readonly kind: 'input' }): readonly Definition[] {
    const { scope, index, value } = definition;
    if (scope === this.#root) {
      this.inputs.add(value.name);
      return [];
    }
    if (scope.isFunction && scope.parent === null) {
      return this.#given.get(scope)?.[index] ?? [];
    }
    // What an operator gives its subgraphs may be made of anything.
    if (this.inputs.size < this.#root.inputs.length) {
      for (const { name } of this.#root.inputs) this.inputs.add(name);
    }
    return [];
  }
}
