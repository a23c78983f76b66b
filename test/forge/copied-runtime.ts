import { copyFileSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const entry = createRequire(import.meta.url).resolve('onnxruntime-node');

/** The library that is hashed, and executed unless the dynamic linker is told of another. */
export const RUNTIME_LIBRARY = join(
  dirname(dirname(entry)),
  'bin/napi-v6',
  process.platform,
  process.arch,
  'libonnxruntime.so.1',
);

/** The environment under which a copy of it in this folder is executed. */
export function copiedRuntime(folder: string): { readonly LD_LIBRARY_PATH: string } {
  mkdirSync(folder, { recursive: true });
  copyFileSync(RUNTIME_LIBRARY, join(folder, 'libonnxruntime.so.1'));
  return { LD_LIBRARY_PATH: folder };
}
