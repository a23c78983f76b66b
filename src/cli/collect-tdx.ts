import { authenticateTdx } from '../../attestation/appraisal/authenticate-tdx.js';
import { nativeP256 } from '../system/native-p256.js';
import { readInput } from './input-files.js';
import type { Io } from './io.js';
import { factRows, table } from './output.js';
import { writeOutput } from './output-files.js';
import { askForCollateral, type PcsOptions } from './tdx-options.js';
import { readRoots } from './vendor-services.js';

/**
 * Writes the collateral of a quote's platform, as `verify tdx --collateral` reads it. A quote that is
 * not authentic, or that the collateral does not endorse, is refused, and nothing is written.
 */
export async function collectCollateral(
  io: Io,
  path: string,
  options: PcsOptions & { readonly out: string },
): Promise<void> {
  const at = io.now();
  const trusted = { at, p256: nativeP256, ...(await readRoots(io, options.root)) };
  const quote = await readInput(io, path);
  const { collateral, missing } = await askForCollateral(io, quote, options, trusted);
  if (missing !== undefined) throw missing;
  const { platform, tcb, window } = await authenticateTdx(quote, collateral, trusted);
  const text = `${JSON.stringify(collateral, null, 1)}\n`;
  await writeOutput(options.out, text);
  const facts = {
    file: options.out,
    bytes: text.length,
    fmspc: platform.fmspc,
    status: tcb.status,
    evaluationDataNumber: tcb.evaluationDataNumber,
    holdsFrom: window.from.toISOString(),
    holdsUntil: window.until.toISOString(),
    collectedAt: at.toISOString(),
  };
  io.print(facts, () => table(factRows(facts)));
}
