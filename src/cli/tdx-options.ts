import { type Command, InvalidArgumentError } from 'commander';
import type { AuthenticateTdxOptions } from '../../attestation/appraisal/authenticate-tdx.js';
import { INTEL_PCS, type TcbUpdate } from '../../attestation/endorsements/intel-pcs.js';
import { type GatheredCollateral, gatherTdxCollateral } from '../client/tdx-endorsements.js';
import type { Io } from './io.js';
import { collect, parseCount, parseServiceUrl } from './options.js';
import { endorsementSource } from './vendor-services.js';

/** Options that say whom Intel's collateral is asked of, and whose roots a quote may end in. */
export interface PcsOptions {
  readonly root: readonly string[];
  readonly pcs?: string;
  readonly tcbUpdate?: TcbUpdate;
  readonly cache?: string;
}

function parseUpdate(text: string): TcbUpdate {
  if (text === 'standard' || text === 'early') return text;
  if (/^\d+$/.test(text)) return parseCount(text);
  throw new InvalidArgumentError('expected standard, early or a tcbEvaluationDataNumber.');
}

/** Adds `--root`, `--pcs` and `--tcb-update`. */
export function addPcsOptions(command: Command): Command {
  return command
    .option('--root <file>', "trust these roots in place of Intel's; may be repeated", collect, [])
    .option('--pcs <url>', `Intel's PCS or a PCCS (${INTEL_PCS})`, parseServiceUrl)
    .option(
      '--tcb-update <which>',
      'TCB recovery to judge by: standard, early or a tcbEvaluationDataNumber (standard)',
      parseUpdate,
    );
}

/** Asks for the collateral of a quote's platform. Throws TDX_* for a quote whose own signatures do not hold. */
export function askForCollateral(
  io: Io,
  quote: Uint8Array,
  { pcs = INTEL_PCS, tcbUpdate = 'standard', cache }: PcsOptions,
  trusted: AuthenticateTdxOptions,
): Promise<GatheredCollateral> {
  const source = endorsementSource(io, cache);
  return io.during('asking for collateral', () =>
    gatherTdxCollateral(quote, { source, base: pcs, update: tcbUpdate }, trusted),
  );
}
