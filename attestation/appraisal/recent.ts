/** A bounded memory of values that were made from a key; the least recently used goes first. */
export class Recent<T> {
  readonly #entries = new Map<string, T>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The remembered value, if it is still the one that is meant, or a new one. Keeps no failure. */
  get(key: string, make: () => T, holds: (known: T) => boolean = () => true): T {
    const known = this.peek(key);
    const value = known !== undefined && holds(known) ? known : make();
    this.put(key, value);
    return value;
  }

  /** The remembered value. */
  peek(key: string): T | undefined {
    return this.#entries.get(key);
  }

  /** Remembers a value as the one that was used last. */
  put(key: string, value: T): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > this.#limit && oldest !== undefined) this.#entries.delete(oldest);
  }

  forget(key: string): void {
    this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }
}
