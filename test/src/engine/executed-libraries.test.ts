import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertExecuted } from '../../../src/engine/executed-libraries.js';

const HOME = '/opt/an app/bin';
const BINDING = `${HOME}/onnxruntime_binding.node`;
const LIBRARY = `${HOME}/libonnxruntime.so.1`;
const HASHED = [LIBRARY, BINDING];

/** A library as the kernel shows it: of its several mappings one is executable. */
const library = (path: string): string =>
  ['r--p', 'r-xp', 'rw-p']
    .map(
      (mode) => `7f0000000000-7f0000001000 ${mode} 00000000 fe:00 2470${' '.repeat(19)}${path}\n`,
    )
    .join('');
const maps = (...paths: readonly string[]): string =>
  `7f0000002000-7f0000003000 rwxp 00000000 00:00 0 \n${['/usr/bin/node', ...paths].map(library).join('')}7ffc00000000-7ffc00001000 r-xp 00000000 00:00 0${' '.repeat(26)}[vdso]\n`;

describe('the libraries that a process executes', () => {
  test('are those that were hashed', () => {
    assertExecuted(maps(BINDING, LIBRARY), HASHED);
  });

  test('need not have a provider among them', () => {
    const provider = `${HOME}/libonnxruntime_providers_shared.so`;
    assertExecuted(maps(BINDING, LIBRARY), [...HASHED, provider]);
  });

  test('are told with a line break in their path', () => {
    assertExecuted(maps('/a\\012b/libonnxruntime.so.1'), ['/a\nb/libonnxruntime.so.1']);
  });

  for (const [what, mapped] of [
    ['another in its place', [BINDING, '/tmp/a b/libonnxruntime.so.1']],
    ['another beside it', [BINDING, LIBRARY, '/tmp/libonnxruntime.so.1.30.0']],
    ['another binding', [BINDING, LIBRARY, '/tmp/onnxruntime_binding.node']],
    ['one of another name', [BINDING, '/tmp/innocent.so']],
    ['one that was replaced', [BINDING, `${LIBRARY} (deleted)`]],
    ['one whose path goes on', [BINDING, `${LIBRARY}\u2028x`]],
    ['none', []],
  ] as const) {
    test(`are refused with ${what}`, () => {
      const shown = mapped.filter((path) => path.includes('onnxruntime')).join(', ');
      assert.throws(() => assertExecuted(maps(...mapped), HASHED), {
        name: 'EngineError',
        reason: 'load',
        message: `expected to execute those files of ONNX Runtime that were hashed (${HASHED.join(', ')}), not what this process has mapped (${shown})`,
      });
    });
  }

  test('are refused where a hashed file is mapped as data alone', () => {
    const data = maps(BINDING, LIBRARY).replace(/r-xp(.*libonnxruntime)/, 'r--p$1');
    assert.throws(() => assertExecuted(data, HASHED), { reason: 'load' });
  });
});
