import { join } from 'node:path';
import forge from 'node-forge';
import { type Asn1Node, encodeDer } from '../../../attestation/encoding/asn1.js';
import { fromHex } from '../../../attestation/encoding/bytes.js';
import {
  type Authority,
  authorityKeyId,
  type CertificateTemplate,
  caConstraint,
  crlPoint,
  type DistinguishedName,
  type ExtensionTemplate,
  INTEL_SIGNING,
  type Issuer,
  issueCertificate,
  keyUsage,
  SIMULATED_DATES,
  SIMULATED_SUFFIX,
  subjectKeyId,
} from './certificates.js';
import { cachedBytes, cachedKeyPair } from './keys.js';

const SGX_EXTENSION = '1.2.840.113741.1.13.1';
const { Class, Type } = forge.asn1;

/** Intel's distinguished name with this common name. */
export function intelName(commonName: string): DistinguishedName {
  return [
    { CN: [commonName] },
    { O: ['Intel Corporation'] },
    { L: ['Santa Clara'] },
    { ST: ['CA'] },
    { C: ['US'] },
  ];
}

/** What a PCK certificate states of its platform; hexadecimal. */
export interface SimulatedPlatform {
  readonly ppid: string;
  readonly fmspc: string;
  readonly pceId: string;
  readonly cpuSvn: string;
  readonly componentSvns: readonly number[];
  readonly pceSvn: number;
}

/** A platform that meets the simulator's own TCB info, on no machine of Intel's. */
export const SIMULATED_PLATFORM: SimulatedPlatform = {
  ppid: '53494d554c415445442d505049442d31',
  fmspc: '53494d550000',
  pceId: '0000',
  cpuSvn: '03030202040100050000000000000000',
  componentSvns: [3, 3, 2, 2, 4, 1, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0],
  pceSvn: 13,
};

/** Intel's hierarchy: the root over the PCK Platform CA (PCKs) and over the TCB signing key. */
export interface IntelHierarchy {
  readonly root: Authority;
  readonly platformCa: Authority;
  readonly tcbSigning: Authority;
  readonly pck: Authority;
}

const sequence = (...members: Asn1Node[]): Asn1Node =>
  forge.asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, members);

function primitive(type: forge.asn1.Type, bytes: Uint8Array): Asn1Node {
  return forge.asn1.create(Class.UNIVERSAL, type, false, String.fromCharCode(...bytes));
}

const octets = (hex: string): Asn1Node => primitive(Type.OCTETSTRING, fromHex(hex));

function integer(value: number): Asn1Node {
  const digits = value.toString(16);
  const bytes = fromHex(digits.padStart(digits.length + (digits.length % 2), '0'));
  return primitive(Type.INTEGER, (bytes[0] ?? 0) > 0x7f ? Uint8Array.of(0, ...bytes) : bytes);
}

function member(arc: string, value: Asn1Node): Asn1Node {
  const id = forge.asn1.oidToDer(`${SGX_EXTENSION}.${arc}`).getBytes();
  return sequence(forge.asn1.create(Class.UNIVERSAL, Type.OID, false, id), value);
}

/** DER of the SGX extension (Intel SGX PCK Certificate and CRL Profile Specification, 1.3.5). */
export function sgxExtension(platform: SimulatedPlatform): Uint8Array<ArrayBuffer> {
  const { componentSvns, pceSvn, cpuSvn } = platform;
  const tcb = sequence(
    ...componentSvns.map((svn, i) => member(`2.${i + 1}`, integer(svn))),
    member('2.17', integer(pceSvn)),
    member('2.18', octets(cpuSvn)),
  );
  return encodeDer(
    sequence(
      member('1', octets(platform.ppid)),
      member('2', tcb),
      member('3', octets(platform.pceId)),
      member('4', octets(platform.fmspc)),
      member('5', primitive(Type.ENUMERATED, Uint8Array.of(1))),
    ),
  );
}

/** basicConstraints of a certificate that is no CA, critical. */
const END_ENTITY: ExtensionTemplate = {
  oid: '2.5.29.19',
  critical: true,
  value: Uint8Array.of(0x30, 0),
};

interface AuthoritySpec {
  readonly label: string;
  readonly commonName: string;
  readonly serialNumber: string;
  readonly extensions: readonly ExtensionTemplate[];
  readonly parent?: Authority;
  /** Where the list that may revoke it is; the root's unless given. */
  readonly crl?: string;
}

const ROOT_CRL = 'https://certificates.trustedservices.intel.com/IntelSGXRootCA.der';
const PCK_CRL =
  'https://api.trustedservices.intel.com/sgx/certification/v4/pckcrl?ca=platform&encoding=der';

async function authority(directory: string, spec: AuthoritySpec): Promise<Authority> {
  const { label, commonName, serialNumber, extensions, parent, crl = ROOT_CRL } = spec;
  const keys = await cachedKeyPair(directory, `intel-${label}`, 'p-256');
  const subject = intelName(commonName);
  const template: CertificateTemplate = {
    serialNumber,
    subject,
    ...SIMULATED_DATES,
    publicKey: keys.publicKey,
    // In the order of genuine certificates.
    extensions: [
      await authorityKeyId(parent?.template.publicKey ?? keys.publicKey),
      crlPoint(crl),
      await subjectKeyId(keys.publicKey),
      ...extensions,
    ],
  };
  const issuer: Issuer = { name: subject, privateKey: keys.privateKey, signing: INTEL_SIGNING };
  const der = await cachedBytes(join(directory, 'intel-authorities'), `${label}.der`, () =>
    issueCertificate(template, parent?.issuer ?? issuer),
  );
  return { der, template, issuer };
}

/**
 * The simulated hierarchy, the same for everyone who shares the directory. Names, curves and
 * extensions are Intel's; the authorities' common names end in SIMULATED, and their keys are files
 * that anyone on the machine's account may read.
 */
export async function intelHierarchy(directory: string): Promise<IntelHierarchy> {
  const root = await authority(directory, {
    label: 'root',
    commonName: `Intel SGX Root CA${SIMULATED_SUFFIX}`,
    serialNumber: '22650cd65a9d3489f383b49552bf501b392706ac',
    extensions: [keyUsage('keyCertSign', 'cRLSign'), caConstraint(1)],
  });
  const [platformCa, tcbSigning] = await Promise.all([
    authority(directory, {
      label: 'platform-ca',
      commonName: `Intel SGX PCK Platform CA${SIMULATED_SUFFIX}`,
      serialNumber: '1501',
      extensions: [keyUsage('keyCertSign', 'cRLSign'), caConstraint(0)],
      parent: root,
    }),
    authority(directory, {
      label: 'tcb-signing',
      commonName: `Intel SGX TCB Signing${SIMULATED_SUFFIX}`,
      serialNumber: '1502',
      extensions: [keyUsage('digitalSignature', 'nonRepudiation'), END_ENTITY],
      parent: root,
    }),
  ]);
  const pck = await authority(directory, {
    label: 'pck',
    commonName: 'Intel SGX PCK Certificate',
    serialNumber: '1503',
    extensions: [
      keyUsage('digitalSignature', 'nonRepudiation'),
      END_ENTITY,
      { oid: SGX_EXTENSION, value: sgxExtension(SIMULATED_PLATFORM) },
    ],
    parent: platformCa,
    crl: PCK_CRL,
  });
  return { root, platformCa, tcbSigning, pck };
}
