import { toHex } from '../encoding/bytes.js';
import type { Needed } from './needed.js';
import type { Definition, NodeState, Scope } from './scope.js';

/** The name of a constant. */
type ConstantDefinition = Extract<Definition, { kind: 'constant' }>;

/** What of one graph has a digest: of those with the same, the first stands for all. */
class Alike<T extends { readonly scope: Scope; readonly digest: Uint8Array | null }> {
  readonly #byScope = new Map<Scope, T[]>();
  readonly #first = new Map<T, T>();
  readonly #others = new Map<T, T[]>();
  /** What is written though another stands for it, and its place among those. */
  readonly #kept = new Map<T, number>();

  constructor(all: Iterable<T>) {
    for (const each of all) listed(this.#byScope, each.scope).push(each);
    for (const here of this.#byScope.values()) this.#judge(here);
  }

  #judge(here: readonly T[]): void {
    const firsts = new Map<string, T>();
    for (const each of here) {
      if (each.digest === null) continue;
      const digest = toHex(each.digest);
      const first = firsts.get(digest) ?? each;
      firsts.set(digest, first);
      if (first === each) continue;
      this.#first.set(each, first);
      listed(this.#others, first).push(each);
    }
  }

  first(each: T): T {
    return this.#first.get(each) ?? each;
  }

  /** One of those that the first stands for, which is kept; there are as many as a file has names for it. */
  twin(first: T, index: number): T {
    const twin = this.#others.get(first)?.[index];
    if (twin === undefined) throw new TypeError('a value has fewer twins than names of outputs');
    if (!this.#kept.has(twin)) this.#kept.set(twin, this.#kept.size);
    return twin;
  }

  /** Those that stand for others, then those that are kept beside them. */
  written(scope: Scope): T[] {
    const all = this.#byScope.get(scope) ?? [];
    const place = (each: T): number => this.#kept.get(each) ?? -1;
    const kept = all.filter((each) => this.#kept.has(each));
    return [
      ...all.filter((each) => !this.#first.has(each)),
      ...kept.sort((a, b) => place(a) - place(b)),
    ];
  }
}

/**
 * The nodes and constants of graphs, each once: of those of one graph and one digest the first stands for all,
 * so that it is no matter whether a file has one that two others use, or one for each: what shares one is fused,
 * what has one each is not. Where outputs of a graph that have several names are the same value, which has but
 * one, each name has a twin of its own.
 */
export class OnceEach {
  readonly #nodes: Alike<NodeState>;
  readonly #constants: Alike<ConstantDefinition>;
  readonly #outputs = new Map<Scope, readonly Definition[]>();

  /** @param needed what is to be written, each with its digest. */
  constructor({ states, definitions }: Needed) {
    const operators = [...states].filter(({ node }) => node.constant === null);
    // Each follows what it needs.
    this.#nodes = new Alike(operators.sort((a, b) => a.order - b.order));
    this.#constants = new Alike([...definitions].filter((each) => each.kind === 'constant'));
  }

  /** The definition whose value stands for this one. */
  of(definition: Definition): Definition {
    if (definition.kind === 'constant') return this.#constants.first(definition);
    if (definition.kind === 'input') return definition;
    return outputOf(this.#nodes.first(definition.state), definition.index);
  }

  /**
   * The definitions that give a graph's outputs; called for each graph before `nodes` and `constants`.
   * @param apart whether each name of the file's gets one of its own, also those that are one value.
   */
  outputs(scope: Scope, apart = true): readonly Definition[] {
    const known = this.#outputs.get(scope);
    if (known !== undefined) return known;
    const given = new Map<Definition, number>();
    const byName = new Map<string, Definition>();
    const outputs = scope.outputs.map(({ name }) => {
      const named = byName.get(name);
      if (named !== undefined) return named;
      const first = this.of(scope.resolve(name));
      const before = given.get(first) ?? 0;
      given.set(first, before + 1);
      const output = before === 0 || !apart ? first : this.#twin(first, before - 1);
      byName.set(name, output);
      return output;
    });
    this.#outputs.set(scope, outputs);
    return outputs;
  }

  #twin(first: Definition, index: number): Definition {
    if (first.kind === 'constant') return this.#constants.twin(first, index);
    if (first.kind === 'input') return first;
    return outputOf(this.#nodes.twin(first.state, index), first.index);
  }

  /** The constants of a graph to be written, in the order in which its outputs need them. */
  constants(scope: Scope): readonly ConstantDefinition[] {
    return this.#constants.written(scope);
  }

  /** The operators of a graph to be written, each after what it needs. */
  nodes(scope: Scope): readonly NodeState[] {
    return this.#nodes.written(scope);
  }
}

function outputOf({ node, scope }: NodeState, index: number): Definition {
  return scope.resolve(node.outputs[index] ?? '');
}

function listed<K, T>(lists: Map<K, T[]>, key: K): T[] {
  const known = lists.get(key) ?? [];
  lists.set(key, known);
  return known;
}
