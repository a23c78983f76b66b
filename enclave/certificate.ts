import { type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIP, isIPv4 } from 'node:net';
import forge from 'node-forge';
import { type Asn1Node, encodeDer, parseDer } from '../attestation/encoding/asn1.js';

const { Class, Type } = forge.asn1;
const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2';
const COMMON_NAME = '2.5.4.3';
const BASIC_CONSTRAINTS = '2.5.29.19';
const KEY_USAGE = '2.5.29.15';
const EXTENDED_KEY_USAGE = '2.5.29.37';
const SUBJECT_ALT_NAME = '2.5.29.17';
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
/** KeyUsage with digitalSignature alone (RFC 5280, 4.2.1.3), behind the count of unused bits. */
const DIGITAL_SIGNATURE = '\x07\x80';
const DNS_NAME = 2;
const IP_ADDRESS = 7;
const SERIAL_BYTES = 16;
const YEAR_OF_GENERALIZED_TIME = 2050;

/** What a certificate is to say of an end entity that signs for itself. */
export interface SelfSigned {
  readonly commonName: string;
  /** DNS names and IP addresses. */
  readonly hosts: readonly string[];
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

const universal = (type: forge.asn1.Type, value: string): Asn1Node =>
  forge.asn1.create(Class.UNIVERSAL, type, false, value);
const sequence = (...members: Asn1Node[]): Asn1Node =>
  forge.asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, members);
const explicit = (tag: number, member: Asn1Node): Asn1Node =>
  forge.asn1.create(Class.CONTEXT_SPECIFIC, tag, true, [member]);
const oid = (text: string): Asn1Node => universal(Type.OID, forge.asn1.oidToDer(text).getBytes());
const binary = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const bitString = (bytes: Uint8Array): Asn1Node => universal(Type.BITSTRING, `\0${binary(bytes)}`);

function extension(id: string, critical: boolean, value: Asn1Node): Asn1Node {
  const members = [oid(id), universal(Type.OCTETSTRING, binary(encodeDer(value)))];
  if (critical) members.splice(1, 0, universal(Type.BOOLEAN, '\xff'));
  return sequence(...members);
}

function name(commonName: string): Asn1Node {
  const attribute = sequence(oid(COMMON_NAME), universal(Type.UTF8, commonName));
  return sequence(forge.asn1.create(Class.UNIVERSAL, Type.SET, true, [attribute]));
}

/** RFC 5280, 4.1.2.5: the two forms split at 2050. */
function time(date: Date): Asn1Node {
  return date.getUTCFullYear() < YEAR_OF_GENERALIZED_TIME
    ? universal(Type.UTCTIME, forge.asn1.dateToUtcTime(date))
    : universal(Type.GENERALIZEDTIME, forge.asn1.dateToGeneralizedTime(date));
}

/** Network byte order, 4 or 16 bytes. */
function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const groups = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
  const [first, last] = [groups(head), groups(tail ?? '')];
  const zeros = new Array<number>(8 - first.length - last.length).fill(0);
  return Buffer.from([...first, ...zeros, ...last].flatMap((group) => [group >> 8, group & 0xff]));
}

function alternativeName(host: string): Asn1Node {
  return isIP(host) === 0
    ? forge.asn1.create(Class.CONTEXT_SPECIFIC, DNS_NAME, false, host)
    : forge.asn1.create(Class.CONTEXT_SPECIFIC, IP_ADDRESS, false, binary(addressBytes(host)));
}

/** A positive number of 16 bytes (RFC 5280, 4.1.2.2). */
function serial(): Asn1Node {
  const bytes = randomBytes(SERIAL_BYTES);
  bytes.writeUInt8((bytes.readUInt8(0) & 0x3f) | 0x40, 0);
  return universal(Type.INTEGER, binary(bytes));
}

/**
 * DER of a version 3 certificate over a P-256 key, signed with that key: an end entity for TLS servers
 * (RFC 5280). It is written here, where all that it says is fixed, so that no library of certificates
 * and its decorators is part of the guest.
 */
export function selfSignedCertificate(what: SelfSigned): Uint8Array<ArrayBuffer> {
  const { commonName, hosts, notBefore, notAfter, privateKey, publicKey } = what;
  const algorithm = sequence(oid(ECDSA_WITH_SHA256));
  const constraints = sequence();
  const usage = universal(Type.BITSTRING, DIGITAL_SIGNATURE);
  const extensions = sequence(
    extension(BASIC_CONSTRAINTS, true, constraints),
    extension(KEY_USAGE, true, usage),
    extension(EXTENDED_KEY_USAGE, false, sequence(oid(SERVER_AUTH))),
    extension(SUBJECT_ALT_NAME, false, sequence(...hosts.map(alternativeName))),
  );
  const body = sequence(
    explicit(0, universal(Type.INTEGER, '\x02')),
    serial(),
    algorithm,
    name(commonName),
    sequence(time(notBefore), time(notAfter)),
    name(commonName),
    parseDer(publicKey.export({ type: 'spki', format: 'der' })),
    explicit(3, extensions),
  );
  const signature = sign('sha256', encodeDer(body), privateKey);
  return encodeDer(sequence(body, algorithm, bitString(signature)));
}
