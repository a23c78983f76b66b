import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BatchPolicy } from '../../../src/engine/batch-policy.js';
import { Dispatcher } from '../../../src/engine/dispatcher.js';
import type { Pending } from '../../../src/engine/pending.js';
import { RequestMemory } from '../../../src/engine/request-memory.js';
import { RequestQueue } from '../../../src/engine/request-queue.js';
import type { Batch } from '../../../src/engine/series.js';
import type { Executor } from '../../../src/engine/worker-thread.js';
import { pending } from '../../forge/pending.js';

const MILLISECOND = 1_000_000;
const DELAY = 5;

/** A worker that was given one execution when the clock stood at 0. */
const busy: Executor = {
  alive: true,
  hung: false,
  executions: 1,
  dispatched: 0,
  ended: false,
  runSeries: () => Promise.reject(new Error('is busy')),
};

/** So many requests of one row, accepted when the clock stood at 0, and what is done with them. */
function waiting(count: number, { hurries = false, delay = DELAY, preferred = [3] } = {}) {
  const queue = new RequestQueue(4, new RequestMemory(100));
  const push = (enqueued = 0): Pending => {
    const one = { ...pending('a:1', 1, new Map()), enqueued, sharedRows: 8, batchKey: 'one' };
    queue.push(one);
    return one;
  };
  const requests = Array.from({ length: count }, () => push());
  let wakes = 0;
  const options = { maxQueueDelayMicroseconds: 1000 * delay, preferredBatchSizes: preferred };
  const dispatcher = new Dispatcher(queue, new BatchPolicy(8, options), {
    steady: true,
    workers: () => 1,
    hurries: () => hurries,
    wake: () => {
      wakes += 1;
    },
  });
  const taken = (now: number): number | undefined => dispatcher.take(now)?.flat().length;
  return { dispatcher, requests, push, taken, wakes: () => wakes };
}

test('with a delay what waits is left waiting until it is over', ({ mock }) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const { taken, push, wakes } = waiting(1);
  assert.equal(taken(0), undefined);
  push();
  assert.equal(taken(2), undefined);
  mock.timers.tick(DELAY - 1);
  assert.equal(wakes(), 0);
  mock.timers.tick(1);
  assert.equal(wakes(), 1, 'is asked for again, once');
  assert.equal(taken(DELAY), 2);
  push(DELAY);
  assert.equal(taken(DELAY), undefined);
  mock.timers.tick(DELAY);
  assert.equal(wakes(), 2);
});

test('what goes before its delay is over wakes nobody afterwards', ({ mock }) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const { taken, push, wakes } = waiting(2);
  assert.equal(taken(0), undefined);
  push();
  assert.equal(taken(1), 3, 'a preferred size');
  mock.timers.tick(2 * DELAY);
  assert.equal(wakes(), 0);
  push(2 * DELAY);
  assert.equal(taken(2 * DELAY), undefined);
  mock.timers.tick(DELAY);
  assert.equal(wakes(), 1, 'what comes later has a delay of its own');
});

for (const { what, count, settings = {}, goes } of [
  { what: 'fewer than a preferred size', count: 2, goes: undefined },
  { what: 'a full queue', count: 4, settings: { preferred: [] }, goes: 4 },
  { what: 'where nothing more is to come', count: 2, settings: { hurries: true }, goes: 2 },
  { what: 'without a delay', count: 2, settings: { delay: 0 }, goes: 2 },
]) {
  test(`what goes at once, ${what}: ${goes}`, ({ mock }) => {
    mock.timers.enable({ apis: ['setTimeout'] });
    assert.equal(waiting(count, settings).taken(0), goes);
  });
}

test('what waits is left to a worker that has a short execution, until that should have ended', ({
  mock,
}) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const { dispatcher, requests, taken, wakes } = waiting(2, { delay: 0 });
  const [first] = requests;
  assert.ok(first !== undefined);
  const batch: Batch = [first];
  dispatcher.learn(batch, 0.1 * MILLISECOND);
  const end = dispatcher.begin([batch], busy);
  assert.equal(taken(0), undefined);
  mock.timers.tick(1);
  assert.equal(wakes(), 1);
  end();
  assert.equal(taken(0), 2);
});
