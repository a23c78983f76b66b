import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cancellation, type InferenceRequest } from '../../../src/engine/engine.js';
import type { EngineError } from '../../../src/engine/error.js';
import { ModelRuntime } from '../../../src/engine/model-runtime.js';
import { RequestMemory } from '../../../src/engine/request-memory.js';
import { identityRow } from '../../forge/inference-models.js';
import { refusal } from '../../forge/refusal.js';

/** Two models that share a memory of 100 bytes, whose workers never come for what waits. */
class Models {
  readonly memory = new RequestMemory(100);
  readonly sessions = { count: 1, bytes: 0 };
  readonly one = this.#runtime(1);
  readonly other = this.#runtime(2);

  #runtime(loadId: number): ModelRuntime {
    const source = { name: 'm', version: '1', model: new Uint8Array(), externalData: [] };
    const { memory, sessions } = this;
    return new ModelRuntime(
      loadId,
      source,
      { inputs: [], outputs: [] },
      {
        memory,
        context: () => undefined,
        batching: { maxBatchSize: 1, sizes: new Map(), invariance: 'off', reason: '' },
        options: { maxQueueSize: 9 },
        acceptsEmpty: true,
        steady: true,
        sessions,
      },
      { wake: () => undefined, dispatch: () => undefined, release: async () => undefined },
    );
  }
}

/** Asks for so much of the memory. */
const asking = (caller: string, messageBytes: number): InferenceRequest => ({
  ...identityRow(1),
  caller,
  messageBytes,
});

const gone = new Cancellation();

for (const { what, waits, happens, reason } of [
  {
    what: 'gives way to a request of another model',
    waits: asking('192.0.2.1:1', 80),
    happens: ({ other }) => void other.infer(asking('192.0.2.2:1', 30)),
    reason: 'exhausted',
  },
  {
    what: 'is past its deadline when a request of another model needs room',
    waits: { ...asking('192.0.2.1:1', 80), deadline: performance.now() - 1 },
    happens: ({ other }) => void other.infer(asking('192.0.2.1:1', 30)),
    reason: 'deadline',
  },
  {
    what: 'is past its deadline when a worker comes for it',
    waits: { ...asking('192.0.2.1:1', 80), deadline: performance.now() - 1 },
    happens: ({ one }) => void one.take(performance.now()),
    reason: 'deadline',
  },
  {
    what: 'is cancelled',
    waits: { ...asking('192.0.2.1:1', 80), cancellation: gone },
    happens: () => gone.cancel(),
    reason: 'cancelled',
  },
  {
    what: 'loses its last worker',
    waits: asking('192.0.2.1:1', 80),
    happens: ({ one, sessions }) => {
      sessions.count = 0;
      one.workerLost();
    },
    reason: 'draining',
  },
] satisfies readonly {
  what: string;
  waits: InferenceRequest;
  happens: (models: Models) => void;
  reason: EngineError['reason'];
}[]) {
  test(`a drain ends once the last request that waits ${what}`, async () => {
    const models = new Models();
    const refused = assert.rejects(models.one.infer(waits), refusal(reason));
    const drained = models.one.drain();
    happens(models);
    await refused;
    assert.equal(models.one.waiting, 0);
    await drained;
  });
}
