import { readFileSync, writeFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { Script } from 'node:vm';

/**
 * Run by the Node of the image: `compile` writes what V8 makes of `PATH.script`, all functions of it and
 * not only those that are executed first, to `PATH.cache`; `check` fails where a new process would not
 * take it.
 */
const [mode, path, filename = ''] = process.argv.slice(2);
const source = readFileSync(`${path}.script`);
if (source.some((byte) => byte > 0x7f)) throw new Error(`${path}.script is not ASCII`);
const text = source.toString('latin1');
if (mode === 'compile') {
  setFlagsFromString('--no-lazy');
  const script = new Script(text, { filename });
  // What is compiled is taken only under the flags that it was stored under.
  setFlagsFromString('--lazy');
  writeFileSync(`${path}.cache`, script.createCachedData());
} else {
  const script = new Script(text, { filename, cachedData: readFileSync(`${path}.cache`) });
  if (script.cachedDataRejected !== false) throw new Error(`V8 does not take ${path}.cache`);
}
