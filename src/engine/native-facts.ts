import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { assertExecuted } from './executed-libraries.js';
import { kernelDigest } from './kernel-probe.js';

/** What of an execution profile is the same for every model of a process. */
export interface NativeFacts {
  /** ONNX Runtime's version, for people; `libraries` is what pins it. */
  readonly runtime: string;
  /** SHA-256 of ONNX Runtime's native files, by file name, sorted. */
  readonly libraries: readonly { readonly file: string; readonly sha256: Uint8Array }[];
  /** What ONNX Runtime's kernels give on this processor: `kernelDigest()`. */
  readonly kernels: Uint8Array;
}

/**
 * Hashes ONNX Runtime's native files (45 MB) and executes the kernel probe, both on the calling thread.
 * Rejects with EngineError where the probe cannot be executed, and where this process executes other files than
 * those; needs Linux's `/proc`.
 */
export async function readNativeFacts(): Promise<NativeFacts> {
  const require = createRequire(import.meta.url);
  const root = dirname(dirname(require.resolve('onnxruntime-node')));
  const description: unknown = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const runtime =
    typeof description === 'object' && description !== null && 'version' in description
      ? String(description.version)
      : 'unknown';
  const folder = join(root, 'bin', 'napi-v6', process.platform, process.arch);
  const files = readdirSync(folder).filter((file) => /\.(node|so|dylib|dll)(\.|$)/.test(file));
  const libraries = files.sort().map((file) => {
    const sha256 = createHash('sha256')
      .update(readFileSync(join(folder, file)))
      .digest();
    return { file, sha256 };
  });
  const kernels = await kernelDigest();
  const hashed = files.map((file) => realpathSync(join(folder, file)));
  assertExecuted(readFileSync('/proc/self/maps', 'utf8'), hashed);
  return { runtime, libraries, kernels };
}
