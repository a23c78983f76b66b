import {
  type AuthenticateTdxOptions,
  verifyTdxSignatures,
} from '../../attestation/appraisal/authenticate-tdx.js';
import { authenticateCollateralPart } from '../../attestation/appraisal/collateral-part.js';
import { byteText } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import {
  type CollateralText,
  parsePemChain,
  parseTdxCollateral,
} from '../../attestation/endorsements/intel.js';
import {
  fetchTdxCollateral,
  type IntelRequest,
  type TcbUpdate,
} from '../../attestation/endorsements/intel-pcs.js';
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

/** Whether each part of the collateral, and what its issuers are certified by, holds at that time. */
function isCurrent(collateral: CollateralText, at: Date): boolean {
  const { rootCaCrl, pckCrl, tcbInfo, qeIdentity, ...chains } = parseTdxCollateral(collateral);
  const lists = [rootCaCrl, pckCrl].map((crl) => [crl.thisUpdate, crl.nextUpdate] as const);
  const certificates = Object.values(chains)
    .flat()
    .map(({ notBefore, notAfter }) => [notBefore, notAfter] as const);
  const documents = [tcbInfo, qeIdentity].map(
    ({ value }) => [value.issueDate, value.nextUpdate] as const,
  );
  return [...lists, ...documents, ...certificates].every(
    ([from, until]) => at >= from && at <= until,
  );
}

/**
 * Fetches the collateral for the platform of a quote whose own signatures hold: a forged quote names whatever
 * platform its author likes, and nobody is asked about that. What the service has now is of no use to an
 * appraisal for a time at which it does not hold.
 * @throws AssayError what `verifyTdxSignatures` throws, before anybody is asked.
 */
export async function gatherTdxCollateral(
  quoteBytes: Uint8Array,
  { source, base, update = 'standard' }: IntelService,
  trusted: AuthenticateTdxOptions,
): Promise<GatheredCollateral> {
  await verifyTdxSignatures(quoteBytes, trusted);
  const pem = byteText.decode(parseTdxQuote(quoteBytes).pckChain);
  const [leaf] = parsePemChain(pem, 'the PCK certificate chain', [], 'TDX_CHAIN_FORMAT');
  if (leaf === undefined) {
    throw new AssayError('TDX_CHAIN_FORMAT', 'the quote has no PCK certificate');
  }
  const ca = leaf.issuerCommonName.includes('Processor') ? 'processor' : 'platform';
  const { fmspc } = pckPlatform(leaf);
  const request = {
    fmspc,
    ca,
    update,
    authentic: (part, at) => authenticateCollateralPart(part, { ...trusted, at }),
  } satisfies IntelRequest;
  try {
    const collateral = await fetchTdxCollateral(source, request, base);
    if (isCurrent(collateral, trusted.at)) return { collateral };
    const why = 'Intel’s present collateral is not current at the time of the appraisal';
    return { missing: new AssayError('ENDORSEMENTS_UNAVAILABLE', why) };
  } catch (error) {
    if (!(error instanceof AssayError) || !error.code.startsWith('ENDORSEMENTS_')) throw error;
    return { missing: error };
  }
}
