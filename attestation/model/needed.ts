import { type Definition, type NodeState, needsOf, type Scope } from './scope.js';

/** What outputs need: nodes, and everything that has a name. */
export class Needed {
  readonly states = new Set<NodeState>();
  readonly definitions = new Set<Definition>();

  /** Adds what the outputs of a graph or function body need. */
  addOutputs(scope: Scope): void {
    const stack = scope.outputs.map(({ name }) => scope.resolve(name));
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      if (this.definitions.has(next)) continue;
      this.definitions.add(next);
      const state = next.scope.states[next.node];
      if (state === undefined || this.states.has(state)) continue;
      this.states.add(state);
      for (const need of needsOf(state)) stack.push(need);
    }
  }
}
