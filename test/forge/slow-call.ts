import { Duplex } from 'node:stream';

/** The server's side of a stream whose caller takes answers only when it is told to. */
export class SlowCall<Answer = Buffer> extends Duplex {
  readonly taken: Answer[] = [];
  readonly #deadline: number;
  readonly #waiting: (() => void)[] = [];
  #takes = false;

  constructor(deadline = Number.POSITIVE_INFINITY) {
    super({ objectMode: true });
    this.#deadline = deadline;
  }

  override _read(): void {}

  override _write(answer: Answer, _: BufferEncoding, written: () => void): void {
    this.taken.push(answer);
    if (this.#takes) written();
    else this.#waiting.push(written);
  }

  takeAll(): void {
    this.#takes = true;
    for (const written of this.#waiting.splice(0)) written();
  }

  getDeadline(): number {
    return this.#deadline;
  }

  getPeer(): string {
    return '192.0.2.1:5000';
  }
}

/** Resolves once nothing has happened for a hundred turns of the event loop. */
export async function quiet(measure: () => number): Promise<number> {
  let last = -1;
  for (let still = 0; still < 100; still++) {
    if (measure() !== last) still = 0;
    last = measure();
    await new Promise(setImmediate);
  }
  return last;
}
