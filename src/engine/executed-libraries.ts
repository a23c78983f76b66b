import { basename } from 'node:path';
import { EngineError } from './error.js';

/** Address, permissions with that to execute, offset, device, inode and path (proc_pid_maps(5)). */
const EXECUTABLE = /^\S+ ..x. \S+ \S+ \d+ +(\/.*)$/s;
const RUNTIME = /^(lib)?onnxruntime/;

/**
 * Requires that a process executes those files of ONNX Runtime that were hashed, and no others that bear its
 * name: the dynamic linker may find another library first (LD_LIBRARY_PATH goes before RUNPATH), and a file may
 * be replaced after it was loaded. Providers need not be loaded. Files are told by their paths: on overlayfs and
 * btrfs stat(2) and the kernel's mappings name devices and inodes differently.
 *
 * @param maps what `/proc/self/maps` holds.
 * @param hashed absolute paths without symbolic links.
 * Throws EngineError `load`, which names the files on both sides.
 */
export function assertExecuted(maps: string, hashed: readonly string[]): void {
  // The kernel writes a line break in a path so, and nothing else otherwise than it is.
  const expected = hashed.map((path) => path.replaceAll('\n', '\\012'));
  const mapped = new Set(maps.split('\n').map((line) => EXECUTABLE.exec(line)?.[1] ?? ''));
  const executed = [...mapped].filter(
    (path) => expected.includes(path) || RUNTIME.test(basename(path)),
  );
  const complete = expected.every(
    (path) => mapped.has(path) || basename(path).includes('_providers_'),
  );
  if (complete && executed.every((path) => expected.includes(path))) return;
  throw new EngineError(
    'load',
    `expected to execute those files of ONNX Runtime that were hashed (${expected.join(', ')}), not what this process has mapped (${executed.join(', ')})`,
  );
}
