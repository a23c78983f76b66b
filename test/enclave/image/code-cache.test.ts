import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { AssayError } from '../../../attestation/encoding/error.js';
import { compileBundles } from '../../../enclave/image/code-cache.js';
import type { Command } from '../../../enclave/image/run.js';

const NODE: Command = [process.execPath];
const MODULE = `const add = (a, b) => a + b;
exports.twice = (a) => add(a, a);
exports.place = __filename;
0&&(module.exports={twice,place});
`;

/** A folder with one bundle, compiled. */
async function compiled(module: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'assay-code-cache-'));
  writeFileSync(join(folder, 'package.json'), '{"type":"commonjs"}');
  writeFileSync(join(folder, 'm.js'), module);
  const bundle = { path: join(folder, 'm'), guestPath: '/app/m.js' };
  await compileBundles(NODE, [bundle]).catch((error: unknown) => {
    rmSync(folder, { recursive: true });
    throw error;
  });
  return folder;
}

/** What a new process prints that imports the bundle, by name, from an ES module. */
function imported(folder: string, ...flags: readonly string[]): string {
  const text = "import { twice } from './m.js'; console.log(twice(21));";
  writeFileSync(join(folder, 'main.mjs'), text);
  return execFileSync(process.execPath, [...flags, join(folder, 'main.mjs')], { encoding: 'utf8' });
}

suite('a bundle that is compiled ahead', () => {
  test('twice is the same bytes, wherever it is compiled', async () => {
    const folders = [await compiled(MODULE), await compiled(MODULE)];
    const [first, second] = folders.map((folder) => readFileSync(join(folder, 'm.cache')));
    for (const folder of folders) rmSync(folder, { recursive: true });
    assert.ok(first !== undefined && second !== undefined && first.equals(second));
  });

  test('runs as the module that it was, with its names and its own file', async () => {
    const folder = await compiled(MODULE);
    const text = 'const m = require(process.argv[1]); console.log(m.twice(4), m.place)';
    const words = ['--input-type=commonjs', '-e', text, join(folder, 'm.js')];
    const printed = execFileSync(process.execPath, words, { encoding: 'utf8' });
    assert.equal(printed, `8 ${join(folder, 'm.js')}\n`);
    assert.equal(imported(folder), '42\n');
    rmSync(folder, { recursive: true });
  });

  test('runs under other flags and with a damaged cache: V8 compiles the script', async () => {
    const folder = await compiled(MODULE);
    assert.equal(imported(folder, '--no-opt'), '42\n');
    writeFileSync(join(folder, 'm.cache'), Buffer.alloc(64));
    assert.equal(imported(folder), '42\n');
    rmSync(folder, { recursive: true });
  });

  for (const [what, module] of [
    ['letters outside of ASCII', "exports.twice = () => 'é';"],
    ['a fault of syntax', 'exports.twice = (;'],
  ] as const) {
    test(`with ${what} is refused`, async () => {
      await assert.rejects(
        compiled(module),
        (error) => error instanceof AssayError && error.code === 'CONFIG_IMAGE',
      );
    });
  }
});
