import { equalBytes, fromUtf8, toHex } from './bytes.js';
import {
  boolean,
  contextTag,
  type DerValue,
  fromEcdsaSigValue,
  members,
  objectIdentifier,
  octets,
  only,
  readDer,
  TAG,
  time,
  unsigned,
  wholeBytes,
} from './der.js';
import { AssayError } from './error.js';

const OID = {
  commonName: '2.5.4.3',
  rsaPss: '1.2.840.113549.1.1.10',
  mgf1: '1.2.840.113549.1.1.8',
  sha384: '2.16.840.1.101.3.4.2.2',
  ecdsaSha256: '1.2.840.10045.4.3.2',
  rsaEncryption: '1.2.840.113549.1.1.1',
  ecPublicKey: '1.2.840.10045.2.1',
  p256: '1.2.840.10045.3.1.7',
  p384: '1.3.132.0.34',
  basicConstraints: '2.5.29.19',
  keyUsage: '2.5.29.15',
} as const;

/** The two signature algorithms of the vendors: AMD's RSASSA-PSS and Intel's ECDSA. */
export type SignatureAlgorithm = 'rsa-pss-sha384-salt48' | 'ecdsa-p256-sha256';

/** Kinds of subject key that the vendors' certificates hold. */
type KeyKind = 'rsa-4096' | 'p-256' | 'p-384';

/** A v3 certificate extension. */
export interface Extension {
  readonly critical: boolean;
  /** The bytes inside the OCTET STRING. */
  readonly value: Uint8Array;
}

/** What AMD's and Intel's chains need of RFC 5280 certificates. All byte fields are DER. */
export interface Certificate {
  readonly der: Uint8Array;
  readonly tbs: Uint8Array;
  /** Contents octets of the serial number, hexadecimal. */
  readonly serialNumber: string;
  readonly signatureAlgorithm: SignatureAlgorithm;
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly issuerCommonName: string;
  readonly subjectCommonName: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly keyKind: KeyKind;
  /** What the BIT STRING of SubjectPublicKeyInfo holds: an uncompressed point, or a DER RSAPublicKey. */
  readonly publicKey: Uint8Array<ArrayBuffer>;
  readonly extensions: ReadonlyMap<string, Extension>;
  /** True when basicConstraints says cA. */
  readonly isCa: boolean;
  /** pathLenConstraint, if any. */
  readonly pathLength: number | undefined;
  /** keyUsage bits with digitalSignature as bit 0, or undefined where the extension is absent. */
  readonly keyUsage: number | undefined;
  /** In the form that WebCrypto verifies: PSS as it is, ECDSA as r‖s. */
  readonly signature: Uint8Array<ArrayBuffer>;
}

function fail(message: string, cause?: unknown): never {
  throw new AssayError('X509_CERTIFICATE', message, cause);
}

/** AlgorithmIdentifier to one of the two accepted algorithms, every PSS parameter checked. */
export function signatureAlgorithm(value: DerValue | undefined): SignatureAlgorithm {
  const [algorithm, parameters, ...rest] = members(value, 'AlgorithmIdentifier');
  const name = objectIdentifier(algorithm, 'signature algorithm');
  if (name === OID.ecdsaSha256 && parameters === undefined) return 'ecdsa-p256-sha256';
  if (name !== OID.rsaPss || rest.length > 0) {
    return fail(`expected RSASSA-PSS or ECDSA with SHA-256, not algorithm ${name}`);
  }
  const isSha384 = (item: DerValue | undefined): boolean =>
    objectIdentifier(members(item, 'hash algorithm')[0], 'hash algorithm') === OID.sha384;
  let hash = false;
  let mask = false;
  let salt = false;
  for (const parameter of members(parameters, 'RSASSA-PSS parameters')) {
    const inner = only(parameter, parameter.tag, 'a parameter of RSASSA-PSS');
    if (parameter.tag === contextTag(0)) hash = isSha384(inner);
    else if (parameter.tag === contextTag(1)) {
      const [generator, digest] = members(inner, 'mask generation');
      mask = objectIdentifier(generator, 'mask generation') === OID.mgf1 && isSha384(digest);
    } else if (parameter.tag === contextTag(2)) salt = unsigned(inner, 'salt') === 48;
    else if (parameter.tag !== contextTag(3) || unsigned(inner, 'trailer') !== 1) {
      return fail('expected RSASSA-PSS trailer field 1 and no other parameters');
    }
  }
  if (!hash || !mask || !salt) {
    return fail('expected RSASSA-PSS with SHA-384, MGF1 with SHA-384 and a salt of 48 bytes');
  }
  return 'rsa-pss-sha384-salt48';
}

/** `ub-common-name` (RFC 5280 appendix A.1). Errors and results show these names. */
const MAX_COMMON_NAME = 64;

function commonName(name: DerValue, what: string): string {
  const found: string[] = [];
  for (const set of members(name, what)) {
    for (const attribute of members(set, 'relative distinguished name', TAG.set)) {
      const [type, value] = members(attribute, 'attribute');
      if (objectIdentifier(type, 'attribute type') !== OID.commonName) continue;
      if (value?.tag !== TAG.utf8String && value?.tag !== TAG.printableString) {
        return fail(`expected the common name of ${what} to be text`);
      }
      found.push(fromUtf8(value.octets));
    }
  }
  const [only] = found;
  if (found.length !== 1 || only === undefined) {
    return fail(`expected ${what} to have one common name, not ${found.length}`);
  }
  if (only.length > MAX_COMMON_NAME) {
    return fail(
      `expected the common name of ${what} to have at most ${MAX_COMMON_NAME} characters`,
    );
  }
  return only;
}

/** The one common name of a DER Name. Throws X509_CERTIFICATE, or ASN1_DER where it is no DER. */
export function commonNameOf(name: Uint8Array): string {
  return commonName(readDer(name), 'the name');
}

function subjectKey(spki: DerValue): Pick<Certificate, 'keyKind' | 'publicKey'> {
  const [algorithm, key] = members(spki, 'SubjectPublicKeyInfo');
  const [type, parameters] = members(algorithm, 'key algorithm');
  const name = objectIdentifier(type, 'key algorithm');
  const publicKey = wholeBytes(key, 'public key');
  if (name === OID.rsaEncryption) {
    const [modulus] = members(readDer(publicKey), 'RSA key');
    const bytes = octets(modulus, TAG.integer, 'modulus');
    // A minimal integer whose first byte is zero has its highest bit in the second.
    if (bytes.length === 513 && bytes[0] === 0) {
      return { keyKind: 'rsa-4096', publicKey };
    }
    return fail('expected an RSA key of 4096 bits');
  }
  if (name !== OID.ecPublicKey) return fail(`expected RSA-4096, P-256 or P-384, not ${name}`);
  const curve = objectIdentifier(parameters, 'named curve');
  if (curve === OID.p256) return { keyKind: 'p-256', publicKey };
  if (curve === OID.p384) return { keyKind: 'p-384', publicKey };
  return fail(`expected RSA-4096, P-256 or P-384, not ${curve}`);
}

/**
 * Extensions ::= SEQUENCE SIZE (1..MAX) OF Extension, in the explicit tag that they have in certificates
 * and lists; a repeated one is refused (RFC 5280 sections 4.1 and 4.2).
 */
export function parseExtensions(value: DerValue | undefined): Map<string, Extension> {
  const extensions = new Map<string, Extension>();
  if (value === undefined) return extensions;
  const items = members(only(value, value.tag, 'extensions'), 'extensions');
  if (items.length === 0)
    throw new AssayError('X509_EXTENSION', 'expected an extension, or no list');
  for (const item of items) {
    const [id, ...rest] = members(item, 'extension');
    const name = objectIdentifier(id, 'extension id');
    if (extensions.has(name))
      throw new AssayError('X509_EXTENSION', `extension ${name} is repeated`);
    if (rest.length > 2) fail(`extension ${name} has ${rest.length} members`);
    const critical = rest.length === 2 ? boolean(rest[0], 'critical') : false;
    extensions.set(name, {
      critical,
      value: octets(rest.at(-1), TAG.octetString, `extension ${name}`),
    });
  }
  return extensions;
}

/** In the form that WebCrypto verifies: ECDSA as r‖s, PSS signatures as they are. */
export function rawSignature(
  value: DerValue | undefined,
  algorithm: SignatureAlgorithm,
): Uint8Array<ArrayBuffer> {
  const bytes = wholeBytes(value, 'signature');
  return algorithm === 'ecdsa-p256-sha256' ? fromEcdsaSigValue(bytes) : bytes;
}

/** BasicConstraints (RFC 5280 section 4.2.1.9). */
function constraints(extension: Extension | undefined): Pick<Certificate, 'isCa' | 'pathLength'> {
  if (extension === undefined) return { isCa: false, pathLength: undefined };
  const [ca, pathLength, ...more] = members(readDer(extension.value), 'basicConstraints');
  if (more.length > 0) fail('expected basicConstraints of at most two members');
  return {
    isCa: ca !== undefined && boolean(ca, 'cA'),
    pathLength: pathLength && unsigned(pathLength, 'pathLenConstraint'),
  };
}

function parse(der: Uint8Array): Certificate {
  const [tbs, outerAlgorithm, signature, ...none] = members(readDer(der), 'Certificate');
  const fields = members(tbs, 'TBSCertificate');
  if (none.length > 0) fail('expected a certificate of three members');
  const [version, serial, innerAlgorithm, issuer, validity, subject, spki, ...tail] = fields;
  if (unsigned(only(version, contextTag(0), 'version'), 'version') !== 2) {
    fail('expected an X.509 v3 certificate');
  }
  if (!tbs || !issuer || !subject || !spki || !innerAlgorithm || !outerAlgorithm) {
    return fail('expected the certificate to be complete');
  }
  const algorithm = signatureAlgorithm(innerAlgorithm);
  if (!equalBytes(innerAlgorithm.der, outerAlgorithm.der)) {
    fail('the two signature algorithms of the certificate differ');
  }
  const [notBefore, notAfter] = members(validity, 'validity');
  const [extensionList, ...unknown] = tail;
  if (unknown.length > 0 || (extensionList && extensionList.tag !== contextTag(3))) {
    fail('expected no unique identifiers');
  }
  const extensions = parseExtensions(extensionList);
  const usage = extensions.get(OID.keyUsage);
  const usageBits = usage && octets(readDer(usage.value), TAG.bitString, 'keyUsage');
  return {
    der,
    tbs: tbs.der,
    serialNumber: toHex(octets(serial, TAG.integer, 'serial number')),
    signatureAlgorithm: algorithm,
    issuer: issuer.der,
    subject: subject.der,
    issuerCommonName: commonName(issuer, 'issuer'),
    subjectCommonName: commonName(subject, 'subject'),
    notBefore: time(notBefore, 'notBefore'),
    notAfter: time(notAfter, 'notAfter'),
    ...subjectKey(spki),
    extensions,
    ...constraints(extensions.get(OID.basicConstraints)),
    keyUsage: usageBits && reverseBits(usageBits[1] ?? 0),
    signature: rawSignature(signature, algorithm),
  };
}

/** keyUsage numbers its bits from the most significant one. */
function reverseBits(byte: number): number {
  let bits = 0;
  for (let i = 0; i < 8; i++) if (byte & (0x80 >> i)) bits |= 1 << i;
  return bits;
}

/** Bytes of a certificate: an RSA-4096 one of AMD's has 1.7 thousand. */
const MAX_BYTES = 16 * 1024;

/** Parses a DER certificate of at most 16 KiB strictly; throws X509_CERTIFICATE or X509_EXTENSION. */
export function parseCertificate(der: Uint8Array): Certificate {
  if (der.length > MAX_BYTES) {
    fail(`expected a certificate of at most ${MAX_BYTES} bytes, not ${der.length}`);
  }
  try {
    return parse(der);
  } catch (cause) {
    if (cause instanceof AssayError && cause.code.startsWith('X509_')) throw cause;
    const reason = cause instanceof Error ? cause.message : 'not DER';
    return fail(`the certificate does not parse: ${reason}`, cause);
  }
}
