import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { AssayError } from '../../../attestation/encoding/error.js';
import type { Session } from '../../../src/client/session.js';
import { LastingSession, type SessionChange } from '../../../src/proxy/lasting-session.js';

const GONE = new AssayError('CLIENT_TLS_PIN', 'another key');

/** A session of an epoch that is over, or that answers with its number. */
function sessionOf(epoch: number, over = false) {
  const made = { closed: 0, over };
  const session = {
    manifest: { epoch: new Uint8Array(32).fill(epoch) },
    infer: () => (made.over ? Promise.reject(GONE) : Promise.resolve(epoch)),
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

test('an epoch that has answered is followed by the next at once, one that has not after its wait', async () => {
  const sessions = [sessionOf(2), sessionOf(3, true), sessionOf(4)];
  const [second] = sessions;
  const left = sessions.values();
  const { lasting, kinds } = await lost(async () => {
    return left.next().value?.session ?? assert.fail('too many attempts');
  });
  assert.equal(await lasting.infer('m', []), 2);
  Object.assign(second?.made ?? {}, { over: true });
  await assert.rejects(lasting.infer('m', []), { code: 'CLIENT_TLS_PIN' });
  await assert.rejects(lasting.infer('m', []), { code: 'CLIENT_TLS_PIN' });
  await assert.rejects(lasting.infer('m', []), { name: 'RpcError', code: status.UNAVAILABLE });
  assert.deepEqual(kinds(), ['over', 'attested', 'over', 'attested', 'over']);
});

test('what an epoch that is over still answers does not shorten the wait for the next', async () => {
  let attempts = 0;
  let answer = (): void => {};
  const late = new Promise((resolve) => (answer = () => resolve(1)));
  const first = sessionOf(1, true);
  const lasting = new LastingSession(
    Object.assign(first.session, {
      infer: (name: string) => (name === 'late' ? late : Promise.reject(GONE)),
    }) as unknown as Session,
    {
      connect: () => {
        attempts += 1;
        return Promise.reject(new AssayError('CLIENT_UNREACHABLE', 'nobody is there'));
      },
      onChange: () => undefined,
      now: () => 0,
    },
  );
  const answered = lasting.infer('late', []);
  await assert.rejects(lasting.infer('m', []), { code: 'CLIENT_TLS_PIN' });
  await assert.rejects(lasting.infer('m', []), { name: 'RpcError', code: status.UNAVAILABLE });
  answer();
  assert.equal(await answered, 1);
  await assert.rejects(lasting.infer('m', []), { name: 'RpcError', code: status.UNAVAILABLE });
  assert.equal(attempts, 1);
});
