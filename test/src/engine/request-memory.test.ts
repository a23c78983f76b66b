import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Held } from '../../../src/engine/displacement.js';
import { Cancellation } from '../../../src/engine/engine.js';
import { EngineError } from '../../../src/engine/error.js';
import { createEngine } from '../../../src/engine/onnx-engine.js';
import type { Pending } from '../../../src/engine/pending.js';
import { RequestMemory } from '../../../src/engine/request-memory.js';
import { RequestQueue } from '../../../src/engine/request-queue.js';
import { identityModel, rowOf } from '../../forge/inference-models.js';
import { pending } from '../../forge/pending.js';
import { refusal } from '../../forge/refusal.js';
import { fc } from '../../property.js';

test('bytes are held from the acceptance until they are released, whatever the order', () => {
  const queues = 3;
  const command = fc.oneof(
    fc.record({
      kind: fc.constant('push' as const),
      queue: fc.nat(queues - 1),
      caller: fc.constantFrom('a:1', 'a:2', 'b:1', 'c:1'),
      bytes: fc.integer({ min: 0, max: 60 }),
      priority: fc.integer({ min: 1, max: 2 }),
    }),
    fc.record({ kind: fc.constant('take' as const), queue: fc.nat(queues - 1) }),
    fc.record({ kind: fc.constantFrom('answer' as const, 'again' as const) }),
    fc.record({ kind: fc.constant('leave' as const), which: fc.nat() }),
  );
  fc.assert(
    fc.property(fc.array(command, { size: 'max', maxLength: 80 }), (commands) => {
      const memory = new RequestMemory(100);
      const all = Array.from({ length: queues }, () => new RequestQueue(4, memory));
      const ends = new Map<Pending, string>();
      const accepted: { readonly queue: RequestQueue; readonly one: Pending }[] = [];
      const running: Pending[] = [];
      const push = (queue: RequestQueue, one: Pending): boolean => {
        try {
          queue.push(one);
        } catch (error) {
          refusal('exhausted', /the queue is full/)(error);
        }
        return one.waiting;
      };
      for (const command of commands) {
        const queue = 'queue' in command ? all[command.queue] : undefined;
        if (command.kind === 'push' && queue !== undefined) {
          const one = pending(command.caller, command.bytes, ends, command.priority);
          if (push(queue, one)) accepted.push({ queue, one });
        }
        if (command.kind === 'take') running.push(...(queue?.take(1, 0, 1) ?? []));
        if (command.kind === 'answer' || command.kind === 'again') {
          const done = running.shift();
          memory.release(done?.bytes ?? 0);
          const from = accepted.find(({ one }) => one === done);
          if (command.kind === 'again' && from !== undefined) push(from.queue, from.one);
        }
        if (command.kind === 'leave') {
          const gone = accepted[command.which % Math.max(1, accepted.length)];
          gone?.queue.giveUp(gone.one, new EngineError('cancelled', 'gone'));
        }
        const waiting = accepted.filter(({ one }) => one.waiting);
        const held = [...waiting.map(({ one }) => one), ...running];
        assert.equal(
          memory.held,
          held.reduce((sum, { bytes }) => sum + bytes, 0),
        );
        assert.ok(memory.held <= memory.limit);
        for (const each of all) {
          const own = waiting.filter(({ queue }) => queue === each).map(({ one }) => one.priority);
          const [urgent, usual] = [1, 2].map((level) => own.filter((one) => one === level).length);
          assert.deepEqual([each.size, each.rows], [own.length, own.length]);
          assert.equal(each.full, urgent === 4 || usual === 4);
          assert.equal(memory.waiting.has(each), each.size > 0);
          const amounts = new Map<string, Held>();
          for (const { queue, one } of waiting) {
            const { size, bytes } = amounts.get(one.address) ?? { size: 0, bytes: 0 };
            if (queue === each)
              amounts.set(one.address, { size: size + 1, bytes: bytes + one.bytes });
          }
          assert.deepEqual(each.held, amounts);
        }
      }
    }),
  );
});

test('who fills the memory with requests of one model gives way to who asks another', () => {
  const memory = new RequestMemory(100);
  const [first, second] = [new RequestQueue(9, memory), new RequestQueue(9, memory)];
  const ends = new Map<Pending, string>();
  const hog = Array.from({ length: 5 }, () => pending('a:1', 20, ends));
  for (const one of hog) first.push(one);
  second.push(pending('b:1', 20, ends));
  assert.deepEqual([...ends.keys()], hog.slice(4), 'the newest');
  assert.match(
    ends.get(hog[4] ?? pending('', 0, ends)) ?? '',
    /0 of 9 requests wait, .* 100 of 100 bytes in all models, .* gave way/,
  );
  second.push(pending('b:1', 20, ends));
  assert.throws(
    () => second.push(pending('b:1', 20, ends)),
    refusal('exhausted', /this request has 20$/),
  );
  assert.equal(memory.held, 100);
});

test('nobody gives way to a request for which there would still be no room', () => {
  const memory = new RequestMemory(100);
  const queue = new RequestQueue(9, memory);
  const ends = new Map<Pending, string>();
  for (let i = 0; i < 5; i++) queue.push(pending('a:1', 20, ends));
  assert.throws(
    () => queue.push(pending('b:1', 60, ends)),
    refusal('exhausted', /this request has 60$/),
  );
  assert.throws(
    () => queue.push(pending('b:1', 101, ends)),
    refusal('exhausted', /this request has 101$/),
  );
  assert.equal(ends.size, 0);
  assert.equal(queue.size, 5);
});

test('nobody gives way where there is room for the bytes, but not for one more request', () => {
  const memory = new RequestMemory(100);
  const [first, second] = [new RequestQueue(2, memory), new RequestQueue(9, memory)];
  const ends = new Map<Pending, string>();
  second.push(pending('a:1', 90, ends));
  first.push(pending('b:1', 1, ends));
  first.push(pending('b:1', 1, ends));
  assert.throws(
    () => first.push(pending('b:1', 10, ends)),
    refusal('exhausted', /2 of 2 requests wait/),
  );
  assert.equal(ends.size, 0);
});

test('what gave way in a full queue makes room for bytes too', () => {
  const memory = new RequestMemory(100);
  const queue = new RequestQueue(2, memory);
  const ends = new Map<Pending, string>();
  const [kept, gone] = [pending('a:1', 50, ends), pending('a:1', 50, ends)];
  queue.push(kept);
  queue.push(gone);
  queue.push(pending('b:1', 40, ends));
  assert.deepEqual([...ends.keys()], [gone]);
  assert.equal(memory.held, 90);
});

test('what is past its deadline keeps nobody out', () => {
  const memory = new RequestMemory(100);
  const queue = new RequestQueue(3, memory);
  const ends = new Map<Pending, string>();
  const late = { ...pending('a:1', 50, ends), expires: 10, reject: () => ends.set(late, 'late') };
  const later = { ...pending('a:1', 50, ends), expires: 20, reject: () => ends.set(later, 'late') };
  queue.push(late);
  queue.push(later);
  queue.dropExpired(10);
  assert.equal(queue.size, 2, 'it may leave at the moment itself');
  queue.dropExpired(15);
  assert.deepEqual([...ends.keys()], [late]);
  assert.equal(memory.held, 50);
  queue.push(pending('a:1', 50, ends));
  memory.dropExpired(30);
  assert.deepEqual([...ends.keys()], [late, later]);
  assert.equal(queue.size, 1);
});

test('what a worker executes cannot give way', () => {
  const memory = new RequestMemory(100);
  const queue = new RequestQueue(9, memory);
  const ends = new Map<Pending, string>();
  for (let i = 0; i < 5; i++) queue.push(pending('a:1', 20, ends));
  queue.take(1, 0, 1);
  queue.take(1, 0, 1);
  queue.push(pending('b:1', 20, ends));
  assert.equal(ends.size, 1);
  assert.throws(
    () => queue.push(pending('c:1', 40, ends)),
    refusal('exhausted', /100 of 100 bytes/),
  );
});

test('the engine gives back what was answered, refused, cancelled or late, and counts whole messages', async () => {
  const engine = await createEngine({ workers: 1, requestMemory: 100 });
  try {
    const bytes = identityModel('FP32');
    const load = (name: string) =>
      engine.load({ name, version: '1', model: bytes, externalData: [] });
    const [one, other] = [await load('one'), await load('other')];
    const gone = new Cancellation();
    const asked = [
      one.infer(rowOf([1, 2])),
      one.infer({ ...rowOf([3, 4]), messageBytes: 60 }),
      other.infer({ ...rowOf([5, 6]), cancellation: gone }),
      other.infer({ ...rowOf([7, 8]), deadline: performance.now() - 1 }),
    ];
    assert.deepEqual(engine.requestMemory, { limit: 100, held: 8 + 60 + 8 + 8 });
    // What is late makes room, and it is still not enough.
    const refused = other.infer({ ...rowOf([9, 9]), messageBytes: 25 });
    gone.cancel();
    const outcomes = await Promise.allSettled([...asked, refused]);
    assert.deepEqual(
      outcomes.map((outcome) =>
        outcome.status === 'rejected' ? outcome.reason.reason : outcome.status,
      ),
      ['fulfilled', 'fulfilled', 'cancelled', 'deadline', 'exhausted'],
    );
    await Promise.all([one.drain(), other.drain()]);
    assert.equal(engine.requestMemory.held, 0);
  } finally {
    await engine.close();
  }
});
