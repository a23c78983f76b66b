import { AssayError } from '../attestation/encoding/error.js';

interface Item {
  /** Whom it counts for. */
  readonly address: string;
}

/**
 * A bounded queue in which addresses take turns: a caller with a thousand nonces delays another by one.
 * An address may have as many as there is still room for, so the only one that asks has half of the room at
 * most, and there is room for whoever comes next.
 */
export class NonceQueue<Waiting extends Item> {
  readonly #room: number;
  /** By address, each first in, first out. */
  readonly #waiting = new Map<string, Set<Waiting>>();
  #size = 0;

  /** @param room most that ever wait. */
  constructor(room: number) {
    this.#room = room;
  }

  /** Throws PLATFORM_EXHAUSTED, with the queue's state, where there is no room for this address. */
  push(waiting: Waiting): void {
    const own = this.#waiting.get(waiting.address) ?? new Set();
    const left = this.#room - this.#size;
    if (own.size >= left) {
      throw new AssayError(
        'PLATFORM_EXHAUSTED',
        `no room for another nonce: ${this.#size} of ${this.#room} wait for a hardware report, ` +
          `${own.size} of them of this caller, whose address may have as many as there is room left for`,
      );
    }
    this.#waiting.set(waiting.address, own.add(waiting));
    this.#size += 1;
  }

  /** No effect unless it waits. */
  remove(waiting: Waiting): void {
    const own = this.#waiting.get(waiting.address);
    if (own?.delete(waiting) !== true) return;
    this.#size -= 1;
    if (own.size === 0) this.#waiting.delete(waiting.address);
  }

  /** Removes the next so many. */
  take(most: number): readonly Waiting[] {
    const taken: Waiting[] = [];
    let turns = Array.from(this.#waiting.values(), (own) => own.values());
    while (turns.length > 0 && taken.length < most) {
      turns = turns.filter((turn) => {
        const next = taken.length < most ? turn.next() : undefined;
        if (next === undefined || next.done === true) return false;
        taken.push(next.value);
        return true;
      });
    }
    for (const waiting of taken) this.remove(waiting);
    return taken;
  }
}
