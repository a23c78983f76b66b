import { constants, open } from 'node:fs/promises';
import { AssayError, type ErrorCode } from '../../../attestation/encoding/error.js';
import { errnoOf } from '../../../src/system/errno.js';

/** A TPM 2.0 that takes one command at a time. */
export interface Tpm {
  /** Sends a whole command and returns the whole response. */
  transact(command: Uint8Array): Promise<Uint8Array>;
  close(): Promise<void>;
}

const DEVICE = '/dev/tpmrm0';
/** The kernel's own limit for commands and responses (Linux `drivers/char/tpm/tpm.h`, TPM_BUFSIZE). */
const MAX_RESPONSE = 4096;

const MEANINGS: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  ENOENT: ['PLATFORM_NO_TPM', 'the kernel shows no TPM 2.0: give the machine a vTPM'],
  ENODEV: ['PLATFORM_NO_TPM', 'the kernel shows no TPM 2.0: give the machine a vTPM'],
  EACCES: [
    'PLATFORM_PERMISSION',
    'this process may not use the TPM: run it as the owner of the device',
  ],
  EPERM: [
    'PLATFORM_PERMISSION',
    'this process may not use the TPM: run it as the owner of the device',
  ],
  EBUSY: ['PLATFORM_BUSY', 'the TPM still works on another command'],
  ETIME: ['PLATFORM_TIMEOUT', 'the TPM did not answer'],
};

function deviceError(error: unknown): AssayError {
  const errno = errnoOf(error) ?? 'unknown error';
  const [code, text] = MEANINGS[errno] ?? ['PLATFORM_TPM', 'the TPM or its driver failed'];
  return new AssayError(code, `${DEVICE}: ${errno}, ${text}`, error);
}

/**
 * The kernel's TPM device. `/dev/tpmrm0` gives each opener a space of its own, so that other programs'
 * sessions are not disturbed (Linux Documentation/security/tpm). A write returns when the TPM has
 * answered, and one read then gives the whole response. Throws PLATFORM_*.
 */
export async function openTpmDevice(): Promise<Tpm> {
  const file = await open(DEVICE, constants.O_RDWR).catch((error: unknown) => {
    throw deviceError(error);
  });
  return {
    async transact(command) {
      try {
        await file.write(command, 0, command.length, null);
        const response = new Uint8Array(MAX_RESPONSE);
        const { bytesRead } = await file.read(response, 0, response.length, null);
        return response.subarray(0, bytesRead);
      } catch (error) {
        throw deviceError(error);
      }
    },
    close: () => file.close(),
  };
}
