import {
  type AttestationResult,
  amdEndorsements,
  parsePolicy,
  verifySnp,
  verifyTdx,
} from '../../attestation/index.js';

/** One piece of evidence for the page, as JSON carries it: bytes in base64. */
export interface BrowserCase {
  readonly name: string;
  readonly tee: 'snp' | 'tdx';
  readonly evidence: string;
  /** SEV-SNP: certificates and lists; TDX: the collateral. */
  readonly endorsements: readonly string[];
  readonly roots: readonly string[] | null;
  readonly at: string;
}

/** What a policy says of each kind: nothing, so that every check is made. */
const POLICY = { version: 1, snp: {}, tdx: {} } as const;

const bytes = (base64: string): Uint8Array =>
  Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));

/** Appraises one case with the library; runs in Node and in browsers alike. */
export async function appraiseCase(item: BrowserCase): Promise<AttestationResult> {
  const { snp = {}, tdx } = parsePolicy(POLICY);
  const roots = item.roots === null ? {} : { roots: item.roots.map(bytes) };
  const options = { at: new Date(item.at), ...roots };
  const endorsements = item.endorsements.map(bytes);
  if (item.tee === 'snp') {
    return verifySnp(bytes(item.evidence), amdEndorsements(endorsements), snp, options);
  }
  if (tdx === undefined) throw new Error('the policy lost its member tdx');
  return verifyTdx(bytes(item.evidence), endorsements[0], tdx, options);
}

/** Fetches the cases from where the page came from, appraises them, posts the results back. */
async function main(): Promise<void> {
  const cases: readonly BrowserCase[] = await (await fetch('/cases.json')).json();
  const results: AttestationResult[] = [];
  for (const item of cases) results.push(await appraiseCase(item));
  await fetch('/results', { method: 'POST', body: JSON.stringify(results) });
}

if (typeof document !== 'undefined') {
  main().catch((error) => fetch('/failure', { method: 'POST', body: String(error?.stack) }));
}
