import { equalBytes, toHex } from '../encoding/bytes.js';
import { CalledFunctions } from './called-functions.js';
import { nodeText } from './difference-text.js';
import type { ModelAnalysis } from './identity.js';
import { type Definition, type NodeState, type Scope, topOf } from './scope.js';

export function isSame(a: Definition, b: Definition): boolean {
  return a.digest !== null && b.digest !== null && equalBytes(a.digest, b.digest);
}

/** What each input of a node is; null where it is left out. */
export function inputsOf({ node, scope }: NodeState): (Definition | null)[] {
  return node.inputs.map((name) => (name === '' ? null : scope.resolve(name)));
}

/** Whether two values are the same, or made by the same operator. */
function isAlike(a: Definition, b: Definition): boolean {
  if (isSame(a, b)) return true;
  if (a.kind !== 'output' || b.kind !== 'output') return false;
  const [left, right] = [a.state.node, b.state.node];
  return left.op === right.op && left.domain === right.domain;
}

/** The first input that is like `value` of the node that makes `outer`, and where that is. */
export function inputLike(
  value: Definition,
  outer: Definition,
): { readonly input: Definition; readonly at: string } | undefined {
  if (outer.kind !== 'output') return undefined;
  for (const [index, input] of inputsOf(outer.state).entries()) {
    if (input !== null && isAlike(value, input)) {
      return { input, at: `input ${index} of ${nodeText(outer.state.node)}` };
    }
  }
  return undefined;
}

/** The values that a model's outputs need, by the graph or function body that they are in. */
export class ComputedValues {
  readonly #digests = new Map<Scope, Set<string>>();

  constructor(analysis: ModelAnalysis) {
    for (const { scope, digest } of new CalledFunctions(analysis).needed.definitions) {
      if (digest === null) continue;
      const top = topOf(scope);
      const digests = this.#digests.get(top) ?? new Set<string>();
      this.#digests.set(top, digests.add(toHex(digest)));
    }
  }

  /** Whether a value of another model is also one of this, in the graph or function body that `beside` is in. */
  has({ digest }: Definition, beside: Definition): boolean {
    return digest !== null && this.#digests.get(topOf(beside.scope))?.has(toHex(digest)) === true;
  }
}
