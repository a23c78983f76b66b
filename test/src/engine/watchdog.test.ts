import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { Watchdog } from '../../../src/engine/watchdog.js';

const CASES = [
  { what: 'nothing gets done', progressAt: [], expiresAt: 1000 },
  { what: 'something gets done in its first half', progressAt: [400], expiresAt: 1500 },
  { what: 'something gets done again and again', progressAt: [700, 1400, 2100], expiresAt: 3250 },
] as const;

for (const { what, progressAt, expiresAt } of CASES) {
  test(`a watchdog of one second, where ${what}`, () => {
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      let [now, done] = [0, 0];
      const expired: number[] = [];
      const watchdog = new Watchdog(
        () => done,
        () => expired.push(now),
      );
      watchdog.start(1000);
      for (; now < 10_000; mock.timers.tick(50)) {
        now += 50;
        if (progressAt.some((at) => at === now)) done += 1;
      }
      assert.deepEqual(expired, [expiresAt]);
    } finally {
      mock.timers.reset();
    }
  });
}

test('a watchdog that is stopped keeps quiet, and is as patient with what is started next', () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    let [now, done] = [0, 0];
    const expired: number[] = [];
    const watchdog = new Watchdog(
      () => done,
      () => expired.push(now),
    );
    // A step at a time: the mock counts a timer that is set in a step from the end of the step.
    const pass = (milliseconds: number): void => {
      for (const end = now + milliseconds; now < end; mock.timers.tick(50)) now += 50;
    };
    watchdog.start(1000);
    pass(950);
    watchdog.stop();
    pass(5050);
    assert.deepEqual(expired, []);
    done += 1;
    watchdog.start(1000);
    pass(5000);
    assert.deepEqual(expired, [7000]);
  } finally {
    mock.timers.reset();
  }
});
