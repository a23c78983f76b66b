import { equalBytes } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { extendRtmr } from '../../attestation/evidence/event-log.js';
import { platformError } from './configfs-errors.js';
import type { ReportFs } from './report-fs.js';

const RTMR_BYTES = 48;

/** The run-time register of a TDX guest, where the kernel (6.16 and later) has it and lets us write. */
export async function findRtmr3(
  fs: ReportFs,
  misc: string,
): Promise<((digest: Uint8Array) => Promise<void>) | undefined> {
  const path = `${misc}/tdx_guest/measurements/rtmr3:sha384`;
  if (!(await fs.canWrite(path))) return undefined;
  return (digest) => extend(fs, path, digest);
}

/**
 * RTMR = SHA-384(RTMR ‖ digest) (Intel TDX module ABI, TDG.MR.RTMR.EXTEND). The kernel stores the
 * first 48 bytes of a longer write without a word, so the length is checked here, and the register
 * is read back: an extend that did not happen would make every later event log a lie.
 */
async function extend(fs: ReportFs, path: string, digest: Uint8Array): Promise<void> {
  if (digest.length !== RTMR_BYTES) {
    throw new AssayError('PLATFORM_RTMR', `RTMR3 takes 48 bytes, not ${digest.length}`);
  }
  try {
    const before = await fs.read(path, RTMR_BYTES);
    await fs.write(path, digest);
    const after = await fs.read(path, RTMR_BYTES);
    if (!equalBytes(after, extendRtmr(before, digest))) {
      throw new AssayError('PLATFORM_RTMR', 'RTMR3 does not hold what was extended into it');
    }
  } catch (error) {
    throw platformError('extending RTMR3', error);
  }
}
