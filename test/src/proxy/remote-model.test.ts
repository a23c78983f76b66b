import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import type { ManifestModel } from '../../../attestation/evidence/manifest-model.js';
import { Cancellation } from '../../../src/engine/engine.js';
import { forwardedHead, RemoteModel } from '../../../src/proxy/remote-model.js';
import { inputs, trustedAdder } from '../../forge/adder-session.js';

const { server, session } = await trustedAdder();
const [adder] = session.models();
assert.ok(adder !== undefined);
const [a, b] = inputs;
assert.ok(a !== undefined && b !== undefined);
const request = { inputs, outputs: ['sum'] };
const remote = (model: ManifestModel = adder): RemoteModel =>
  new RemoteModel(session, model, 0, async () => {});

test('a caller that goes away has cancelled: nothing else failed', async () => {
  const cancellation = new Cancellation();
  server.lies = {
    claims: (claims) => {
      cancellation.cancel();
      return claims;
    },
  };
  await assert.rejects(remote().infer({ ...request, cancellation }), {
    name: 'RpcError',
    code: status.CANCELLED,
  });
});

test('a caller’s deadline is the enclave’s too, whose status is passed on', async () => {
  server.lies = { issue: () => new Promise(() => {}) };
  const late = remote().infer({ ...request, deadline: performance.now() });
  await assert.rejects(late, { name: 'RpcError', code: status.DEADLINE_EXCEEDED });
});

test('answers and failures are counted', async () => {
  const model = remote();
  await model.infer(request);
  await assert.rejects(model.infer({ ...request, outputs: ['total'] }));
  const { success, fail, executionCount, inferenceCount } = model.statistics;
  assert.deepEqual([success.count, fail.count, executionCount, inferenceCount], [1, 1, 1, 1]);
});

test('a caller’s own nonce is refused: the receipt has the proxy’s', async () => {
  const model = remote();
  const result = await model.infer(request);
  const nonce = new Uint8Array(32);
  assert.ok(forwardedHead({ model, nonce: undefined, result }).length > 0);
  assert.throws(() => forwardedHead({ model, nonce, result }), {
    code: status.INVALID_ARGUMENT,
    message: /^expected no parameter nonce/,
  });
});

test('what its receipts cannot be kept of is no answer, and the reason stays what it was', async () => {
  const full = new TypeError('no space');
  const model = new RemoteModel(session, adder, 0, () => Promise.reject(full));
  await assert.rejects(model.infer(request), full);
});

describe('models that are not what they were when the proxy started', () => {
  const cases = [
    ['one that is gone', { ...adder, name: 'gone' }, request, status.NOT_FOUND, /^CLIENT_MODEL: /],
    ['a version that is gone', { ...adder, version: '9' }, request, status.NOT_FOUND, /^CLIENT_M/],
    [
      'one with another input',
      adder,
      { ...request, inputs: [a, { ...b, name: 'c' }] },
      status.INVALID_ARGUMENT,
      /^CLIENT_INPUT: /,
    ],
    [
      'one with another output',
      adder,
      { ...request, outputs: ['total'] },
      status.INVALID_ARGUMENT,
      /^CLIENT_OUTPUT: /,
    ],
  ] as const;
  for (const [name, model, asked, code, message] of cases) {
    test(`${name}: no answer was lost`, async () => {
      const before = server.inferences;
      await assert.rejects(remote(model).infer(asked), { name: 'RpcError', code, message });
      assert.equal(server.inferences, before);
    });
  }
});
