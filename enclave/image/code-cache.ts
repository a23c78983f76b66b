import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type Command, run } from './run.js';

/** A bundled CommonJS module. */
export interface Bundle {
  /** Where it is on this machine, without `.js`. */
  readonly path: string;
  /** The file that the guest knows it by; it is part of what is compiled. */
  readonly guestPath: string;
}

/** How a bundler ends a CommonJS module that has exports: never executed, Node reads their names there. */
const EXPORTS = /0 ?&& ?\(module\.exports ?= ?\{[\w$,\s]+\}\);\s*$/;

/** Node's own wrapper of a CommonJS module: a script that evaluates to a function. */
const wrapped = (module: string): string =>
  `(function (exports, require, module, __filename, __dirname) {${module}\n})`;

/**
 * The CommonJS module that runs the script beside it (`NAME.script` for `NAME.js`) with what V8 compiled
 * of it when the image was built (`NAME.cache`). V8 takes no cache of another version or other flags:
 * then the script is compiled as any other is. Both files are measured with the rest of the image.
 */
function loaderOf(bundle: string): string {
  const [names = ''] = EXPORTS.exec(bundle) ?? [];
  return `'use strict';
const { readFileSync } = require('node:fs');
const { Script } = require('node:vm');
const script = new Script(readFileSync(__filename.replace(/js$/, 'script'), 'latin1'), {
  filename: __filename,
  cachedData: readFileSync(__filename.replace(/js$/, 'cache')),
});
script.runInThisContext()(exports, require, module, __filename, __dirname);
${names}`;
}

/**
 * Replaces each bundle by a loader, a script and what V8 compiles of it, every function included: in a new
 * process, and above all under emulation, most of a start is compiling. The same bundles give the same
 * bytes: V8 compiles in one thread with fixed seeds, and executes nothing. Throws CONFIG_IMAGE for a bundle
 * that is not ASCII, and where a new process of this Node would not take what came out.
 */
export async function compileBundles(node: Command, bundles: readonly Bundle[]): Promise<void> {
  const compiler = fileURLToPath(new URL('./compile-script.js', import.meta.url));
  for (const { path, guestPath } of bundles) {
    const bundle = await readFile(`${path}.js`, 'utf8');
    await writeFile(`${path}.script`, wrapped(bundle));
    await run(node, ['--predictable', compiler, 'compile', path, guestPath]);
    await run(node, [compiler, 'check', path, guestPath]);
    await writeFile(`${path}.js`, loaderOf(bundle));
  }
}
