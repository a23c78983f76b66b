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

test('a watchdog that is stopped keeps quiet', () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const expired = mock.fn();
    const watchdog = new Watchdog(() => 0, expired);
    watchdog.start(1000);
    mock.timers.tick(999);
    watchdog.stop();
    mock.timers.tick(5000);
    assert.equal(expired.mock.callCount(), 0);
  } finally {
    mock.timers.reset();
  }
});
