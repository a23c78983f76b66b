import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sha384 } from '../../../attestation/encoding/hash.js';
import { findReplayFault, replayDigests } from '../../../attestation/evidence/replay.js';

const digests = Array.from({ length: 257 }, (_, i) => sha384(Uint8Array.of(i & 255, i >> 8)));

test('the event that is wrong is searched for in logs of up to 256 events', () => {
  for (const [length, fault] of [
    [256, { kind: 'added', at: 7 }],
    [257, { kind: 'unknown', at: 256 }],
  ] as const) {
    const logged = digests.slice(0, length);
    const register = replayDigests(logged.toSpliced(7, 1));
    assert.deepEqual(findReplayFault(logged, register), fault);
    assert.equal(findReplayFault(logged, replayDigests(logged)), undefined);
  }
});

test('what was added at the end is found in logs of any length', () => {
  const register = replayDigests(digests.slice(0, -1));
  assert.deepEqual(findReplayFault(digests, register), { kind: 'added', at: 256 });
});
