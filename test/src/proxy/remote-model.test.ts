import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import type { ManifestModel } from '../../../attestation/evidence/manifest-model.js';
import { Cancellation } from '../../../src/engine/engine.js';
import { RemoteModel } from '../../../src/proxy/remote-model.js';
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

describe('models that are not what they were when the proxy started', () => {
  const cases = [
    ['one that is gone', { ...adder, name: 'gone' }, request, status.NOT_FOUND, /^CLIENT_MODEL: /],
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
