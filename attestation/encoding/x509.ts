import forge from 'node-forge';
import {
  type Asn1Node,
  bitString,
  boolean,
  children,
  elements,
  explicit,
  integerBytes,
  isContext,
  isUniversal,
  oid,
  parseDer,
  primitive,
  time,
  unsigned,
} from './asn1.js';
import { equalBytes, fromUtf8, toHex } from './bytes.js';
import { AssayError } from './error.js';

const { Type } = forge.asn1;

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
export type KeyKind = 'rsa-4096' | 'p-256' | 'p-384';

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
  /** SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  /** What its BIT STRING holds: an uncompressed point, or a DER RSAPublicKey. */
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
export function signatureAlgorithm(node: Asn1Node | undefined): SignatureAlgorithm {
  const [algorithm, parameters, ...rest] = children(node, 'AlgorithmIdentifier');
  const name = oid(algorithm, 'signature algorithm');
  if (name === OID.ecdsaSha256 && parameters === undefined) return 'ecdsa-p256-sha256';
  if (name !== OID.rsaPss || rest.length > 0) {
    return fail(`expected RSASSA-PSS or ECDSA with SHA-256, not algorithm ${name}`);
  }
  const members = children(parameters, 'RSASSA-PSS parameters');
  const isSha384 = (item: Asn1Node | undefined): boolean =>
    oid(children(item, 'hash algorithm')[0], 'hash algorithm') === OID.sha384;
  let hash = false;
  let mask = false;
  let salt = false;
  for (const member of members) {
    if (isContext(member, 0)) hash = isSha384(explicit(member, 0, 'hash')[0]);
    else if (isContext(member, 1)) {
      const [generator, digest] = children(explicit(member, 1, 'mask')[0], 'mask generation');
      mask = oid(generator, 'mask generation') === OID.mgf1 && isSha384(digest);
    } else if (isContext(member, 2)) salt = unsigned(explicit(member, 2, 'salt')[0], 'salt') === 48;
    else if (
      !isContext(member, 3) ||
      unsigned(explicit(member, 3, 'trailer')[0], 'trailer') !== 1
    ) {
      return fail('expected RSASSA-PSS trailer field 1 and no other parameters');
    }
  }
  if (!hash || !mask || !salt) {
    return fail('expected RSASSA-PSS with SHA-384, MGF1 with SHA-384 and a salt of 48 bytes');
  }
  return 'rsa-pss-sha384-salt48';
}

function commonName(name: Asn1Node, what: string): string {
  const found: string[] = [];
  for (const set of children(name, what)) {
    for (const attribute of children(set, 'relative distinguished name', Type.SET)) {
      const [type, value] = children(attribute, 'attribute');
      if (oid(type, 'attribute type') !== OID.commonName) continue;
      const text = [Type.UTF8, Type.PRINTABLESTRING].find((kind) => isUniversal(value, kind));
      if (text === undefined) return fail(`expected the common name of ${what} to be text`);
      found.push(fromUtf8(primitive(value, text, 'common name')));
    }
  }
  const [only] = found;
  if (found.length !== 1 || only === undefined) {
    return fail(`expected ${what} to have one common name, not ${found.length}`);
  }
  return only;
}

function subjectKey(spki: Asn1Node): Pick<Certificate, 'keyKind' | 'publicKey'> {
  const [algorithm, key] = children(spki, 'SubjectPublicKeyInfo');
  const [type, parameters] = children(algorithm, 'key algorithm');
  const name = oid(type, 'key algorithm');
  const publicKey = bitString(key, 'public key');
  if (name === OID.rsaEncryption) {
    const [modulus] = children(parseDer(publicKey), 'RSA key');
    const bytes = integerBytes(modulus, 'modulus');
    if (bytes.length === 513 && bytes[0] === 0 && (bytes[1] ?? 0) >= 0x80) {
      return { keyKind: 'rsa-4096', publicKey };
    }
    return fail('expected an RSA key of 4096 bits');
  }
  const curve = name === OID.ecPublicKey ? oid(parameters, 'named curve') : name;
  if (curve === OID.p256) return { keyKind: 'p-256', publicKey };
  if (curve === OID.p384) return { keyKind: 'p-384', publicKey };
  return fail(`expected RSA-4096, P-256 or P-384, not ${curve}`);
}

/** Extensions ::= SEQUENCE OF Extension; a repeated one is refused (RFC 5280 section 4.2). */
export function parseExtensions(node: Asn1Node | undefined): Map<string, Extension> {
  const extensions = new Map<string, Extension>();
  for (const item of children(node, 'extensions')) {
    const [id, ...rest] = children(item, 'extension');
    const name = oid(id, 'extension id');
    if (extensions.has(name))
      throw new AssayError('X509_EXTENSION', `extension ${name} is repeated`);
    const critical = rest.length === 2 ? boolean(rest[0], 'critical') : false;
    const value = primitive(rest.at(-1), Type.OCTETSTRING, `extension ${name}`);
    if (rest.length < 1 || rest.length > 2) fail(`extension ${name} has ${rest.length} members`);
    extensions.set(name, { critical, value });
  }
  return extensions;
}

/** DER ECDSA-Sig-Value to r‖s of 32 bytes each; PSS signatures stay as they are. */
export function rawSignature(
  node: Asn1Node | undefined,
  algorithm: SignatureAlgorithm,
): Uint8Array<ArrayBuffer> {
  const bytes = bitString(node, 'signature');
  if (algorithm !== 'ecdsa-p256-sha256') return bytes;
  const members = children(parseDer(bytes), 'ECDSA signature');
  const raw = new Uint8Array(64);
  if (members.length !== 2) fail('expected an ECDSA signature of two integers');
  members.forEach((member, i) => {
    const contents = integerBytes(member, 'ECDSA integer');
    const digits = contents[0] === 0 ? contents.subarray(1) : contents;
    if ((contents[0] ?? 0) > 0x7f || digits.length > 32) fail('an ECDSA integer is out of range');
    raw.set(digits, 32 * (i + 1) - digits.length);
  });
  return raw;
}

function parse(der: Uint8Array): Certificate {
  const [tbsNode, outerAlgorithm, signature, ...none] = children(parseDer(der), 'Certificate');
  const tbs = children(tbsNode, 'TBSCertificate');
  if (none.length > 0) fail('expected a certificate of three members');
  const [version, serial, innerAlgorithm, issuer, validity, subject, spki, ...tail] = tbs;
  if (!isContext(version, 0) || unsigned(explicit(version, 0, 'version')[0], 'version') !== 2) {
    fail('expected an X.509 v3 certificate');
  }
  if (!issuer || !subject || !spki || !innerAlgorithm || !outerAlgorithm) {
    return fail('expected the certificate to be complete');
  }
  const algorithm = signatureAlgorithm(innerAlgorithm);
  const [tbsDer = der, outerDer = der] = elements(der);
  const [, , innerDer = der, issuerDer = der, , subjectDer = der, spkiDer = der] = elements(tbsDer);
  if (!equalBytes(innerDer, outerDer)) {
    fail('the two signature algorithms of the certificate differ');
  }
  const [notBefore, notAfter] = children(validity, 'validity');
  const extensionNode = tail.find((node) => isContext(node, 3));
  if (tail.some((node) => node !== extensionNode)) fail('expected no unique identifiers');
  const extensions =
    extensionNode === undefined
      ? new Map<string, Extension>()
      : parseExtensions(explicit(extensionNode, 3, 'extensions')[0]);
  const constraints = extensions.get(OID.basicConstraints);
  const limits = constraints ? children(parseDer(constraints.value), 'basicConstraints') : [];
  const isCa = isUniversal(limits[0], Type.BOOLEAN) && boolean(limits[0], 'cA');
  const usage = extensions.get(OID.keyUsage);
  const usageBits = usage
    ? primitive(parseDer(usage.value), Type.BITSTRING, 'keyUsage')
    : undefined;
  const { keyKind, publicKey } = subjectKey(spki);
  return {
    der,
    tbs: tbsDer,
    serialNumber: toHex(integerBytes(serial, 'serial number')),
    signatureAlgorithm: algorithm,
    issuer: issuerDer,
    subject: subjectDer,
    issuerCommonName: commonName(issuer, 'issuer'),
    subjectCommonName: commonName(subject, 'subject'),
    notBefore: time(notBefore, 'notBefore'),
    notAfter: time(notAfter, 'notAfter'),
    keyKind,
    publicKey,
    spki: spkiDer,
    extensions,
    isCa,
    pathLength: limits[1] === undefined ? undefined : unsigned(limits[1], 'pathLenConstraint'),
    keyUsage: usageBits === undefined ? undefined : reverseBits(usageBits[1] ?? 0),
    signature: rawSignature(signature, algorithm),
  };
}

/** keyUsage numbers its bits from the most significant one. */
function reverseBits(byte: number): number {
  let bits = 0;
  for (let i = 0; i < 8; i++) if (byte & (0x80 >> i)) bits |= 1 << i;
  return bits;
}

/** Parses a DER certificate strictly; throws X509_CERTIFICATE or X509_EXTENSION. */
export function parseCertificate(der: Uint8Array): Certificate {
  try {
    return parse(der);
  } catch (cause) {
    if (cause instanceof AssayError && cause.code.startsWith('X509_')) throw cause;
    const reason = cause instanceof Error ? cause.message : 'not DER';
    return fail(`the certificate does not parse: ${reason}`, cause);
  }
}
