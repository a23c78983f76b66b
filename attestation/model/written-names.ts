import { AssayError } from '../encoding/error.js';
import type { OnceEach } from './once-each.js';
import type { Definition, Scope } from './scope.js';

/** Characters: a name may be long, and a short one in the file stand for it. */
const MOST_WRITTEN = 2 ** 28;

function hidden(name: string): AssayError {
  return new AssayError(
    'MODEL_SHADOWED_NAME',
    `${JSON.stringify(name.slice(0, 200))} is the name of a value, and in a subgraph that needs the value of another`,
  );
}

/** The names of values in a model that is written anew: those that count, and made ones for all others. */
export class WrittenNames {
  readonly #onceEach: OnceEach;
  readonly #names = new Map<Definition, string>();
  readonly #taken = new Set<string>();
  /** Names that count, by the graph whose values have them. */
  readonly #kept = new Map<Scope, Set<string>>();
  /** Characters of names where they are used. */
  #written = 0;
  #nextName = 0;

  constructor(onceEach: OnceEach) {
    this.#onceEach = onceEach;
  }

  /** Has a value of a graph keep its name; to be called before any name is made. */
  keep(scope: Scope, definition: Definition, name: string): void {
    const kept = this.#kept.get(scope) ?? new Set<string>();
    this.#kept.set(scope, kept.add(name));
    this.#names.set(definition, name);
    this.#taken.add(name);
  }

  /** The name of a value where it is made. */
  of(definition: Definition): string {
    const known = this.#names.get(definition);
    if (known !== undefined) return known;
    let name: string;
    do {
      name = `assay${this.#nextName}`;
      this.#nextName += 1;
    } while (this.#taken.has(name));
    this.#names.set(definition, name);
    return name;
  }

  /**
   * The name, where it is used in a graph, of the value that has this name in the publisher's file. Throws
   * MODEL_SHADOWED_NAME where a name that counts hides it there, or MODEL_TOO_COMPLEX.
   */
  use(scope: Scope, name: string): string {
    if (name === '') return '';
    const definition = this.#onceEach.of(scope.resolve(name));
    const written = this.of(definition);
    this.#written += written.length;
    if (this.#written > MOST_WRITTEN) {
      throw new AssayError(
        'MODEL_TOO_COMPLEX',
        `expected the names of a model's values to take at most ${MOST_WRITTEN} characters where they are used`,
      );
    }
    for (
      let inner = scope;
      inner !== definition.scope && inner.parent !== null;
      inner = inner.parent
    ) {
      if (this.#kept.get(inner)?.has(written)) throw hidden(written);
    }
    return written;
  }
}
