import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AssayError } from '../../../attestation/encoding/error.js';
import { EngineError } from '../../../src/engine/error.js';
import { describeError } from '../../../src/service/log.js';

const CANARY = 'canary7f3a9b2c55';

for (const [what, error, expected] of [
  [
    'of Assay is told whole',
    new AssayError('CONFIG_MODEL', 'there is none'),
    { code: 'CONFIG_MODEL', message: 'there is none' },
  ],
  [
    'of the engine is told whole',
    new EngineError('memory', 'there is no room'),
    { code: 'memory', message: 'there is no room' },
  ],
  ['that is none is told by its type', CANARY, { error: 'string' }],
] as const) {
  test(`an error ${what}`, () => assert.deepEqual(describeError(error), expected));
}

for (const [what, error, code] of [
  ['with a code of the system', Object.assign(new Error(CANARY), { code: 'ENOENT' }), 'ENOENT'],
  ['with a code that may be anything', Object.assign(new Error(), { code: CANARY }), undefined],
  ['without a code', new RangeError(CANARY), undefined],
  ['whose message looks like frames', new Error(`a\n    at ${CANARY}\n    at b`), undefined],
] as const) {
  test(`of an error ${what} its name and place are told, and no word of it`, () => {
    const { stack = '', ...told } = describeError(error);
    assert.deepEqual(told, { error: error.name, ...(code === undefined ? {} : { code }) });
    assert.match(stack, /^ +at .*log\.test\.js:\d+:\d+/);
    assert.ok(!stack.includes(CANARY), stack);
  });
}
