import { byteText } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { type CollateralText, parsePemChain } from '../../attestation/endorsements/intel.js';
import { fetchTdxCollateral, type TcbUpdate } from '../../attestation/endorsements/intel-pcs.js';
import { pckPlatform } from '../../attestation/endorsements/pck.js';
import type { EndorsementSource } from '../../attestation/endorsements/source.js';
import { parseTdxQuote } from '../../attestation/evidence/tdx-quote.js';

/** Where Intel is asked. */
export interface IntelService {
  readonly source: EndorsementSource;
  /** Base URL of Intel's PCS or of a PCCS. */
  readonly base: string;
  /** Which TCB recovery to judge by; the standard one unless given. */
  readonly update?: TcbUpdate;
}

/** Collateral, or why there is none: nothing was checked then, and nothing failed. */
export type GatheredCollateral =
  | { readonly collateral: CollateralText; readonly missing?: undefined }
  | { readonly collateral?: undefined; readonly missing: AssayError };

/**
 * Fetches the collateral for a quote's platform.
 * @throws AssayError TDX_* or X509_* where the quote does not say what its platform is.
 */
export async function gatherTdxCollateral(
  quoteBytes: Uint8Array,
  { source, base, update = 'standard' }: IntelService,
): Promise<GatheredCollateral> {
  const quote = parseTdxQuote(quoteBytes);
  const pem = byteText.decode(quote.pckChain);
  const [leaf] = parsePemChain(pem, 'the PCK certificate chain', [], 'TDX_CHAIN_FORMAT');
  if (leaf === undefined) {
    throw new AssayError('TDX_CHAIN_FORMAT', 'the quote has no PCK certificate');
  }
  const ca = leaf.issuerCommonName.includes('Processor') ? 'processor' : 'platform';
  try {
    const { fmspc } = pckPlatform(leaf);
    return { collateral: await fetchTdxCollateral(source, { fmspc, ca, update }, base) };
  } catch (error) {
    if (!(error instanceof AssayError) || !error.code.startsWith('ENDORSEMENTS_')) throw error;
    return { missing: error };
  }
}
