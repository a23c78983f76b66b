import forge from 'node-forge';
import { readDer } from './der.js';
import { AssayError } from './error.js';

/** A node of a DER tree: node-forge's, with contents as a binary string or as children. */
export type Asn1Node = forge.asn1.Asn1;

/** Inputs of one call to String.fromCharCode; larger ones overflow its argument list. */
const CHUNK = 0x2000;

/** Bit of an octet that another one of the same arc follows. */
const CONTINUED = 0x80;

/** node-forge takes options here; its published types know only the boolean form. */
const strictFromDer = forge.asn1.fromDer as unknown as (
  bytes: forge.util.ByteStringBuffer,
  options: { strict: boolean; parseAllBytes: boolean; decodeBitStrings: boolean },
) => Asn1Node;

function fail(message: string, cause?: unknown): never {
  throw new AssayError('ASN1_DER', message, cause);
}

function toBinary(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += CHUNK) {
    text += Reflect.apply(String.fromCharCode, undefined, bytes.subarray(i, i + CHUNK));
  }
  return text;
}

function fromBinary(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** Parses one DER value that fills the input: what would re-encode to other bytes is refused. */
export function parseDer(bytes: Uint8Array): Asn1Node {
  readDer(bytes);
  let node: Asn1Node;
  try {
    node = strictFromDer(forge.util.createBuffer(toBinary(bytes)), {
      strict: true,
      parseAllBytes: true,
      decodeBitStrings: false,
    });
  } catch (cause) {
    return fail('expected one well-formed DER value', cause);
  }
  return node;
}

/** DER of a node. */
export function encodeDer(node: Asn1Node): Uint8Array<ArrayBuffer> {
  return fromBinary(forge.asn1.toDer(node).getBytes());
}

const { Class, Type } = forge.asn1;

/** Children of a SEQUENCE. */
export function children(node: Asn1Node | undefined, what: string): Asn1Node[] {
  if (node === undefined) return fail(`${what} is missing`);
  if (!isUniversal(node, Type.SEQUENCE) || !Array.isArray(node.value)) {
    return fail(`expected ${what} to be a SEQUENCE`);
  }
  return node.value;
}

function isUniversal(node: Asn1Node | undefined, type: forge.asn1.Type): node is Asn1Node {
  return node !== undefined && node.tagClass === Class.UNIVERSAL && node.type === type;
}

/** Contents of a primitive node with this universal tag. */
export function primitive(
  node: Asn1Node | undefined,
  type: forge.asn1.Type,
  what: string,
): Uint8Array<ArrayBuffer> {
  if (!isUniversal(node, type) || typeof node.value !== 'string') {
    return fail(`expected ${what} to be a primitive value of type ${type}`);
  }
  return fromBinary(node.value);
}

/** Contents octets of an OBJECT IDENTIFIER in dotted form, one character each. */
export function oidContents(dotted: string): string {
  return forge.asn1.oidToDer(dotted).getBytes();
}

/** Contents octets of an OBJECT IDENTIFIER whose arcs are minimal (X.690 section 8.19), one character each. */
export function oid(node: Asn1Node | undefined, what: string): string {
  if (!isUniversal(node, Type.OID) || typeof node.value !== 'string' || node.value.length === 0) {
    return fail(`expected ${what} to be an object identifier`);
  }
  let isInArc = false;
  for (let i = 0; i < node.value.length; i++) {
    const octet = node.value.charCodeAt(i);
    if (!isInArc && octet === CONTINUED) fail(`expected the arcs of ${what} to be minimal`);
    isInArc = octet >= CONTINUED;
  }
  return isInArc ? fail(`expected the last arc of ${what} to end`) : node.value;
}

/** A non-negative INTEGER that a number holds exactly. */
export function unsigned(node: Asn1Node | undefined, what: string): number {
  const bytes = primitive(node, Type.INTEGER, what);
  if (bytes.length > 6 || (bytes[0] ?? 0) > 0x7f)
    return fail(`expected ${what} to be small and unsigned`);
  return bytes.reduce((value, byte) => value * 256 + byte, 0);
}
