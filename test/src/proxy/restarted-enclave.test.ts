import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { parsePolicy } from '../../../attestation/appraisal/policy.js';
import { fromBase64Url } from '../../../attestation/encoding/bytes.js';
import { AssayError } from '../../../attestation/encoding/error.js';
import { decodeClaims } from '../../../attestation/receipt/claims.js';
import { decodeInferenceReceipt } from '../../../attestation/receipt/inference-receipt.js';
import { connect } from '../../../src/client/connect.js';
import type { Session } from '../../../src/client/session.js';
import type { SessionChange } from '../../../src/proxy/lasting-session.js';
import { startProxy } from '../../../src/proxy/proxy.js';
import { type AdderServer, startAdder } from '../../forge/adder-server.js';
import { issueClaims } from '../../forge/issue.js';
import { adderRequest, PlainClient } from '../../forge/plain-client.js';
import { startSwitch } from '../../forge/relay.js';
import { servedPolicy } from '../../forge/served-policy.js';

type Connect = (signal: AbortSignal) => Promise<Session>;

/** A proxy of one server, its client, and what it told of its sessions. No time passes but by `clock`. */
async function startProxied(
  t: TestContext,
  server: AdderServer,
  { target = server.target, around = (next: Connect): Connect => next } = {},
) {
  const policy = parsePolicy(servedPolicy(server.enclave));
  const roots = [server.root, (await tdxRoot).root];
  const session = await connect(target, policy, { roots });
  const changes: SessionChange[] = [];
  const clock = { now: 0 };
  const made = { attempts: 0 };
  let tell = (): void => {};
  const attested = new Promise<void>((resolve) => (tell = resolve));
  const attempt = around((signal) => connect(target, policy, { roots, signal }));
  const proxy = await startProxy(session, {
    address: { host: '127.0.0.1', port: 0 },
    maxReceiveBytes: 2 ** 20,
    connect: (signal) => {
      made.attempts++;
      return attempt(signal);
    },
    onChange: (change) => {
      changes.push(change);
      if (change.kind === 'attested') tell();
    },
    now: () => clock.now,
  });
  const client = new PlainClient(proxy.port);
  t.after(async () => {
    client.close();
    await proxy.close();
    session.close();
  });
  return {
    session,
    proxy,
    clock,
    made,
    client,
    changes,
    kinds: () => changes.map(({ kind }) => kind),
    attested,
    infer: () => client.call('ModelInfer', adderRequest()),
    ready: async () => (await client.call('ServerReady'))['ready'],
  };
}

/** Of a server that no test's policy affirms: the root of its hardware is trusted, its measurements are not. */
const tdxRoot = startAdder({}, undefined, {}, 'adder', { tee: 'tdx' }).then((server) => {
  server.close();
  return server;
});

/** A server, ended with its test. */
async function startIn(
  t: TestContext,
  place: { readonly port?: number; readonly tee?: 'tdx' } = {},
  name?: string,
): Promise<AdderServer> {
  const server = await startAdder({}, undefined, {}, name, place);
  t.after(() => server.close());
  return server;
}

/** Ends a server and starts another in its place. */
async function restart(
  t: TestContext,
  server: AdderServer,
  changes: { readonly tee?: 'tdx' } = {},
  name?: string,
): Promise<AdderServer> {
  server.close();
  return startIn(t, { port: server.port, ...changes }, name);
}

function epochOf(answer: Readonly<Record<string, unknown>>): Uint8Array {
  const parameters = answer['parameters'] as Readonly<Record<string, { string_param: string }>>;
  const receipt = fromBase64Url(parameters['receipt']?.string_param ?? '');
  return decodeClaims(decodeInferenceReceipt(receipt).claims).epoch;
}

const OVER = { code: status.UNAVAILABLE, details: /^CLIENT_TLS_PIN: / };
const REFUSED = { code: status.FAILED_PRECONDITION, details: /^CLIENT_REFUSED: / };

test('an enclave that was started again is attested anew, and answers with receipts of its epoch', async (t) => {
  const first = await startIn(t);
  const { infer, ready, kinds, made } = await startProxied(t, first);
  assert.deepEqual(epochOf(await infer()), first.enclave.manifest.epoch);
  const second = await restart(t, first);
  await assert.rejects(infer(), OVER);
  assert.deepEqual(epochOf(await infer()), second.enclave.manifest.epoch);
  assert.equal(await ready(), true);
  assert.deepEqual([kinds(), made.attempts], [['over', 'attested'], 1]);
  assert.equal(second.inferences, 1, 'no request is sent twice');
});

test('calls at once share one attempt, and the proxy is not ready meanwhile', async (t) => {
  const first = await startIn(t);
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  const around = (next: Connect) => (signal: AbortSignal) => opened.then(() => next(signal));
  const { infer, ready, made } = await startProxied(t, first, { around });
  await infer();
  const second = await restart(t, first);
  await assert.rejects(infer(), OVER);
  const answers = Promise.all(Array.from({ length: 32 }, infer));
  assert.equal(await ready(), false);
  open();
  for (const answer of await answers) {
    assert.deepEqual(epochOf(answer), second.enclave.manifest.epoch);
  }
  assert.equal(made.attempts, 1);
});

test('who asks for readiness alone has the enclave attested anew', async (t) => {
  const first = await startIn(t);
  const { ready, attested, kinds } = await startProxied(t, first);
  await restart(t, first);
  assert.equal(await ready(), false);
  await attested;
  assert.equal(await ready(), true);
  assert.deepEqual(kinds(), ['over', 'attested']);
});

test('the models of the new epoch are served, and no others', async (t) => {
  const first = await startIn(t);
  const { infer, client } = await startProxied(t, first);
  await restart(t, first, {}, 'second');
  await assert.rejects(infer(), OVER);
  await assert.rejects(infer(), { code: status.NOT_FOUND });
  await assert.rejects(infer(), { code: status.NOT_FOUND, details: /served are: second$/ });
  await client.call('ModelInfer', adderRequest({ model_name: 'second' }));
});

test('an enclave that the policy refuses is never asked, and tried again later and later', async (t) => {
  const first = await startIn(t);
  const { infer, ready, clock, made, changes, kinds } = await startProxied(t, first);
  const refused = await restart(t, first, { tee: 'tdx' });
  await assert.rejects(infer(), OVER);
  await assert.rejects(infer(), REFUSED);
  const waits = [1, 2, 4, 8, 16, 30, 30].map((seconds) => seconds * 1000);
  for (const [i, wait] of waits.entries()) {
    assert.equal(made.attempts, i + 1);
    const { kind, ...change } = changes.at(-1) ?? assert.fail('nothing was told');
    assert.deepEqual([kind, 'wait' in change && change.wait], ['failed', wait]);
    clock.now += wait - 1;
    assert.equal(await ready(), false);
    await assert.rejects(infer(), REFUSED);
    assert.equal(made.attempts, i + 1, 'too early');
    clock.now += 1;
    await assert.rejects(infer(), REFUSED);
  }
  assert.equal(refused.inferences, 0);
  refused.close();
  clock.now += 30_000;
  await assert.rejects(infer(), { code: status.UNAVAILABLE, details: /^CLIENT_UNREACHABLE: / });
  const third = await startIn(t, { port: first.port });
  clock.now += 30_000;
  assert.deepEqual(epochOf(await infer()), third.enclave.manifest.epoch);
  assert.equal(kinds().at(-1), 'attested');
});

test('what comes between for a while leaves the session as it is, with the log that it watches', async (t) => {
  const server = await startIn(t);
  const other = await startIn(t);
  const relay = await startSwitch(server.port, other.port, 3);
  t.after(() => relay.close());
  const policy = parsePolicy(servedPolicy(server.enclave));
  const around = () => () => connect(server.target, policy, { roots: [server.root] });
  const options = { target: relay.target, around };
  const { infer, session, attested, changes } = await startProxied(t, server, options);
  await infer();
  relay.cut();
  await assert.rejects(infer(), OVER);
  await attested;
  const kept = changes.map((change) => change.kind === 'attested' && change.session === session);
  assert.deepEqual(kept, [false, true]);
});

test('an appraisal stands for a day, then the enclave is attested anew under the same log', async (t) => {
  const server = await startIn(t);
  const { infer, ready, session, changes, clock, made } = await startProxied(t, server);
  clock.now += 24 * 3_600_000 - 1;
  await infer();
  assert.equal(made.attempts, 0);
  for (const ask of [infer, ready]) {
    clock.now += 24 * 3_600_000;
    const asked = await Promise.all([ask(), ask()]);
    if (ask === ready) assert.deepEqual(asked, [false, false]);
    await infer();
  }
  assert.equal(made.attempts, 2);
  const kept = changes.map((change) => change.kind === 'attested' && change.session === session);
  assert.deepEqual(kept, [false, true, false, true]);
});

test('nothing is sent to an enclave that is refused a day later', async (t) => {
  const server = await startIn(t);
  const policy = parsePolicy(servedPolicy(server.enclave));
  const around = () => () =>
    connect(server.target, { ...policy, snp: {} }, { roots: [server.root] });
  const { infer, clock, kinds } = await startProxied(t, server, { around });
  await infer();
  clock.now += 24 * 3_600_000;
  const { inferences } = server;
  await assert.rejects(infer(), REFUSED);
  assert.deepEqual([server.inferences, kinds()], [inferences, ['over', 'failed']]);
});

test('a call that was sent before the session was affirmed again does not end it again', async (t) => {
  const server = await startIn(t);
  const policy = parsePolicy(servedPolicy(server.enclave));
  const around = () => () => connect(server.target, policy, { roots: [server.root] });
  const { infer, session, attested, kinds } = await startProxied(t, server, { around });
  const gone = new AssayError('CLIENT_TLS_PIN', 'another key');
  let fail = (): void => {};
  const late = new Promise<never>((_, reject) => (fail = () => reject(gone)));
  const outcomes = [() => late, () => Promise.reject(gone)];
  t.mock.method(session, 'infer', () => outcomes.shift()?.(), { times: 2 });
  const first = infer();
  await assert.rejects(infer(), OVER);
  await attested;
  fail();
  await assert.rejects(first, OVER);
  await infer();
  assert.deepEqual(kinds(), ['over', 'attested']);
});

test('an enclave that ends still answers what it has, beside the next', async (t) => {
  const server = await startIn(t);
  const other = await startIn(t);
  const relay = await startSwitch(server.port, other.port, 3);
  t.after(() => relay.close());
  const { infer } = await startProxied(t, server, { target: relay.target });
  let answer = (): void => {};
  const held = new Promise<void>((resolve) => (answer = resolve));
  const begun = new Promise<void>((begin) => {
    server.lies = {
      issue: async (claims) => {
        begin();
        await held;
        return issueClaims(server.enclave.issuer, claims);
      },
    };
  });
  const late = infer();
  await begun;
  server.drain();
  await assert.rejects(infer(), OVER);
  assert.deepEqual(epochOf(await infer()), other.enclave.manifest.epoch);
  answer();
  assert.deepEqual(epochOf(await late), server.enclave.manifest.epoch);
});

test('a proxy that ends gives up its attempt', async (t) => {
  const first = await startIn(t);
  let begin = (_: AbortSignal): void => {};
  const begun = new Promise<AbortSignal>((resolve) => (begin = resolve));
  const around = () => (signal: AbortSignal) => {
    begin(signal);
    return once(signal, 'abort').then(() => Promise.reject(signal.reason));
  };
  const { ready, proxy, kinds } = await startProxied(t, first, { around });
  await restart(t, first);
  assert.equal(await ready(), false);
  const signal = await begun;
  await proxy.close();
  assert.equal(signal.aborted, true);
  assert.deepEqual(kinds(), ['over']);
});
