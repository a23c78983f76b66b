import { mock } from 'node:test';

/** Ten seconds of mocked timers, in steps in which a watchdog of a second or less looks each time. */
export function passTime(): void {
  for (let i = 0; i < 100; i++) mock.timers.tick(100);
}
