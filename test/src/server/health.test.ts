import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  Client,
  type ClientReadableStream,
  credentials,
  type MethodDefinition,
  type ServiceError,
  type StatusObject,
  status,
} from '@grpc/grpc-js';
import { healthService } from '../../../src/server/health.js';
import { startEcho } from '../../forge/echo-service.js';
import { quiet, SlowCall } from '../../forge/slow-call.js';

const { Check, Watch, List } = healthService([]).definition as unknown as Readonly<
  Record<'Check' | 'Watch' | 'List', MethodDefinition<object, object>>
>;
const server = await startEcho(3_600_000);
const connect = (): Client =>
  new Client(`127.0.0.1:${server.plaintextPort}`, credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
  });
const client = connect();
after(() => client.close());

function ask(method: typeof Check, request: object, by = client): Promise<object | undefined> {
  return new Promise((resolve, reject) => {
    by.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      (error, response) => (error === null ? resolve(response) : reject(error)),
    );
  });
}

function watch(service: string, by = client): ClientReadableStream<object> {
  const call = by.makeServerStreamRequest(
    Watch.path,
    Watch.requestSerialize,
    Watch.responseDeserialize,
    { service },
  );
  call.on('error', () => undefined); // tests cancel it
  return call;
}

function cancelled(call: ClientReadableStream<object>): Promise<StatusObject> {
  return new Promise((resolve) => {
    call.once('status', resolve);
    call.cancel();
  });
}

test('the server and its services serve when it says so, and watchers are told', async () => {
  const names = ['', 'test.Echo'];
  const watches = names.map((name) => watch(name));
  for (const serving of ['NOT_SERVING', 'SERVING', 'NOT_SERVING']) {
    const told = watches.map((call) => once(call, 'data'));
    server.setServing(serving === 'SERVING');
    for (const answer of await Promise.all(told)) assert.deepEqual(answer, [{ status: serving }]);
    for (const service of names)
      assert.deepEqual(await ask(Check, { service }), { status: serving });
    assert.deepEqual(await ask(List, {}), {
      statuses: { '': { status: serving }, 'test.Echo': { status: serving } },
    });
  }
  for (const call of watches) call.cancel();
});

test('a name that is no service is NOT_FOUND, and as much of it told as a header holds', async () => {
  for (const service of ['x', 'test.Echo/', 'x'.repeat(4000), '\u{1f600}'.repeat(1000)]) {
    await assert.rejects(ask(Check, { service }), (error) => {
      const { code, details } = error as ServiceError;
      assert.equal(code, status.NOT_FOUND);
      assert.match(details, /^no service /);
      assert.ok(encodeURI(details).length < 8192);
      return true;
    });
  }
});

test('a name longer than any is not read', async () => {
  await assert.rejects(ask(Check, { service: 'x'.repeat(4094) }), {
    code: status.RESOURCE_EXHAUSTED,
    details: 'Received message larger than max (4097 vs 4096)',
  });
  const [refusal] = await once(watch('x'.repeat(4094)), 'error');
  assert.equal((refusal as ServiceError).code, status.INTERNAL);
});

test('a watch of a name that is no service stays open and hears nothing more', async () => {
  const [unknown, known] = [watch('x'), watch('')];
  const heard: object[] = [];
  unknown.on('data', (answer: object) => heard.push(answer));
  await Promise.all([once(unknown, 'data'), once(known, 'data')]);
  for (const serving of [true, false]) {
    const told = once(known, 'data');
    server.setServing(serving);
    await told;
  }
  assert.deepEqual(heard, [{ status: 'SERVICE_UNKNOWN' }]);
  known.cancel();
  const { code } = await cancelled(unknown);
  assert.equal(code, status.CANCELLED);
});

test('names that were watched and are no services are not kept', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const used = (): number => {
    collect();
    return process.memoryUsage().heapUsed;
  };
  const room = 'x'.repeat(4000);
  const watchMany = async (): Promise<void> => {
    const by = connect();
    for (let i = 0; i < 250; i++) {
      const call = watch(`${randomUUID()}${room}`, by);
      await once(call, 'data');
      await cancelled(call);
    }
    await ask(Check, { service: '' }, by); // so that the server has heard of every end
    by.close();
  };
  await watchMany();
  const before = used();
  for (let i = 0; i < 4; i++) await watchMany();
  const grown = used() - before;
  assert.ok(grown < 2_000_000, `a thousand names of 4 KB keep ${grown} bytes`);
});

/** A watcher of the server who takes answers only when it is told to. */
function slowWatcher() {
  const { handlers, setServing } = healthService([]);
  const call = Object.assign(new SlowCall<object>(), { request: { service: '' } });
  (handlers['Watch'] as unknown as (call: SlowCall<object>) => void)(call);
  return { call, setServing };
}

test('a watcher who takes no answers has one waiting, and is told the latest status once it does', async () => {
  const { call, setServing } = slowWatcher();
  for (let i = 0; i < 1001; i++) setServing(i % 2 === 0);
  assert.equal(call.writableLength, 1);
  call.takeAll();
  await quiet(() => call.taken.length);
  assert.deepEqual(call.taken, [{ status: 'NOT_SERVING' }, { status: 'SERVING' }]);
});

test('a watcher who went away is told nothing', async () => {
  const { call, setServing } = slowWatcher();
  call.takeAll();
  await quiet(() => call.taken.length);
  call.emit('cancelled', 'cancelled');
  setServing(true);
  await quiet(() => call.taken.length);
  assert.deepEqual(call.taken, [{ status: 'NOT_SERVING' }]);
});
