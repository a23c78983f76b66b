import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from '../../../src/client/connect.js';
import { inputs, trustedAdder } from '../../forge/adder-session.js';

const { server, policy, options, session } = await trustedAdder();

test('a call that a draining server keeps beyond its time was answered late, not unreachable', async () => {
  await session.infer('adder', inputs);
  const begun = server.inferences;
  server.lies = {
    issue: () => {
      server.drain();
      return new Promise(() => {});
    },
  };
  await assert.rejects(session.infer('adder', inputs, { timeout: 500 }), {
    code: 'CLIENT_SERVICE',
    message: /^ModelInfer answered DEADLINE_EXCEEDED: /,
  });
  assert.equal(server.inferences, begun + 1, 'the server has the call');
});

test('a closed session says so to every call', async () => {
  const closed = await connect(server.target, policy, options);
  closed.close();
  const calls = [
    () => closed.infer('adder', inputs),
    () => closed.refresh(),
    () => closed.log.head(),
  ];
  for (const call of calls) {
    await assert.rejects(call, {
      code: 'CLIENT_UNREACHABLE',
      message: `${server.target}: the session is closed`,
    });
  }
  assert.equal(await closed.ready(), false);
});
