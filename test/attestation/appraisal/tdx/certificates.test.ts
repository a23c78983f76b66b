import {
  type Asn1Node,
  children,
  encodeDer,
  parseDer,
} from '../../../../attestation/encoding/asn1.js';
import { toHex } from '../../../../attestation/encoding/bytes.js';
import {
  type CertificateTemplate,
  caConstraint,
  type ExtensionTemplate,
  keyUsage,
} from '../../../../enclave/platform/simulator/certificates.js';
import {
  type IntelHierarchy,
  intelName,
  SIMULATED_PLATFORM,
  sgxExtension,
} from '../../../../enclave/platform/simulator/intel.js';
import { type IntelFault, withExtension } from '../../../forge/intel.js';
import { tdxCases } from '../../../forge/tdx-case.js';

type Name = keyof IntelHierarchy;
const NAMES: readonly Name[] = ['root', 'platformCa', 'tcbSigning', 'pck'];
const CA_NAMES: readonly Name[] = ['root', 'platformCa'];
const SGX = '1.2.840.113741.1.13.1';
const BASIC_CONSTRAINTS = '2.5.29.19';
const END_ENTITY = Uint8Array.of(0x30, 0);

const template = (
  name: Name,
  change: (template: CertificateTemplate) => CertificateTemplate,
): IntelFault => ({ certificates: { [name]: { template: change } } });

const without = (oid: string) => (old: CertificateTemplate) => ({
  ...old,
  extensions: old.extensions.filter((extension) => extension.oid !== oid),
});
const replaced = (extension: ExtensionTemplate) => (old: CertificateTemplate) => ({
  ...old,
  extensions: old.extensions.map((item) => (item.oid === extension.oid ? extension : item)),
});
const added = (extension: ExtensionTemplate) => (old: CertificateTemplate) => ({
  ...old,
  extensions: [...old.extensions, extension],
});
const ROLE = 'TDX_CERTIFICATE_ROLE';

tdxCases('every certificate is valid at the time', [
  ...NAMES.map((name) => ({
    name: `${name} not yet`,
    fault: template(name, (old) => ({ ...old, notBefore: new Date('2026-11-22T00:00:00Z') })),
    code: 'TDX_CERTIFICATE_NOT_YET_VALID',
  })),
  ...NAMES.map((name) => ({
    name: `${name} no longer`,
    fault: template(name, (old) => ({ ...old, notAfter: new Date('2026-11-20T23:59:59Z') })),
    code: 'TDX_CERTIFICATE_EXPIRED',
  })),
  ...NAMES.map((name) => ({
    name: `${name} on its last second`,
    fault: template(name, (old) => ({ ...old, notAfter: new Date('2026-11-21T00:00:00Z') })),
    code: null,
  })),
]);

tdxCases('every certificate has its role', [
  ...NAMES.map((name) => ({
    name: `${name} by another name`,
    fault: {
      certificates: {
        [name]: {
          template: (old: CertificateTemplate) => ({ ...old, subject: intelName('Somebody') }),
        },
      },
    },
    code: ROLE,
  })),
  ...CA_NAMES.map((name) => ({
    name: `${name} is no CA`,
    fault: template(name, replaced({ oid: BASIC_CONSTRAINTS, critical: true, value: END_ENTITY })),
    code: ROLE,
  })),
  ...CA_NAMES.map((name) => ({
    name: `${name} without basicConstraints`,
    fault: template(name, without(BASIC_CONSTRAINTS)),
    code: ROLE,
  })),
  ...(['pck', 'tcbSigning'] as const).map((name) => ({
    name: `${name} is a CA`,
    fault: template(name, replaced(caConstraint())),
    code: ROLE,
  })),
  {
    name: 'root allows no CA below it',
    fault: template('root', replaced(caConstraint(0))),
    code: ROLE,
  },
  ...CA_NAMES.map((name) => ({
    name: `${name} may not sign certificates`,
    fault: template(name, replaced(keyUsage('cRLSign'))),
    code: ROLE,
  })),
  ...CA_NAMES.map((name) => ({
    name: `${name} may not sign CRLs`,
    fault: template(name, replaced(keyUsage('keyCertSign'))),
    code: ROLE,
  })),
  ...(['pck', 'tcbSigning'] as const).map((name) => ({
    name: `${name} may not sign`,
    fault: template(name, replaced(keyUsage('keyEncipherment'))),
    code: ROLE,
  })),
  ...NAMES.map((name) => ({
    name: `${name} without keyUsage`,
    fault: template(name, without('2.5.29.15')),
    code: ROLE,
  })),
  ...NAMES.map((name) => ({
    name: `${name} with a critical extension that nobody knows`,
    fault: template(
      name,
      added({ oid: '1.3.6.1.4.1.99999.1', critical: true, value: Uint8Array.of(5, 0) }),
    ),
    code: ROLE,
  })),
]);

tdxCases('either PCK CA will do', [
  {
    name: 'Processor CA',
    fault: template('platformCa', (old) => ({
      ...old,
      subject: intelName('Intel SGX PCK Processor CA'),
    })),
    code: null,
  },
]);

tdxCases('an extension that is not critical may be unknown', [
  {
    name: 'PCK',
    fault: template('pck', added({ oid: '1.3.6.1.4.1.99999.1', value: Uint8Array.of(5, 0) })),
    code: null,
  },
]);

const extension = (value: Uint8Array): IntelFault =>
  template('pck', (old) => withExtension(old, SGX, value));
const genuine = sgxExtension(SIMULATED_PLATFORM);
/** Renames a member of the extension, so that it is missing under its own name. */
const renamed = (arc: string): Uint8Array => {
  const oid = (text: string): string => toHex(Uint8Array.from(text.split('.').map(Number)));
  const prefix = '2a864886f84d010d01';
  const [from, to] = [`${prefix}${oid(arc)}`, `${prefix}${oid(arc.replace(/\d+$/, '99'))}`];
  const hex = toHex(genuine);
  if (!hex.includes(from)) throw new Error(`no member ${arc}`);
  return Uint8Array.from(hex.replace(from, to).match(/../g) ?? [], (pair) =>
    Number.parseInt(pair, 16),
  );
};
/** The extension with one more member, whose identifier has these contents octets. */
const extended = (...octets: readonly number[]): Uint8Array => {
  const tree = parseDer(genuine);
  const member = [6, octets.length, ...octets, 5, 0];
  children(tree, 'extension').push(parseDer(Uint8Array.of(0x30, member.length, ...member)));
  return encodeDer(tree);
};
/** The extension after a change of its members. */
const changed = (change: (members: Asn1Node[]) => unknown): IntelFault => {
  const tree = parseDer(genuine);
  change(children(tree, 'extension'));
  return extension(encodeDer(tree));
};
const PREFIX = [0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 1, 13, 1] as const;
tdxCases('the SGX extension is whole', [
  { name: 'with a member that Intel adds', fault: extension(extended(...PREFIX, 7)), code: null },
  ...(
    [
      ['of which one is repeated', [...PREFIX, 4]],
      ['with an arc of a needless octet', [...PREFIX, 0x80, 4]],
      ['with an arc that does not end', [...PREFIX, 0x84]],
      ['with its own identifier as a member', PREFIX],
      ['with a member of another extension', [0x55, 29, 15]],
      ['with a member of a neighbour of it', [...PREFIX.slice(0, -1), 2, 7]],
    ] as const
  ).map(([name, octets]) => ({
    name,
    fault: extension(extended(...octets)),
    code: 'X509_EXTENSION',
  })),
  ...([0, 1, 2, 3] as const).map((place) => ({
    name: `with member ${place + 1} as it is, twice`,
    fault: changed((members) => members.push(...members.slice(place, place + 1))),
    code: 'X509_EXTENSION',
  })),
  {
    name: 'with a value behind that of a member',
    fault: changed((members) => children(members[3], 'member').push(parseDer(END_ENTITY))),
    code: 'X509_EXTENSION',
  },
  {
    name: 'with the highest SVNs',
    fault: {
      platform: {
        componentSvns: [255, ...SIMULATED_PLATFORM.componentSvns.slice(1)],
        pceSvn: 65535,
      },
    },
    code: null,
  },
  { name: 'missing', fault: template('pck', without(SGX)), code: 'X509_EXTENSION' },
  { name: 'empty', fault: extension(new Uint8Array()), code: 'X509_EXTENSION' },
  { name: 'not DER', fault: extension(genuine.slice(0, -1)), code: 'X509_EXTENSION' },
  ...['1', '3', '4', '2.1', '2.16', '2.17', '2.18'].map((arc) => ({
    name: `without member ${arc}`,
    fault: extension(renamed(arc)),
    code: 'X509_EXTENSION',
  })),
  {
    name: 'PPID of 15 bytes',
    fault: { platform: { ppid: 'ab'.repeat(15) } },
    code: 'X509_EXTENSION',
  },
  {
    name: 'FMSPC of 7 bytes',
    fault: { platform: { fmspc: 'ab'.repeat(7) } },
    code: 'X509_EXTENSION',
  },
  {
    name: 'PCEID of 3 bytes',
    fault: { platform: { pceId: 'ab'.repeat(3) } },
    code: 'X509_EXTENSION',
  },
  {
    name: 'CPUSVN of 17 bytes',
    fault: { platform: { cpuSvn: 'ab'.repeat(17) } },
    code: 'X509_EXTENSION',
  },
  { name: 'PCESVN of 3 bytes', fault: { platform: { pceSvn: 65536 } }, code: 'X509_EXTENSION' },
  {
    name: 'a component SVN of 2 bytes',
    fault: { platform: { componentSvns: [256, ...SIMULATED_PLATFORM.componentSvns.slice(1)] } },
    code: 'X509_EXTENSION',
  },
  {
    name: '15 component SVNs',
    fault: { platform: { componentSvns: SIMULATED_PLATFORM.componentSvns.slice(1) } },
    code: 'X509_EXTENSION',
  },
]);
