import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { connect } from '../../../src/client/connect.js';
import { startAdder } from '../../forge/adder-server.js';
import { inputs, trustedAdder } from '../../forge/adder-session.js';
import { startSwitch } from '../../forge/relay.js';

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

test('a session that another key took the place of is over, and readiness says so too', async (t) => {
  const other = await startAdder();
  // The certificate, the evidence and the first question.
  const relay = await startSwitch(server.port, other.port, 3);
  t.after(() => {
    relay.close();
    other.close();
  });
  const replaced = await connect(relay.target, policy, options);
  t.after(() => replaced.close());
  assert.equal(await replaced.ready(), true);
  relay.cut();
  await assert.rejects(replaced.ready(), { code: 'CLIENT_TLS_PIN' });
});

test('calls that end with their connection look together who is in its place', async (t) => {
  const relay = await startSwitch(server.port, server.port, 3);
  t.after(() => relay.close());
  const lost = await connect(relay.target, policy, options);
  t.after(() => lost.close());
  const calls = 20;
  const all = new Promise<void>((resolve) => {
    let held = 0;
    server.lies = {
      issue: () => {
        held++;
        if (held === calls) resolve();
        return new Promise(() => {});
      },
    };
  });
  const answers = Array.from({ length: calls }, () => lost.infer('adder', inputs));
  await all;
  let dialled = 0;
  const count = (): void => void dialled++;
  subscribe('net.client.socket', count);
  t.after(() => unsubscribe('net.client.socket', count));
  relay.cut();
  for (const { status, ...rest } of await Promise.allSettled(answers)) {
    const reason = 'reason' in rest ? rest.reason : undefined;
    assert.deepEqual([status, reason?.code], ['rejected', 'CLIENT_UNREACHABLE']);
  }
  // Each through the relay, and beside the look those that grpc-js makes to connect again.
  assert.ok(dialled >= 1 && dialled < calls / 2, `${dialled} connections`);
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

test('many calls under one signal leak nothing, and no version of Node says so', async (t) => {
  const warnings: string[] = [];
  const warned = ({ message }: Error): void => void warnings.push(message);
  process.on('warning', warned);
  t.after(() => process.off('warning', warned));
  // More than Node 20 takes without a warning, of each kind of bound: handshakes and calls.
  const all = Array.from({ length: 12 });
  const connecting = { ...options, signal: new AbortController().signal };
  const own = await Promise.all(all.map(() => connect(server.target, policy, connecting)));
  for (const each of own) each.close();
  const { signal } = new AbortController();
  await Promise.all(all.map(() => session.infer('adder', inputs, { signal })));
  // Warnings are said in the next tick.
  await setImmediate();
  assert.deepEqual(warnings, []);
});
