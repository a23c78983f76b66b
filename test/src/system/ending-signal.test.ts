import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { endingSignal } from '../../../src/system/ending-signal.js';

test('signals within a second of the first are its wish, those that follow another', async () => {
  const source = new EventEmitter();
  const again: string[] = [];
  let time = 5_000;
  const ended = endingSignal((signal) => again.push(signal), { process: source, now: () => time });
  source.emit('SIGTERM');
  source.emit('SIGTERM');
  source.emit('SIGINT');
  time += 999;
  source.emit('SIGTERM');
  assert.deepEqual(again, []);
  time += 1;
  source.emit('SIGINT');
  source.emit('SIGTERM');
  assert.deepEqual(again, ['SIGINT', 'SIGTERM']);
  assert.equal(await ended, 'SIGTERM');
});
