import { byteText, equalBytes } from '../encoding/bytes.js';
import { AssayError } from '../encoding/error.js';
import { type P256, webCryptoP256 } from '../encoding/p256.js';
import type { Certificate } from '../encoding/x509.js';
import {
  type CollateralInput,
  type CollateralText,
  parsePemChain,
  type TdxCollateral,
} from '../endorsements/intel.js';
import { type PckPlatform, pckPlatform } from '../endorsements/pck.js';
import type { Signed } from '../endorsements/tcb-info.js';
import { parseTdxQuote, type TdxQuote } from '../evidence/tdx-quote.js';
import { checkAttestationKey, quoteSignatures, quotingEnclave } from './quote-signatures.js';
import { requireTime, type TrustAnchor } from './result.js';
import {
  type PendingSignature,
  requireSignatures,
  signedBy,
  subjectP256,
  underWay,
  verifyWith,
} from './signatures.js';
import { evaluateTcb, type TcbEvaluation } from './tcb-level.js';
import { TdxCache } from './tdx-cache.js';
import {
  type CheckedChain,
  type Circumstances,
  checkChain,
  checkCrl,
  checkRevocation,
  checkWindow,
  PCK,
  PCK_CA,
  TCB_SIGNING,
} from './tdx-chain.js';
import { intelRoots, trustAnchorOf } from './trust.js';

/** How a quote is verified. */
export interface AuthenticateTdxOptions {
  /** Time that certificates, lists and documents are judged at. */
  readonly at: Date;
  /** DER roots that replace Intel's pinned one. The only way to verify simulated evidence. */
  readonly roots?: readonly Uint8Array[] | undefined;
  /** What earlier calls learned; one that the whole process shares unless given. */
  readonly cache?: TdxCache;
  /** What checks signatures in place of WebCrypto; Node has one that answers at once. */
  readonly p256?: P256;
}

/** A quote that hardware under the trust anchor made; the collateral speaks for its platform. */
export interface AuthenticatedTdx {
  readonly quote: TdxQuote;
  readonly platform: PckPlatform;
  readonly trustAnchor: TrustAnchor;
  /** Subject common names from the root down. */
  readonly chain: readonly string[];
  readonly tcb: TcbEvaluation;
  /** tcbEvaluationDataNumber of the QE identity; that of the TCB info is in `tcb`. */
  readonly qeEvaluationDataNumber: number;
  /** thisUpdate of the root CA's CRL and of the PCK CRL; neither lists a certificate of the chains. */
  readonly revocationLists: readonly [Date, Date];
  /** The period in which every certificate, list and document holds. */
  readonly window: { readonly from: Date; readonly until: Date };
  readonly at: Date;
}

const sharedCache = new TdxCache();

/** Parses a quote, checks its chain, and sets its signatures going. */
async function openQuote(
  bytes: Uint8Array,
  { at, roots, cache = sharedCache, p256 = webCryptoP256 }: AuthenticateTdxOptions,
) {
  requireTime(at);
  const quote = parseTdxQuote(new Uint8Array(bytes));
  const trusted = intelRoots(roots);
  const pem = byteText.decode(quote.pckChain);
  const parsed = cache.chain(pem, () =>
    parsePemChain(
      pem,
      'the PCK certificate chain',
      [...trusted.certificates, ...cache.authorities],
      'TDX_CHAIN_FORMAT',
    ),
  );
  const chain = checkChain(parsed, [PCK, PCK_CA], trusted, { at, p256 });
  const platform = pckPlatform(chain.leaf);
  const enclave = quotingEnclave(quote, chain.leaf, cache, p256);
  const pending = [...chain.pending, ...quoteSignatures(quote, enclave)];
  checkAttestationKey(quote);
  // Or all of them would wait until the collateral is parsed.
  const { root, issuer, leaf } = chain;
  await underWay([enclave.key, ...[root, issuer, leaf].map((each) => subjectP256(each, p256))]);
  return { quote, certificates: parsed, chain, platform, pending, trusted };
}

/**
 * Verifies what a quote proves without collateral: its own signatures and its PCK chain. Neither
 * revocation nor the platform's TCB is known after it, so that it is no verdict.
 * @throws AssayError as `authenticateTdx` does.
 */
export async function verifyTdxSignatures(
  bytes: Uint8Array,
  options: AuthenticateTdxOptions,
): Promise<TrustAnchor> {
  const { chain, pending, trusted } = await openQuote(bytes, options);
  await requireSignatures(pending);
  return trustAnchorOf(chain.root, trusted.source);
}

function document(
  signed: Signed<unknown>,
  chain: CheckedChain,
  what: string,
  { p256 }: Circumstances,
): PendingSignature[] {
  return [
    ...chain.pending,
    {
      holds: signedBy(signed, chain.leaf, () =>
        verifyWith(subjectP256(chain.leaf, p256), signed.signature, signed.bytes),
      ),
      error: () =>
        new AssayError('COLLATERAL_SIGNATURE', `the ${what} is not signed by its issuer chain`),
    },
  ];
}

function windowOf(chains: readonly CheckedChain[], collateral: TdxCollateral) {
  const certificates = chains.flatMap(({ leaf, issuer, root }) => [leaf, issuer, root]);
  const { rootCaCrl, pckCrl, tcbInfo, qeIdentity } = collateral;
  const from = [
    ...certificates.map(({ notBefore }) => notBefore),
    rootCaCrl.thisUpdate,
    pckCrl.thisUpdate,
    tcbInfo.value.issueDate,
    qeIdentity.value.issueDate,
  ];
  const until = [
    ...certificates.map(({ notAfter }) => notAfter),
    rootCaCrl.nextUpdate,
    pckCrl.nextUpdate,
    tcbInfo.value.nextUpdate,
    qeIdentity.value.nextUpdate,
  ];
  return {
    from: new Date(Math.max(...from.map(Number))),
    until: new Date(Math.min(...until.map(Number))),
  };
}

/**
 * Authenticates a TDX quote under Intel's root: structure, PCK chain, revocation, collateral with its
 * dates and signatures, quoting enclave, TDX module, and a TCB level that Intel knows. The TCB's
 * status is for the policy to judge.
 * @throws AssayError TDX_*, COLLATERAL_*, X509_* or CRL_*: the first rule that does not hold; USAGE_TIME
 *   for an invalid `at`.
 */
export async function authenticateTdx(
  bytes: Uint8Array,
  endorsements: CollateralInput,
  options: AuthenticateTdxOptions,
): Promise<AuthenticatedTdx> {
  const { at, cache = sharedCache, p256 = webCryptoP256 } = options;
  const circumstances = { at, p256 };
  // The quote comes first: WebCrypto verifies its signatures while the collateral is parsed.
  const { quote, certificates, chain, platform, pending, trusted } = await openQuote(
    bytes,
    options,
  );
  const members = cache.members(endorsements);
  checkPckChain(members, certificates);
  // Of several roots that the caller names, only the quote's own may speak for its platform.
  const roots = { ...trusted, certificates: [chain.root] };
  const collateral = cache.collateral(members, [
    chain.issuer,
    ...roots.certificates,
    ...cache.authorities,
  ]);
  const crlChain = checkChain(collateral.pckCrlIssuerChain, [PCK_CA], roots, circumstances);
  const tcbChain = checkChain(collateral.tcbInfoIssuerChain, [TCB_SIGNING], roots, circumstances);
  const qeChain = checkChain(collateral.qeIdentityIssuerChain, [TCB_SIGNING], roots, circumstances);
  if (!equalBytes(crlChain.leaf.subject, chain.leaf.issuer)) {
    throw new AssayError(
      'COLLATERAL_CRL_ISSUER',
      `expected a PCK CRL of ${chain.leaf.issuerCommonName}, not of ${crlChain.leaf.subjectCommonName}`,
    );
  }
  const rootCrl = checkCrl(collateral.rootCaCrl, chain.root, 'root CA CRL', circumstances);
  const pckCrl = checkCrl(collateral.pckCrl, crlChain.leaf, 'PCK CRL', circumstances);
  const { tcbInfo, qeIdentity } = collateral;
  checkWindow('TCB info', tcbInfo.value.issueDate, tcbInfo.value.nextUpdate, at);
  checkWindow('QE identity', qeIdentity.value.issueDate, qeIdentity.value.nextUpdate, at);
  const authentic = requireSignatures([
    ...pending,
    ...crlChain.pending,
    rootCrl,
    pckCrl,
    ...document(tcbInfo, tcbChain, 'TCB info', circumstances),
    ...document(qeIdentity, qeChain, 'QE identity', circumstances),
  ]);
  // It is asked below; until then a signature that does not hold is nobody's.
  authentic.catch(() => undefined);
  await underWay([tcbChain, qeChain].map(({ leaf }) => subjectP256(leaf, p256)));
  try {
    checkRevocation(chain.issuer, collateral.rootCaCrl, PCK_CA);
    checkRevocation(crlChain.leaf, collateral.rootCaCrl, PCK_CA);
    checkRevocation(tcbChain.leaf, collateral.rootCaCrl, TCB_SIGNING);
    checkRevocation(qeChain.leaf, collateral.rootCaCrl, TCB_SIGNING);
    checkRevocation(chain.leaf, collateral.pckCrl, PCK);
    checkPlatform(platform, collateral);
    const tcb = evaluateTcb({
      report: quote.report,
      qeReport: quote.qeReport,
      platform,
      tcbInfo: tcbInfo.value,
      qeIdentity: qeIdentity.value,
    });
    return {
      quote,
      platform,
      trustAnchor: trustAnchorOf(chain.root, roots.source),
      chain: [chain.root, chain.issuer, chain.leaf].map((each) => each.subjectCommonName),
      tcb,
      qeEvaluationDataNumber: qeIdentity.value.evaluationDataNumber,
      revocationLists: [collateral.rootCaCrl.thisUpdate, collateral.pckCrl.thisUpdate],
      window: windowOf([chain, crlChain, tcbChain, qeChain], collateral),
      at,
    };
  } finally {
    // Judged while the signatures are checked; one that does not hold is told before what it covers.
    await authentic;
    cache.remember([chain.issuer, tcbChain.leaf]);
  }
}

/**
 * The quote's own chain is the one that is verified. Collateral that states the chain it was gathered for
 * may state no other: readers that prefer it, as dcap-qvl 0.7 does, would verify another.
 */
function checkPckChain(
  { pck_certificate_chain: pem }: CollateralText,
  quoted: readonly Certificate[],
): void {
  if (pem === undefined) return;
  const stated = parsePemChain(pem, 'pck_certificate_chain', quoted);
  if (stated.length === quoted.length && stated.every((each, i) => each === quoted[i])) return;
  throw new AssayError(
    'COLLATERAL_PCK_CHAIN',
    'expected the pck_certificate_chain of the collateral to be that of the quote, it is another',
  );
}

/** TCB info speaks for one FMSPC and PCEID: those that the PCK certificate names. */
function checkPlatform(platform: PckPlatform, { tcbInfo }: TdxCollateral): void {
  const { fmspc, pceId } = tcbInfo.value;
  if (fmspc !== platform.fmspc) {
    throw new AssayError(
      'COLLATERAL_FMSPC',
      `expected TCB info for FMSPC ${platform.fmspc}, not ${fmspc}`,
    );
  }
  if (pceId !== platform.pceId) {
    throw new AssayError(
      'COLLATERAL_PCEID',
      `expected TCB info for PCEID ${platform.pceId}, not ${pceId}`,
    );
  }
}
