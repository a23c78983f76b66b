import { isZero } from '../encoding/bytes.js';
import type { CertificateRevocationList } from '../encoding/crl.js';
import { AssayError } from '../encoding/error.js';
import type { Certificate } from '../encoding/x509.js';
import { type VekExtensions, type VekKind, vekExtensions } from '../endorsements/amd-extensions.js';
import type { ProductLine } from '../evidence/snp-fields.js';
import { parseSnpReport, type SnpReport } from '../evidence/snp-report.js';
import {
  knownList,
  requireCurrent,
  requireValidity,
  type StartedCrl,
  startCrl,
  startLink,
} from './certified.js';
import { isOfAnotherRoot, snpAuthorities, sortCertificates } from './chain-snp.js';
import { requireTime, type TrustAnchor } from './result.js';
import { type PendingSignature, requireSignatures, subjectKey } from './signatures.js';
import {
  productLine,
  reportedLine,
  requireChip,
  requireEndEntity,
  requireSigningKey,
  requireTcb,
  selectVek,
  startReport,
} from './vek-snp.js';

/**
 * What endorses a report, DER, in any order; see `amdEndorsements` for files and auxblobs. Of several VCEKs or
 * VLEKs that fit the report the first counts: the verifier's own belong before the host's. Revocation lists of
 * another product line's root that is trusted as well count for nothing, whoever supplied them.
 */
export interface SnpEndorsements {
  /** The VCEK or VLEK certificate, and authorities above it where they are not pinned. */
  readonly certificates: readonly Uint8Array[];
  /** The verifier's own revocation lists: each has to be current. */
  readonly crls: readonly Uint8Array[];
  /**
   * Those that came with the evidence, chosen by its host or by whoever passed it on. They age with it: one
   * that has expired counts only where there is no other list, and is refused there.
   */
  readonly hostCrls?: readonly Uint8Array[];
}

/** How a report is verified. */
export interface AuthenticateSnpOptions {
  /** Time that certificates and lists are judged at. */
  readonly at: Date;
  /** DER roots that replace AMD's pinned ones. The only way to verify simulated evidence. */
  readonly roots?: readonly Uint8Array[] | undefined;
}

/** A report that AMD's hardware signed, or a simulator under a root that the caller named. */
export interface AuthenticatedSnp {
  readonly report: SnpReport;
  readonly product: ProductLine;
  readonly signingKey: VekKind;
  readonly vek: VekExtensions;
  /** Subject common names from the root down. */
  readonly chain: readonly string[];
  readonly trustAnchor: TrustAnchor;
  /**
   * Whether the VCEK's HWID equals CHIP_ID. `masked`: CHIP_ID is all zeros, so that nothing says
   * which chip; `none`: a VLEK names no chip.
   */
  readonly chip: 'bound' | 'masked' | 'none';
  /**
   * thisUpdate of each CRL of the root that counted; all are current, and none of them lists an authority
   * of the chain. Empty: revocation was not checked.
   */
  readonly revocationLists: readonly Date[];
  readonly at: Date;
}

const CRL_CODES = {
  issuer: 'SNP_CRL_ISSUER',
  signature: 'SNP_CRL_SIGNATURE',
  validity: 'SNP_CRL_VALIDITY',
  extension: 'SNP_CRL_EXTENSION',
} as const;

function chipBinding({ hwid }: VekExtensions, chipId: Uint8Array): AuthenticatedSnp['chip'] {
  if (hwid === undefined) return 'none';
  return isZero(chipId) ? 'masked' : 'bound';
}

/** That one of several authorities signed a certificate, and which of them did. */
interface PendingIssue extends PendingSignature {
  readonly signers: Promise<readonly Certificate[]>;
}

/**
 * Starts to check which of the authorities signed the key: AMD's may have several of one name, of which the
 * order says nothing. All that did have to be unrevoked.
 */
function startIssued(leaf: Certificate, issuers: readonly Certificate[]): PendingIssue {
  const links = issuers.map((issuer) => startLink({ subject: leaf, issuer }));
  const signers = Promise.all(links.map(({ holds }) => holds)).then((held) =>
    issuers.filter((_, i) => held[i] === true),
  );
  const holds = signers.then(({ length }) => length > 0);
  // Another rule may fail first, and then nobody waits for this one.
  holds.catch(() => undefined);
  const error = () =>
    links[0]?.error() ?? new AssayError('ENDORSEMENTS_MISSING', 'no authority was supplied');
  return { holds, error, signers };
}

/** Throws SNP_REVOKED if the list names one of the authorities. */
function requireUnrevoked(
  { revoked }: CertificateRevocationList,
  authorities: readonly Certificate[],
): void {
  for (const { serialNumber, subjectCommonName } of authorities) {
    if (revoked.has(serialNumber)) {
      throw new AssayError('SNP_REVOKED', `AMD revoked ${subjectCommonName}`);
    }
  }
}

/**
 * The lists that revocation is judged by. A host that is revoked gains nothing by an expired list, which it
 * could as well have left out; a current one of its own may revoke what the verifier's does not.
 */
function countedLists(
  own: readonly StartedCrl[],
  hosts: readonly StartedCrl[],
  at: Date,
): readonly CertificateRevocationList[] {
  const unexpired = hosts.filter(({ list }) => at <= list.nextUpdate);
  const counted = [...own, ...unexpired];
  return (counted.length === 0 ? hosts : counted).map(({ list }) => list);
}

/** A report whose signatures are being checked. */
export interface OpenedSnp {
  /** What will have been authenticated once `authentic` has returned, and claims nothing before. */
  readonly snp: AuthenticatedSnp;
  /** Whether all lists that count came with the evidence, and there are some. */
  readonly onSuppliersLists: boolean;
  /**
   * Settles once the checks of the signatures are with other threads, which takes their keys and a turn of
   * the microtasks: work that does not wait for it comes before them. Never rejects.
   */
  readonly started: Promise<unknown>;
  /** Throws what `authenticateSnp` throws; the same error whichever answer comes first. */
  authentic(): Promise<void>;
}

/**
 * Starts to authenticate a report: structure and the rules of the chain are judged at once, while the
 * signatures are checked on other threads. Whoever can use that time works on `snp`.
 */
export async function openSnp(
  bytes: Uint8Array,
  endorsements: SnpEndorsements,
  { at, roots }: AuthenticateSnpOptions,
): Promise<OpenedSnp> {
  requireTime(at);
  const evidence = new Uint8Array(bytes);
  const report = parseSnpReport(evidence);
  const kind = requireSigningKey(report);
  const line = reportedLine(report);
  const sorted = sortCertificates(endorsements.certificates);
  const leaf = await selectVek(evidence, report, sorted.veks, at);
  requireEndEntity(leaf);
  const signature = startReport(evidence, report, leaf);
  const vek = vekExtensions(leaf, kind);
  const product = productLine(line, vek);
  const key = { leaf, kind, product: vek.product };
  const { ark, issuers, anchor, links } = snpAuthorities(key, sorted, roots, at);
  requireValidity(leaf, at);
  const start = (ders: readonly Uint8Array[]): readonly StartedCrl[] =>
    ders
      .map(knownList)
      .filter(({ issuer }) => !isOfAnotherRoot(issuer, ark, roots))
      .map((list) => startCrl(list, ark, CRL_CODES));
  const own = start(endorsements.crls);
  const hosts = start(endorsements.hostCrls ?? []);
  const lists = countedLists(own, hosts, at);
  const chain = links.map(startLink);
  const issued = startIssued(leaf, issuers);
  const authentic = async (): Promise<void> => {
    const crls = [...own, ...hosts].map(({ signature }) => signature);
    await requireSignatures([...chain, issued, ...crls]);
    const signers = await issued.signers;
    for (const list of lists) {
      requireCurrent(list, ark, at, CRL_CODES);
      requireUnrevoked(list, [ark, ...signers]);
    }
    requireTcb(report, vek, product);
    requireChip(vek, report.chipId);
    await requireSignatures([signature]);
  };
  const snp: AuthenticatedSnp = {
    report,
    product,
    signingKey: kind,
    vek,
    chain: [ark, ...issuers.slice(0, 1), leaf].map(({ subjectCommonName }) => subjectCommonName),
    trustAnchor: anchor,
    chip: chipBinding(vek, report.chipId),
    revocationLists: lists.map(({ thisUpdate }) => thisUpdate),
    at,
  };
  const started = Promise.allSettled([leaf, ...issuers].map(subjectKey));
  const onSuppliersLists = own.length === 0 && hosts.length > 0;
  return { snp, onSuppliersLists, started, authentic };
}

/**
 * Authenticates a report: structure, signature, certificate chain, revocation, and that the
 * certificate is for this chip, product and TCB. What the report then says is for the policy to
 * judge. Sources: AMD 56860 and 57230, RFC 5280 section 6.
 *
 * Throws AssayError: USAGE_TIME for an invalid `at`, SNP_* where the evidence does not hold, X509_*, CRL_*
 * where an endorsement is malformed, ENDORSEMENTS_MISSING where one that is needed was not supplied.
 */
export async function authenticateSnp(
  bytes: Uint8Array,
  endorsements: SnpEndorsements,
  options: AuthenticateSnpOptions,
): Promise<AuthenticatedSnp> {
  const { snp, authentic } = await openSnp(bytes, endorsements, options);
  await authentic();
  return snp;
}
