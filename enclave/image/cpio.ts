import { AssayError } from '../../attestation/encoding/error.js';
import type { ImageFile } from './files.js';
import { type Command, run } from './run.js';

const DIRECTORY = 0o040755;
const REGULAR = 0o100644;
const EXECUTABLE = 0o100755;
const CONSOLE = 0o020600;

/**
 * A cpio archive in the kernel's `newc` form (Linux Documentation/driver-api/early-userspace/
 * buffer-format): sorted by path, owned by root, without times, so that the same files give the same
 * bytes. `/dev/console` is the only device.
 */
export function packInitrd(files: readonly ImageFile[]): Buffer {
  const byPath = new Map<string, Entry>();
  const add = (path: string, entry: Entry): void => {
    if (!/^\/[^\0]*$/.test(path) || path.split('/').some((part) => part === '..' || part === '.')) {
      throw new AssayError('CONFIG_IMAGE', `${path} is no path inside the image`);
    }
    if (byPath.has(path) && entry.mode !== DIRECTORY) {
      throw new AssayError('CONFIG_IMAGE', `${path} is twice in the image`);
    }
    for (let end = path.indexOf('/', 1); end > 0; end = path.indexOf('/', end + 1)) {
      byPath.set(path.slice(0, end), {
        mode: DIRECTORY,
        data: new Uint8Array(),
        major: 0,
        minor: 0,
      });
    }
    byPath.set(path, entry);
  };
  for (const name of ['/dev', '/proc', '/sys', '/tmp']) {
    add(name, { mode: DIRECTORY, data: new Uint8Array(), major: 0, minor: 0 });
  }
  add('/dev/console', { mode: CONSOLE, data: new Uint8Array(), major: 5, minor: 1 });
  for (const { path, data, executable } of files) {
    add(path, { mode: executable ? EXECUTABLE : REGULAR, data, major: 0, minor: 0 });
  }
  const sorted = [...byPath].sort(([a], [b]) => (a < b ? -1 : 1));
  const parts = sorted.flatMap(([path, entry], index) => member(path.slice(1), entry, index + 1));
  parts.push(...member('TRAILER!!!', { mode: 0, data: new Uint8Array(), major: 0, minor: 0 }, 0));
  const whole = Buffer.concat(parts);
  return Buffer.concat([whole, Buffer.alloc((512 - (whole.length % 512)) % 512)]);
}

/**
 * An archive of these files in the legacy LZ4 format that the kernel unpacks (Linux lib/decompress_unlz4.c).
 * It is a third larger than zstd's, and the kernel is twice as fast with it: the guest waits for this step.
 * Behind such an archive the kernel reads more of them, and none of another format. The program's version is
 * part of what decides the bytes.
 */
export function compressedInitrd(
  files: readonly ImageFile[],
  lz4: Command = ['lz4'],
): Promise<Buffer> {
  return run(lz4, ['-l', '-12', '-q', '-c'], { input: packInitrd(files) });
}

interface Entry {
  readonly mode: number;
  readonly data: Uint8Array;
  readonly major: number;
  readonly minor: number;
}

function member(name: string, { mode, data, major, minor }: Entry, inode: number): Buffer[] {
  const links = mode === DIRECTORY ? 2 : 1;
  const nameBytes = Buffer.byteLength(name) + 1;
  const fields = [inode, mode, 0, 0, links, 0, data.length, 0, 0, major, minor, nameBytes, 0];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
  const head = Buffer.from(`${header}${name}\0`);
  return [head, padding(head.length), Buffer.from(data), padding(data.length)];
}

function padding(length: number): Buffer {
  return Buffer.alloc((4 - (length % 4)) % 4);
}
