import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { AssayError } from '../../../attestation/encoding/error.js';
import type { Session } from '../../../src/client/session.js';
import { LastingSession, type SessionChange } from '../../../src/proxy/lasting-session.js';

const GONE = new AssayError('CLIENT_TLS_PIN', 'another key');

/** A session of an epoch that is over, or that answers. */
function sessionOf(epoch: number, over = false) {
  const made = { closed: 0 };
  const session = {
    manifest: { epoch: new Uint8Array(32).fill(epoch) },
    infer: () => (over ? Promise.reject(GONE) : Promise.resolve(epoch)),
    close: () => {
      made.closed += 1;
    },
  };
  return { session: session as unknown as Session, made };
}

/** One whose session is over, which a call has found out. */
async function lost(connect: () => Promise<Session>) {
  const changes: SessionChange[] = [];
  const first = sessionOf(1, true);
  const lasting = new LastingSession(first.session, {
    connect,
    onChange: (change) => changes.push(change),
    now: () => 0,
  });
  await assert.rejects(lasting.infer('m', []), { code: 'CLIENT_TLS_PIN' });
  return { lasting, first, kinds: () => changes.map(({ kind }) => kind) };
}

test('a call that waits for another session is not sent past its deadline, nor for a caller who left', async () => {
  const { lasting, kinds } = await lost(() => new Promise(() => undefined));
  await assert.rejects(lasting.infer('m', [], { timeout: 1 }), {
    name: 'RpcError',
    code: status.DEADLINE_EXCEEDED,
    message: /was not sent$/,
  });
  const signal = AbortSignal.abort(new Error('left'));
  await assert.rejects(lasting.infer('m', [], { signal }), { message: 'left' });
  assert.deepEqual(kinds(), ['over']);
});

test('what fails of the proxy itself tells its callers nothing', async () => {
  const { lasting, kinds } = await lost(() => Promise.reject(new TypeError('/root/secret')));
  await assert.rejects(lasting.infer('m', []), {
    name: 'RpcError',
    code: status.UNAVAILABLE,
    message: 'the server could not be attested anew',
  });
  assert.deepEqual(kinds(), ['over', 'failed']);
});

test('a session that is affirmed once the proxy has ended is closed, and told of to nobody', async () => {
  const next = sessionOf(2);
  let affirm = (): void => {};
  const affirmed = new Promise<Session>((resolve) => (affirm = () => resolve(next.session)));
  const { lasting, first, kinds } = await lost(() => affirmed);
  const waiting = lasting.infer('m', []);
  lasting.close();
  affirm();
  await assert.rejects(waiting, { name: 'RpcError', code: status.UNAVAILABLE });
  assert.deepEqual([kinds(), next.made.closed, first.made.closed], [['over'], 1, 0]);
});

test('the session before is closed once another is in its place, the last with the proxy', async () => {
  const next = sessionOf(2);
  const { lasting, first } = await lost(() => Promise.resolve(next.session));
  assert.equal(await lasting.infer('m', []), 2);
  assert.deepEqual([first.made.closed, next.made.closed], [1, 0]);
  lasting.close();
  assert.deepEqual([first.made.closed, next.made.closed], [1, 1]);
});
