import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { describe, test } from 'node:test';
import { type Answer, type Caller, Challenger } from '../../enclave/challenge.js';

/** Most nonces of one report, and of one address that may wait where no other does. */
const MOST = 4096;

/** Hardware that makes its reports, which are their numbers, when it is told to. */
class Hardware extends EventEmitter {
  reports = 0;
  #end: { readonly resolve: (report: number) => void; readonly reject: (reason: Error) => void } = {
    resolve: () => undefined,
    reject: () => undefined,
  };
  readonly challenger = new Challenger<number>(() => {
    this.reports += 1;
    this.emit('asked');
    return new Promise((resolve, reject) => {
      this.#end = { resolve, reject };
    });
  });

  ask(caller?: Caller): Promise<Answer<number>> {
    return this.challenger.answer(new Uint8Array(randomBytes(32)), caller);
  }

  give(): void {
    this.#end.resolve(this.reports);
  }

  fail(): void {
    this.#end.reject(new Error('throttled'));
  }

  /** Makes the report that is asked for, and waits until the next is. */
  async giveAndWait(): Promise<void> {
    const asked = once(this, 'asked');
    this.give();
    await asked;
  }
}

/** A caller who can go away. */
class Guest implements Caller {
  readonly address: string;
  leave: () => void = () => undefined;
  readonly onCancel = (listener: () => void): void => {
    this.leave = listener;
  };

  constructor(address: string) {
    this.address = address;
  }
}

const guests = (count: number, address: string): Guest[] =>
  Array.from({ length: count }, () => new Guest(address));

const CANCELLED = { code: 'PLATFORM_CANCELLED' };

test('a caller who goes away while its nonce waits is in no report', async () => {
  const hardware = new Hardware();
  const first = hardware.ask();
  const guest = new Guest('a');
  const abandoned = hardware.ask(guest);
  const last = hardware.ask(new Guest('a'));
  guest.leave();
  await assert.rejects(abandoned, CANCELLED);
  await hardware.giveAndWait();
  hardware.give();
  assert.equal((await first).evidence, 1);
  const { evidence, position } = await last;
  assert.deepEqual([evidence, position.size], [2, 1]);
});

test('a caller who goes away while its report is made does not wait for it', async () => {
  const hardware = new Hardware();
  const guest = new Guest('a');
  const abandoned = hardware.ask(guest);
  const next = hardware.ask();
  guest.leave();
  await assert.rejects(abandoned, CANCELLED);
  await hardware.giveAndWait();
  hardware.give();
  assert.equal((await next).evidence, 2);
  assert.deepEqual(hardware.challenger.counts, { reports: 2, answers: 1 });
});

describe('hardware for which one address has as many nonces waiting as it may', () => {
  const waiting = guests(MOST, 'a');

  /** They wait for the second report: the first is being made. */
  function fill(): { readonly hardware: Hardware; readonly answers: Promise<Answer<number>>[] } {
    const hardware = new Hardware();
    void hardware.ask();
    return { hardware, answers: waiting.map((guest) => hardware.ask(guest)) };
  }

  test('refuses another of that address at once, with the state of the queue', async () => {
    await assert.rejects(fill().hardware.ask(new Guest('a')), {
      code: 'PLATFORM_EXHAUSTED',
      message: /: 4096 of 8192 wait for a hardware report, 4096 of them of this caller,/,
    });
  });

  test('takes another of that address where one of its callers went away', async () => {
    const { hardware, answers } = fill();
    waiting[7]?.leave();
    await assert.rejects(Promise.resolve(answers[7]), CANCELLED);
    const another = hardware.ask(new Guest('a'));
    await hardware.giveAndWait();
    hardware.give();
    const { evidence, position } = await another;
    assert.deepEqual([evidence, position.index, position.size], [2, MOST - 1, MOST]);
  });

  test('answers all of another address with its next report', async () => {
    const { hardware, answers } = fill();
    const others = guests(10, 'b').map((guest) => hardware.ask(guest));
    await hardware.giveAndWait();
    const asked = once(hardware, 'asked');
    hardware.give();
    const reports = (await Promise.all(others)).map(({ evidence }) => evidence);
    assert.deepEqual(
      reports,
      others.map(() => 2),
    );
    await asked;
    hardware.give();
    const late = (await Promise.all(answers)).filter(({ evidence }) => evidence === 3);
    assert.deepEqual(
      late.map(({ position }) => position.size),
      others.map(() => others.length),
    );
  });
});

for (const outcome of ['give', 'fail'] as const) {
  test(`callers who go away while others get theirs are skipped: ${outcome}`, async () => {
    const hardware = new Hardware();
    const alone = hardware.ask();
    const all = guests(200, 'a');
    const answers = all.map((guest) => hardware.ask(guest));
    await hardware.giveAndWait();
    const [first, last] = [answers[0], answers.at(-1)];
    const left = Promise.allSettled([first]).then(() => all.at(-1)?.leave());
    hardware[outcome]();
    const ends = await Promise.allSettled([alone, ...answers]);
    await left;
    await assert.rejects(Promise.resolve(last), CANCELLED);
    const answered = ends.filter(({ status }) => status === 'fulfilled').length;
    assert.equal(answered, outcome === 'give' ? 200 : 1);
    assert.equal(hardware.challenger.counts.answers, answered);
  });
}
