import type { AttestationResult, TrustAnchor } from './result.js';

/** Of evidence that no nonce of the verifier's is known to be covered by. */
export const REPLAY = 'Without the verifier’s own nonce the evidence may be a replay.';

/** Of evidence under runtime claims. */
export const PARAVISOR =
  'The cloud’s paravisor is what the hardware measured: no value here says which image the guest booted.';

/**
 * A list or collateral from before a revocation is genuine until its end, and whoever hands over evidence
 * of a revoked platform would choose that one.
 */
export const SUPPLIERS_CHOICE =
  'Revocation was judged only by what came with the evidence: its host chose that, or whoever passed it on, and what the vendor says since may differ.';

/** Of evidence under a root that is not the vendor's pinned one: whoever has its key makes such evidence. */
export function callerRoot(
  { source, commonName }: TrustAnchor,
  vendor: 'AMD' | 'Intel',
): readonly string[] {
  return source === 'caller'
    ? [`The caller named the root ${commonName} in place of ${vendor}’s.`]
    : [];
}

/** Says of an authentic result that the verifier had nothing of its own to judge revocation by. */
export function onSuppliersWord(result: AttestationResult): AttestationResult {
  if (!result.authentic) return result;
  return { ...result, caveats: [...result.caveats, SUPPLIERS_CHOICE] };
}
