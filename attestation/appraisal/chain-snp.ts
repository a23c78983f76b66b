import { equalBytes } from '../encoding/bytes.js';
import { AssayError } from '../encoding/error.js';
import type { Certificate } from '../encoding/x509.js';
import type { VekKind } from '../endorsements/amd-extensions.js';
import {
  AMD_CERTIFICATES,
  type AmdCertificates,
  type PinnedProduct,
} from '../endorsements/roots.js';
import { isNamedFor, isSimulated } from '../endorsements/simulated.js';
import {
  knownCertificate,
  type Link,
  requireAuthority,
  requireNamed,
  requireValidity,
} from './certified.js';
import type { TrustAnchor } from './result.js';
import { trustAnchorOf } from './trust.js';

/**
 * The authorities above a VCEK or VLEK: what they may sign and when has been checked, the signatures
 * in `links` have not.
 */
export interface SnpAuthorities {
  readonly anchor: TrustAnchor;
  readonly ark: Certificate;
  /** ASKs or ASVKs that the key's certificate names, at least one: one of them has to have signed it. */
  readonly issuers: readonly Certificate[];
  /** Authorities whose signatures are still to be checked; those of pinned certificates are not. */
  readonly links: readonly Link[];
}

/** Certificates by their place in AMD's hierarchy. */
export interface SortedCertificates {
  readonly veks: readonly Certificate[];
  readonly intermediates: readonly Certificate[];
  readonly roots: readonly Certificate[];
}

const PINNED = Object.values(AMD_CERTIFICATES).flatMap(({ ark, ask, asvk }) => [ark, ask, asvk]);
const pinnedCertificates: Certificate[] = [];

/** A pinned certificate, recognised by its bytes, without hashing or parsing it again. */
function recognise(der: Uint8Array): Certificate {
  const place = PINNED.findIndex((pinned) => pinned === der || equalBytes(pinned, der));
  if (place < 0) return knownCertificate(der);
  const known = pinnedCertificates[place] ?? knownCertificate(der);
  pinnedCertificates[place] = known;
  return known;
}

/** Whether this is a pinned certificate; holds for what `recognise` returned. */
function isPinned(known: Certificate): boolean {
  return pinnedCertificates.includes(known);
}

/**
 * Sorts certificates by their names; a repeated one counts once, since host and caller may both supply
 * it. Throws SNP_CERTIFICATE_NAME for a name that is none of AMD's.
 */
export function sortCertificates(certificates: readonly Uint8Array[]): SortedCertificates {
  const veks: Certificate[] = [];
  const intermediates: Certificate[] = [];
  const roots: Certificate[] = [];
  for (const known of new Set(certificates.map(recognise))) {
    const { subjectCommonName: subject, issuerCommonName: issuer } = known;
    if (subject === 'SEV-VCEK' || subject === 'SEV-VLEK') veks.push(known);
    else if (subject.startsWith('ARK-')) roots.push(known);
    else if (subject.startsWith('SEV-') && issuer.startsWith('ARK-')) intermediates.push(known);
    else {
      throw new AssayError(
        'SNP_CERTIFICATE_NAME',
        'expected certificates named SEV-VCEK, SEV-VLEK, SEV-<product>, SEV-VLEK-<product> or ARK-<product>',
      );
    }
  }
  return { veks, intermediates, roots };
}

function requireRsa(known: Certificate): void {
  const { keyKind, signatureAlgorithm, subjectCommonName } = known;
  if (keyKind !== 'rsa-4096' || signatureAlgorithm !== 'rsa-pss-sha384-salt48') {
    throw new AssayError('SNP_CERTIFICATE_KEY', `expected ${subjectCommonName} to be RSA-4096`);
  }
}

/** What the vendor, or the caller in its place, is trusted for. */
interface Anchor extends TrustAnchor {
  readonly ark: Certificate;
}

function pinnedSet(product: string): AmdCertificates | undefined {
  return Object.hasOwn(AMD_CERTIFICATES, product)
    ? AMD_CERTIFICATES[product as PinnedProduct]
    : undefined;
}

/** AMD's pinned roots, or the caller's in their place. */
export function trustedRoots(roots: readonly Uint8Array[] | undefined): readonly Certificate[] {
  return (roots ?? Object.values(AMD_CERTIFICATES).map(({ ark }) => ark)).map(recognise);
}

/** The pinned ASK or ASVK of a product line. */
export function pinnedIssuer(product: string, kind: VekKind): Certificate | undefined {
  const pinned = pinnedSet(product);
  return pinned && recognise(kind === 'VCEK' ? pinned.ask : pinned.asvk);
}

/** Whether the name is that of another root than this one, which is trusted as well. */
export function isOfAnotherRoot(
  issuer: Uint8Array,
  ark: Certificate,
  roots: readonly Uint8Array[] | undefined,
): boolean {
  if (equalBytes(issuer, ark.subject)) return false;
  return trustedRoots(roots).some(({ subject }) => equalBytes(subject, issuer));
}

/** The pinned root of this product, or the caller's with its name: two of one name may be two simulators'. */
function namedRoots(
  product: string,
  roots: readonly Uint8Array[] | undefined,
): readonly Certificate[] {
  const name = `ARK-${product}`;
  const pinned = pinnedSet(product);
  const trusted = roots ?? (pinned === undefined ? [] : [pinned.ark]);
  const found = trusted
    .map(recognise)
    .filter(({ subjectCommonName }) => isNamedFor(subjectCommonName, name));
  if (found.length > 0) return found;
  throw new AssayError(
    'SNP_ROOT_UNTRUSTED',
    roots === undefined
      ? `Assay pins no AMD root for ${product}: name ${name}, as AMD publishes it, among the roots (--root of a command that verifies)`
      : `none of the roots that the caller named is ${name}`,
  );
}

function trustAnchor(ark: Certificate, source: TrustAnchor['source']): Anchor {
  requireRsa(ark);
  requireAuthority(ark, 1);
  requireNamed({ subject: ark, issuer: ark });
  return { ...trustAnchorOf(ark, source), ark };
}

/** Whose authorities are looked for. */
export interface SnpKey {
  readonly leaf: Certificate;
  readonly kind: VekKind;
  readonly product: string;
}

/** The authorities of the given kind: the supplied ones that are not pinned, and the pinned one. */
function issuersOf(
  { ark, simulated }: Anchor,
  { product, kind }: SnpKey,
  strangers: readonly Certificate[],
): readonly Certificate[] {
  const name = kind === 'VCEK' ? `SEV-${product}` : `SEV-VLEK-${product}`;
  const isNamed = (commonName: string, expected: string): boolean =>
    isNamedFor(commonName, expected) && isSimulated(commonName) === simulated;
  for (const stranger of strangers) {
    if (!isNamed(stranger.issuerCommonName, `ARK-${product}`)) {
      throw new AssayError(
        'SNP_CERTIFICATE_NAME',
        `expected an authority under ARK-${product}, not ${stranger.subjectCommonName}`,
      );
    }
    requireRsa(stranger);
    requireAuthority(stranger, 0);
    requireNamed({ subject: stranger, issuer: ark });
  }
  const own = isPinned(ark) ? pinnedIssuer(product, kind) : undefined;
  const named = strangers.filter(({ subjectCommonName }) => isNamed(subjectCommonName, name));
  const found = own === undefined ? named : [...named, own];
  if (found.length > 0) return found;
  if (strangers.length > 0) {
    throw new AssayError('SNP_CERTIFICATE_NAME', `expected ${name} among the authorities`);
  }
  throw new AssayError('ENDORSEMENTS_MISSING', `the certificate of ${name} was not supplied`);
}

/** Those that a rule holds for; throws what the first breaks where it holds for none. */
export function requireAny(
  candidates: readonly Certificate[],
  rule: (candidate: Certificate) => void,
): readonly Certificate[] {
  const failures: AssayError[] = [];
  const holding = candidates.filter((candidate) => {
    try {
      rule(candidate);
      return true;
    } catch (error) {
      if (!(error instanceof AssayError)) throw error;
      failures.push(error);
      return false;
    }
  });
  if (holding.length > 0) return holding;
  throw failures[0];
}

/**
 * Whoever supplies authorities has to supply the right one, whatever others travel beside it: a chain
 * of another product or kind is a mistake, even where the right one is pinned.
 */
function requireOwn(
  supplied: readonly Certificate[],
  own: readonly Certificate[],
  code: 'SNP_ROOT_UNTRUSTED' | 'SNP_CERTIFICATE_NAME',
): void {
  if (supplied.length === 0 || own.some((each) => supplied.includes(each))) return;
  const names = supplied.map(({ subjectCommonName }) => subjectCommonName).join(', ');
  const expected = own[0]?.subjectCommonName;
  throw new AssayError(code, `expected ${expected} among the supplied authorities: ${names}`);
}

/** The chain above the key under this root; throws where it is not the one. */
function authoritiesUnder(
  { ark, ...described }: Anchor,
  key: SnpKey,
  supplied: SortedCertificates,
  roots: readonly Uint8Array[] | undefined,
  at: Date,
): SnpAuthorities {
  for (const root of supplied.roots) {
    const isTrusted = roots?.some((der) => equalBytes(root.der, der)) ?? isPinned(root);
    if (!isTrusted) {
      throw new AssayError(
        'SNP_ROOT_UNTRUSTED',
        `the supplied ${root.subjectCommonName} is not the root that is trusted`,
      );
    }
  }
  const strangers = supplied.intermediates.filter(
    (known) => !isPinned(known) && !isOfAnotherRoot(known.issuer, ark, roots),
  );
  const candidates = issuersOf({ ark, ...described }, key, strangers);
  requireValidity(ark, at);
  const valid = requireAny(candidates, (issuer) => requireValidity(issuer, at));
  requireOwn(supplied.roots, [ark], 'SNP_ROOT_UNTRUSTED');
  requireOwn(supplied.intermediates, valid, 'SNP_CERTIFICATE_NAME');
  const issuers = requireAny(valid, (issuer) => requireNamed({ subject: key.leaf, issuer }));
  const links = [ark, ...strangers]
    .filter((subject) => !isPinned(subject))
    .map((subject) => ({ subject, issuer: ark }));
  return { anchor: described, ark, issuers, links };
}

/**
 * The chain above a key, valid at `at`. Pinned certificates are recognised by their bytes and need no
 * signature check; every other authority is checked, whether it is used or not, so that no supplied
 * certificate is silently wrong, but for those of another root that is trusted as well: whoever verifies
 * several product lines has them at hand for all. `roots` replaces the pinned ones; of several with the
 * product's name it is the first that the key's chain can end in, before signatures are checked.
 *
 * Throws SNP_ROOT_UNTRUSTED, SNP_CERTIFICATE_{NAME, KEY, CONSTRAINTS, EXTENSION, VALIDITY} or
 * ENDORSEMENTS_MISSING: of several roots, what is wrong under the first that the chain may belong to.
 */
export function snpAuthorities(
  key: SnpKey,
  supplied: SortedCertificates,
  roots: readonly Uint8Array[] | undefined,
  at: Date,
): SnpAuthorities {
  const source = roots === undefined ? 'pinned' : 'caller';
  let failure: AssayError | undefined;
  for (const root of namedRoots(key.product, roots)) {
    try {
      return authoritiesUnder(trustAnchor(root, source), key, supplied, roots, at);
    } catch (error) {
      if (!(error instanceof AssayError)) throw error;
      if (failure === undefined || failure.code === 'SNP_ROOT_UNTRUSTED') failure = error;
    }
  }
  throw failure;
}
