import { randomBytes } from 'node:crypto';
import { AssayError } from '../../attestation/encoding/error.js';
import { isMissing } from '../../src/system/errno.js';
import { platformError } from './configfs-errors.js';
import type { ReportFs } from './report-fs.js';

/** Linux 7.2's own limit for `outblob`; older kernels stop at 32 KiB. */
const MAX_BLOB = 16 * 1024 * 1024;
const MAX_ATTRIBUTE = 4096;

/** One answer of the kernel: `outblob`, and `auxblob` where the provider has one. */
export interface KernelReport {
  readonly report: Uint8Array<ArrayBuffer>;
  readonly auxiliary: Uint8Array<ArrayBuffer> | undefined;
}

/**
 * One `/sys/kernel/config/tsm/report/<name>` directory (Linux Documentation/ABI/testing/
 * configfs-tsm-report). Its name is random, so that no other program asks through it by accident;
 * `generation` is checked all the same, since root in the guest may write to it.
 */
export class ReportDirectory {
  readonly #fs: ReportFs;
  readonly #path: string;
  readonly provider: string;

  private constructor(fs: ReportFs, path: string, provider: string) {
    this.#fs = fs;
    this.#path = path;
    this.provider = provider;
  }

  /** Makes the directory, reads its provider, and takes the lowest privilege level the guest has. */
  static async create(fs: ReportFs): Promise<ReportDirectory> {
    const path = `/sys/kernel/config/tsm/report/assay-${randomBytes(8).toString('hex')}`;
    try {
      await fs.makeDirectory(path);
    } catch (error) {
      throw platformError('making a report directory', error);
    }
    try {
      const provider = (await readText(fs, `${path}/provider`)).trim();
      await takePrivilegeFloor(fs, path);
      return new ReportDirectory(fs, path, provider);
    } catch (error) {
      await fs.removeDirectory(path).catch(() => undefined);
      throw platformError('reading the attestation provider', error);
    }
  }

  async #generation(): Promise<bigint> {
    const text = (await readText(this.#fs, `${this.#path}/generation`)).trim();
    if (!/^\d{1,20}$/.test(text)) {
      throw new AssayError('PLATFORM_GENERATION', 'the kernel gave a generation that is no number');
    }
    return BigInt(text);
  }

  /**
   * One request: commit the report data, read what the hardware made of it, and see that nobody
   * else wrote meanwhile. Throws PLATFORM_GENERATION on a race, and errno failures as they come.
   */
  async request(reportData: Uint8Array): Promise<KernelReport> {
    const before = await this.#generation();
    await this.#fs.write(`${this.#path}/inblob`, reportData);
    const committed = await this.#generation();
    const report = await this.#fs.read(`${this.#path}/outblob`, MAX_BLOB);
    const auxiliary = await this.#auxiliary();
    const after = await this.#generation();
    if (committed !== before + 1n || after !== committed) {
      throw new AssayError(
        'PLATFORM_GENERATION',
        `another writer used the report directory: generation ${before}, then ${committed}, then ${after}`,
      );
    }
    if (report.length === 0) {
      throw new AssayError(
        'PLATFORM_REPORT_EMPTY',
        'the provider succeeded without a report: its quote generation service is too old or broken',
      );
    }
    refuseOversized(report, 'report');
    return { report, auxiliary };
  }

  async #auxiliary(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    try {
      const blob = await this.#fs.read(`${this.#path}/auxblob`, MAX_BLOB);
      refuseOversized(blob, 'auxiliary blob');
      return blob.length === 0 ? undefined : blob;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /** Gives the directory back to the kernel. Throws PLATFORM_*. */
  async remove(): Promise<void> {
    try {
      await this.#fs.removeDirectory(this.#path);
    } catch (error) {
      throw platformError('removing a report directory', error);
    }
  }
}

function refuseOversized(blob: Uint8Array, what: string): void {
  if (blob.length <= MAX_BLOB) return;
  throw new AssayError('PLATFORM_REPORT_SIZE', `the ${what} is longer than ${MAX_BLOB} bytes`);
}

async function readText(fs: ReportFs, path: string): Promise<string> {
  return Buffer.from(await fs.read(path, MAX_ATTRIBUTE)).toString('latin1');
}

/** Under an SVSM the guest runs at VMPL 1 or above, and level 0, the default, is refused. */
async function takePrivilegeFloor(fs: ReportFs, path: string): Promise<void> {
  let floor: string;
  try {
    floor = (await readText(fs, `${path}/privlevel_floor`)).trim();
  } catch (error) {
    if (isMissing(error)) return;
    throw error;
  }
  if (floor !== '0') await fs.write(`${path}/privlevel`, Buffer.from(floor));
}
