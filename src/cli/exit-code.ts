import { AssayError, type ErrorArea } from '../../attestation/encoding/error.js';
import { serviceStatus } from '../client/service-status.js';

/**
 * Exit codes of every command, those of verdicts under the verdicts' names. Scripts branch on them, so they
 * never change their meaning.
 */
export const EXIT = {
  affirmed: 0,
  refused: 1,
  usage: 2,
  unchecked: 3,
  service: 4,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

const BY_AREA: { readonly [area in ErrorArea]?: ExitCode } = {
  USAGE: EXIT.usage,
  CONFIG: EXIT.usage,
  TENSOR: EXIT.usage,
  POLICY: EXIT.usage,
  MEASUREMENT: EXIT.usage,
  ENDORSEMENTS: EXIT.unchecked,
  CRYPTO: EXIT.unchecked,
  PLATFORM: EXIT.service,
  ENGINE: EXIT.service,
};

/** INVALID_ARGUMENT, NOT_FOUND and OUT_OF_RANGE: the call itself was wrong, not the service. */
const CALLERS_FAULTS: readonly (number | undefined)[] = [3, 5, 11];

/** Codes whose meaning is not that of their area. */
const BY_CODE: { readonly [code: string]: ExitCode } = {
  CONFIG_LISTEN: EXIT.service,
  LAUNCH_POLICY_FILE: EXIT.usage,
  MODEL_FILE: EXIT.usage,
  PROOF_MODEL: EXIT.usage,
  PROOF_SIZE: EXIT.usage,
  PROOF_EXECUTION: EXIT.unchecked,
  CLIENT_INPUT: EXIT.usage,
  CLIENT_OUTPUT: EXIT.usage,
  CLIENT_MODEL: EXIT.usage,
  CLIENT_UNCHECKED: EXIT.unchecked,
  RECEIPT_UNATTESTED: EXIT.unchecked,
  RECEIPT_UNSETTLED: EXIT.unchecked,
  HUB_REFERENCE: EXIT.usage,
  HUB_UNPINNED: EXIT.usage,
  HUB_OCCUPIED: EXIT.usage,
  HUB_CREDENTIALS: EXIT.usage,
  HUB_FILE: EXIT.usage,
  HUB_LOCKED: EXIT.service,
  HUB_UNREACHABLE: EXIT.service,
  HUB_SERVICE: EXIT.service,
  HUB_BUSY: EXIT.service,
  CLIENT_UNREACHABLE: EXIT.service,
  CLIENT_SERVICE: EXIT.service,
};

/**
 * Exit code of a failure. What is not known to be a wrong call, missing collateral or a failing
 * service is evidence that did not hold: refused. An error that is not Assay's own is a failure of
 * the program.
 */
export function exitCodeOf(error: unknown): ExitCode {
  if (!(error instanceof AssayError)) return EXIT.service;
  if (CALLERS_FAULTS.includes(serviceStatus(error))) return EXIT.usage;
  const area = error.code.split('_')[0] as ErrorArea;
  return BY_CODE[error.code] ?? BY_AREA[area] ?? EXIT.refused;
}

/** Exit code of several failures: refused if one of them is, else the first one's. */
export function exitCodeOfAll(errors: readonly unknown[]): ExitCode | undefined {
  const exits = errors.map(exitCodeOf);
  return exits.find((code) => code === EXIT.refused) ?? exits[0];
}
