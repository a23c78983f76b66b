/** Pairs of objects that a walk has met; what two models share may be reached in more ways than there are bytes. */
export class PairsMet {
  readonly #ids = new Map<object, number>();
  readonly #seen = new Set<string>();

  /** Whether these two are met for the first time; `respect`: in this one. */
  first(a: object, b: object, respect = ''): boolean {
    const key = `${this.#id(a)} ${this.#id(b)} ${respect}`;
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    return true;
  }

  #id(of: object): number {
    const known = this.#ids.get(of) ?? this.#ids.size;
    this.#ids.set(of, known);
    return known;
  }
}
