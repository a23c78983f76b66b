import type { SnpReport } from '../../attestation/evidence/snp-report.js';
import type { AmdFault } from './amd.js';

/**
 * An authentic report against a policy. `check` is the one that must not pass; with `waiver` the same
 * report is affirmed, and the result shows it.
 */
export interface PolicyCase {
  readonly name: string;
  readonly fault?: AmdFault;
  readonly policy?: object;
  readonly check: string;
  readonly waiver?: object;
}

/** A report with these fields, signed. */
export const report = (change: Partial<SnpReport>): AmdFault => ({ report: change });
