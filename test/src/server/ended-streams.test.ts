import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { types } from 'node:util';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ForgettingMap, forgetEndedStreams } from '../../../src/server/ended-streams.js';
import { fc } from '../../property.js';

const key = fc.integer({ min: 0, max: 7 });
const steps = fc.array(
  fc.oneof(
    fc.record({ what: fc.constant('set' as const), key, value: fc.integer() }),
    fc.record({ what: fc.constantFrom('delete' as const, 'get' as const, 'has' as const), key }),
    fc.record({ what: fc.constant('clear' as const) }),
  ),
);

test('is a Map in all that it says of what is in it', () => {
  fc.assert(
    fc.property(steps, (all) => {
      const [map, own] = [new Map<number, number>(), new ForgettingMap<number, number>()];
      for (const step of all) {
        if (step.what === 'clear') {
          map.clear();
          own.clear();
        } else if (step.what === 'set') {
          map.set(step.key, step.value);
          assert.equal(own.set(step.key, step.value), own);
        } else assert.equal(own[step.what](step.key), map[step.what](step.key));
        assert.equal(own.size, map.size);
        assert.deepEqual([...own], [...map]);
        assert.deepEqual([...own.keys()], [...map.keys()]);
        assert.deepEqual([...own.values()], [...map.values()]);
        const seen: [number, number][] = [];
        own.forEach((value, at, whole) => {
          assert.equal(whole, own);
          seen.push([at, value]);
        });
        assert.deepEqual(seen, [...map]);
      }
    }),
  );
});

/** Bytes of old space that a Map of long life adds while values pass through it, eight at a time. */
function kept(map: Map<number, unknown>): number {
  setFlagsFromString('--expose-gc');
  const collect: (options?: { type: 'minor' }) => void = runInNewContext('gc');
  const oldSpace = (): number =>
    getHeapSpaceStatistics().find(({ space_name: name }) => name === 'old_space')
      ?.space_used_size ?? Number.NaN;
  const pass = (from: number, to: number): void => {
    for (let i = from; i < to; i++) {
      map.set(
        i,
        Array.from({ length: 100 }, () => i),
      );
      map.delete(i - 8);
      if (i % 500 === 0) collect({ type: 'minor' });
    }
  };
  for (let i = 0; i < 4; i++) map.set(-1 - i, i);
  collect();
  pass(0, 100);
  const before = oldSpace();
  pass(100, 20_000);
  return oldSpace() - before;
}

test('what was deleted is gone with the next collection of young objects', () => {
  const own = kept(new ForgettingMap());
  assert.ok(own < 4 * 2 ** 20, `${own} bytes of ${20_000 * 800} were kept`);
});

test('a connection has its streams in one, and answers as ever', async () => {
  const server = createServer();
  const tables: unknown[] = [];
  server.on('session', (session) => {
    forgetEndedStreams(session);
    for (const symbol of Object.getOwnPropertySymbols(session)) {
      const state: unknown = Reflect.get(session, symbol);
      if (typeof state === 'object' && state !== null && 'streams' in state) {
        tables.push(state.streams);
      }
    }
  });
  server.on('stream', (stream) => stream.respond({ ':status': 204 }, { endStream: true }));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = connect(`http://127.0.0.1:${port}`);
  try {
    for (let i = 0; i < 20; i++) {
      const [headers] = await once(client.request({ ':path': '/' }), 'response');
      assert.equal(headers[':status'], 204);
    }
    assert.equal(tables.length, 1);
    const [table] = tables;
    assert.ok(table instanceof ForgettingMap && !types.isMap(table));
  } finally {
    client.close();
    server.close();
  }
});
