import forge from 'node-forge';
import {
  type Asn1Node,
  children,
  oid,
  oidContents,
  parseDer,
  primitive,
  unsigned,
} from '../encoding/asn1.js';
import { toHex } from '../encoding/bytes.js';
import { AssayError } from '../encoding/error.js';
import type { Certificate } from '../encoding/x509.js';

const { Type } = forge.asn1;
const SGX_EXTENSION = '1.2.840.113741.1.13.1';
const MEMBERS = oidContents(SGX_EXTENSION);
const TCB_MEMBERS = oidContents(`${SGX_EXTENSION}.2`);
/** Last arcs of the members; those of the 16 component SVNs are 1 to 16. */
const ARC = {
  ppid: '\x01',
  tcb: '\x02',
  pceId: '\x03',
  fmspc: '\x04',
  pceSvn: '\x11',
  cpuSvn: '\x12',
} as const;

/** What Intel certifies of a platform in its PCK certificate. Hexadecimal, lower case. */
export interface PckPlatform {
  /** Encrypted-platform id, 16 bytes: names one machine. */
  readonly ppid: string;
  readonly fmspc: string;
  readonly pceId: string;
  readonly cpuSvn: string;
  readonly pceSvn: number;
  /** The 16 SVNs that TCB levels are compared with. */
  readonly componentSvns: readonly number[];
}

function fail(message: string, cause?: unknown): never {
  throw new AssayError('X509_EXTENSION', message, cause);
}

/**
 * Members of a SEQUENCE OF SEQUENCE { OID, value }, each at most once, by the octets that follow
 * `prefix` in the identifier: for an arc below 128, that one.
 */
function members(node: Asn1Node | undefined, prefix: string): Map<string, Asn1Node | undefined> {
  const found = new Map<string, Asn1Node | undefined>();
  for (const item of children(node, 'SGX extension')) {
    const [id, value, ...rest] = children(item, 'member of the SGX extension');
    const name = oid(id, 'member of the SGX extension');
    const arc = name.slice(prefix.length);
    if (!name.startsWith(prefix) || arc === '' || rest.length > 0 || found.has(arc)) {
      fail(`expected each member of the SGX extension once, under ${SGX_EXTENSION}`);
    }
    found.set(arc, value);
  }
  return found;
}

function octets(node: Asn1Node | undefined, length: number, what: string): string {
  const bytes = primitive(node, Type.OCTETSTRING, what);
  return bytes.length === length
    ? toHex(bytes)
    : fail(`expected ${what} to have ${length} bytes, not ${bytes.length}`);
}

function svn(node: Asn1Node | undefined, limit: number, what: string): number {
  const value = unsigned(node, what);
  return value <= limit ? value : fail(`expected ${what} to be at most ${limit}, not ${value}`);
}

const read = new WeakMap<Certificate, PckPlatform>();

/**
 * Reads the SGX extension of a PCK certificate (Intel SGX PCK Certificate and CRL Profile
 * Specification, section 1.3.5), once for each parsed certificate. Throws X509_EXTENSION.
 */
export function pckPlatform(certificate: Certificate): PckPlatform {
  const platform = read.get(certificate) ?? readPlatform(certificate);
  read.set(certificate, platform);
  return platform;
}

function readPlatform(certificate: Certificate): PckPlatform {
  const extension = certificate.extensions.get(SGX_EXTENSION);
  if (extension === undefined) return fail(`expected the PCK certificate to have ${SGX_EXTENSION}`);
  try {
    const fields = members(parseDer(extension.value), MEMBERS);
    const tcb = members(fields.get(ARC.tcb), TCB_MEMBERS);
    return {
      ppid: octets(fields.get(ARC.ppid), 16, 'PPID'),
      pceId: octets(fields.get(ARC.pceId), 2, 'PCEID'),
      fmspc: octets(fields.get(ARC.fmspc), 6, 'FMSPC'),
      componentSvns: Array.from({ length: 16 }, (_, i) =>
        svn(tcb.get(String.fromCharCode(i + 1)), 0xff, `component SVN ${i + 1}`),
      ),
      pceSvn: svn(tcb.get(ARC.pceSvn), 0xffff, 'PCESVN'),
      cpuSvn: octets(tcb.get(ARC.cpuSvn), 16, 'CPUSVN'),
    };
  } catch (cause) {
    if (cause instanceof AssayError && cause.code === 'X509_EXTENSION') throw cause;
    return fail('the SGX extension of the PCK certificate does not parse', cause);
  }
}
