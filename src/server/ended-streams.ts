import type { ServerHttp2Session } from 'node:http2';
import { types } from 'node:util';

/** What a key stands for, until it is deleted. */
interface Cell<V> {
  value: V | undefined;
}

/**
 * A Map that lets go of what is deleted. V8 makes the tables of a Map that has lived for a while in old space,
 * a new one every few insertions, and those before it keep all that they had until the whole heap is collected:
 * of each value here that is no more than an empty cell.
 */
export class ForgettingMap<K, V> implements Map<K, V> {
  readonly [Symbol.toStringTag] = 'Map';
  readonly #cells = new Map<K, Cell<V>>();

  get size(): number {
    return this.#cells.size;
  }

  has(key: K): boolean {
    return this.#cells.has(key);
  }

  get(key: K): V | undefined {
    return this.#cells.get(key)?.value;
  }

  set(key: K, value: V): this {
    const cell = this.#cells.get(key);
    if (cell === undefined) this.#cells.set(key, { value });
    else cell.value = value;
    return this;
  }

  delete(key: K): boolean {
    const cell = this.#cells.get(key);
    if (cell !== undefined) cell.value = undefined;
    return this.#cells.delete(key);
  }

  clear(): void {
    for (const cell of this.#cells.values()) cell.value = undefined;
    this.#cells.clear();
  }

  forEach(each: (value: V, key: K, map: Map<K, V>) => void, self?: unknown): void {
    for (const [key, value] of this) Reflect.apply(each, self, [value, key, this]);
  }

  keys(): MapIterator<K> {
    return this.#cells.keys();
  }

  *values(): MapIterator<V> {
    for (const [, value] of this) yield value;
  }

  *entries(): MapIterator<[K, V]> {
    // A cell of a key that is there has its value.
    for (const [key, cell] of this.#cells) yield [key, cell.value as V];
  }

  [Symbol.iterator](): MapIterator<[K, V]> {
    return this.entries();
  }
}

/**
 * Has a connection let go of its streams as they end. Node's own table of them keeps each, some 3 KB, until V8
 * collects the whole heap, and has every collection of young objects copy it first. Where Node is made otherwise
 * it stays as it is.
 * @param session without streams yet.
 */
export function forgetEndedStreams(session: ServerHttp2Session): void {
  for (const symbol of Object.getOwnPropertySymbols(session)) {
    const state: unknown = symbol.description === 'state' ? Reflect.get(session, symbol) : null;
    if (typeof state !== 'object' || state === null || !('streams' in state)) continue;
    if (types.isMap(state.streams) && state.streams.size === 0) {
      state.streams = new ForgettingMap();
    }
  }
}
