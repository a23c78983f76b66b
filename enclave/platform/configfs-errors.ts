import { AssayError, type ErrorCode } from '../../attestation/encoding/error.js';
import { errnoOf } from '../../src/system/errno.js';

/** What an errno of the kernel's report interface means, and what an operator can do about it. */
interface Meaning {
  readonly code: ErrorCode;
  readonly text: string;
  /** The condition passes by itself; the same request may be tried again within its deadline. */
  readonly transient: boolean;
}

const lasting = (code: ErrorCode, text: string): Meaning => ({ code, text, transient: false });
const passing = (code: ErrorCode, text: string): Meaning => ({ code, text, transient: true });

const NO_PROVIDER = lasting(
  'PLATFORM_NO_PROVIDER',
  'the kernel has no attestation provider: this is not an SEV-SNP or TDX guest, or its sev-guest or tdx-guest driver is not loaded',
);
const PERMISSION = lasting(
  'PLATFORM_PERMISSION',
  'this process may not use the attestation files: run it as root or hand the report directory to its user',
);
const BUSY = passing('PLATFORM_BUSY', 'an earlier request is still with the hardware');

/**
 * Linux `drivers/virt/coco/tsm.c`, `sev-guest.c` and `tdx-guest.c`: errors of making and removing a
 * report directory, of writing `inblob` and of reading `outblob`.
 */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  ENXIO: NO_PROVIDER,
  ENODEV: NO_PROVIDER,
  EACCES: PERMISSION,
  EPERM: PERMISSION,
  EROFS: PERMISSION,
  ENOENT: lasting(
    'PLATFORM_NO_CONFIGFS',
    'the TSM report directory is missing: the kernel is older than 6.7, lacks CONFIG_TSM_REPORTS, or configfs is not mounted on /sys/kernel/config',
  ),
  EBUSY: BUSY,
  EAGAIN: BUSY,
  EINTR: BUSY,
  ETIMEDOUT: lasting(
    'PLATFORM_TIMEOUT',
    'the hardware or its quoting service did not answer: on TDX the host quote generation service is down, on SNP the firmware throttles',
  ),
  EINVAL: lasting(
    'PLATFORM_INVALID',
    'the provider refused the request: it wants 64 bytes of report data and a privilege level that the guest has',
  ),
  EFBIG: lasting('PLATFORM_INVALID', 'the kernel refused report data of more than 64 bytes'),
  ENOTTY: lasting(
    'PLATFORM_KEY_WIPED',
    'the kernel destroyed its key to the SNP firmware after an earlier firmware error: only a reboot of this guest recovers',
  ),
};

/** Whether the failure passes by itself. */
export function isTransient(error: unknown): boolean {
  return MEANINGS[errnoOf(error) ?? '']?.transient ?? false;
}

/** The typed error for a failed operation on the kernel's attestation files. */
export function platformError(action: string, error: unknown): AssayError {
  if (error instanceof AssayError) return error;
  const errno = errnoOf(error);
  const meaning = MEANINGS[errno ?? ''];
  if (meaning !== undefined)
    return new AssayError(meaning.code, `${action}: ${errno}, ${meaning.text}`, error);
  return new AssayError(
    'PLATFORM_FIRMWARE',
    `${action}: ${errno ?? 'unknown error'}, the firmware or its driver failed; the kernel log says why`,
    error,
  );
}
