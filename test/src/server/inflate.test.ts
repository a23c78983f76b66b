import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateSync, gzipSync } from 'node:zlib';
import { status } from '@grpc/grpc-js';
import { inflated } from '../../../src/server/inflate.js';

const wanted = (): boolean => true;

test('messages are decompressed one after another, and none that nobody wants any more', async () => {
  const order: string[] = [];
  const ask = async (name: string, wants: boolean): Promise<void> => {
    const bytes = await inflated(gzipSync(name), 'gzip', 100, () => {
      order.push(`asked for ${name}`);
      return wants;
    });
    order.push(`got ${bytes ?? 'nothing'}`);
  };
  await Promise.all([ask('a', true), ask('b', false), ask('c', true)]);
  assert.deepEqual(order.slice(0, 3), ['asked for a', 'got a', 'asked for b']);
  assert.deepEqual(order.slice(3).sort(), ['asked for c', 'got c', 'got nothing']);
});

test('a message that cannot be decompressed keeps none back that waits behind it', async () => {
  const refused = inflated(Buffer.from('no gzip'), 'gzip', 100, wanted);
  const taken = inflated(deflateSync('a message'), 'deflate', 100, wanted);
  await assert.rejects(refused, { code: status.INTERNAL });
  assert.equal(String(await taken), 'a message');
});

test('no more is decompressed than the limit', async () => {
  const bomb = gzipSync(Buffer.alloc(101));
  assert.equal((await inflated(bomb, 'gzip', 101, wanted))?.length, 101);
  await assert.rejects(inflated(bomb, 'gzip', 100, wanted), { code: status.RESOURCE_EXHAUSTED });
});
