import { equalBytes } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { extendRtmr } from '../../attestation/evidence/replay.js';
import { isTransient, platformError } from './configfs-errors.js';
import type { RuntimeRegister } from './platform.js';
import type { ReportFs } from './report-fs.js';

const RTMR3 = '/sys/class/misc/tdx_guest/measurements/rtmr3:sha384';
const RTMR_BYTES = 48;
const READS = 3;

/** The run-time register of a TDX guest, where the kernel (6.16 and later) has it and lets us write. */
export async function findRtmr3(fs: ReportFs): Promise<RuntimeRegister | undefined> {
  if (!(await fs.canWrite(RTMR3))) return undefined;
  return {
    read: () => read(fs, RTMR3),
    extend: (held, digest) => extend(fs, RTMR3, held, digest),
  };
}

/** Throws PLATFORM_RTMR unless these are 48 bytes. */
export function assertExtension({ length }: Uint8Array): void {
  if (length === RTMR_BYTES) return;
  throw new AssayError('PLATFORM_RTMR', `RTMR3 takes 48 bytes, not ${length}`);
}

/**
 * RTMR = SHA-384(RTMR ‖ digest) (Intel TDX module ABI, TDG.MR.RTMR.EXTEND). The kernel stores the
 * first 48 bytes of a longer write without a word, so the length is checked here, and the register
 * is read back: an extend that did not happen would make every later event log a lie, and so would one
 * that happened although the kernel said otherwise, or that followed another's.
 */
async function extend(
  fs: ReportFs,
  path: string,
  held: Uint8Array,
  digest: Uint8Array,
): Promise<Uint8Array> {
  assertExtension(digest);
  if (!equalBytes(await read(fs, path), held)) throw unknownRtmr('it was extended by another');
  const refusal = await fs.write(path, digest).then(
    () => new AssayError('PLATFORM_RTMR', 'RTMR3 does not hold what was extended into it'),
    (error: unknown) => platformError('extending RTMR3', error),
  );
  const after = await read(fs, path).catch((error: unknown) => {
    throw unknownRtmr('what it holds cannot be read', error);
  });
  if (equalBytes(after, extendRtmr(held, digest))) return after;
  throw equalBytes(after, held) ? refusal : unknownRtmr('it was extended by another', refusal);
}

/** Asks again a few times where that may help: after a write, all later evidence depends on it. */
async function read(fs: ReportFs, path: string): Promise<Uint8Array> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await fs.read(path, RTMR_BYTES);
    } catch (error) {
      if (attempt === READS || !isTransient(error)) throw platformError('reading RTMR3', error);
    }
  }
}

/** @param why what became of the register. */
export function unknownRtmr(why: string, cause?: unknown): AssayError {
  return new AssayError(
    'PLATFORM_RTMR_UNKNOWN',
    `no event log leads to RTMR3, for ${why}: expected a reboot of the guest before there is evidence again, since the register outlives every process`,
    cause,
  );
}
