import { access, constants, mkdir, open, rmdir, writeFile } from 'node:fs/promises';

/**
 * The few file operations that the kernel's attestation files need. Failures are Node's errors with
 * their `code` (EINVAL, ENXIO …). Tests put a kernel of their own behind it.
 */
export interface ReportFs {
  makeDirectory(path: string): Promise<void>;
  removeDirectory(path: string): Promise<void>;
  /** One open, one write of all bytes, one close: configfs commits a binary attribute at close. */
  write(path: string, bytes: Uint8Array): Promise<void>;
  /** Reads to the end, or one byte past `limit`, so that the caller sees what is too long. */
  read(path: string, limit: number): Promise<Uint8Array<ArrayBuffer>>;
  canWrite(path: string): Promise<boolean>;
}

const CHUNK = 64 * 1024;

/**
 * The real file system. A read of `outblob` blocks a libuv thread until the hardware answers (SNP
 * up to 60 s when throttled, TDX up to 30 s): the driver keeps at most one such read in flight.
 */
export const kernelFs: ReportFs = {
  async makeDirectory(path) {
    await mkdir(path);
  },
  removeDirectory: rmdir,
  // Write-only: configfs refuses to open `inblob` for reading as well.
  write: (path, bytes) => writeFile(path, bytes, { flag: constants.O_WRONLY }),
  async read(path, limit) {
    const file = await open(path, 'r');
    try {
      const parts: Uint8Array[] = [];
      let length = 0;
      while (length <= limit) {
        const chunk = new Uint8Array(Math.min(CHUNK, limit + 1 - length));
        const { bytesRead } = await file.read(chunk, 0, chunk.length, null);
        if (bytesRead === 0) break;
        parts.push(chunk.subarray(0, bytesRead));
        length += bytesRead;
      }
      return new Uint8Array(Buffer.concat(parts));
    } finally {
      await file.close();
    }
  },
  async canWrite(path) {
    try {
      await access(path, constants.W_OK);
      return true;
    } catch {
      return false;
    }
  },
};
