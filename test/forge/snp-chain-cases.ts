import {
  amdName,
  derIa5,
  derInteger,
  SIMULATED_DATES,
} from '../../enclave/platform/simulator/amd.js';
import {
  type CertificateTemplate,
  caConstraint,
  type ExtensionTemplate,
  type Issuer,
  keyUsage,
} from '../../enclave/platform/simulator/certificates.js';
import { type AmdFault, type ForgedSnp, forgedKey, keyFor } from './amd.js';
import { FORGED_AT } from './judge-snp.js';
import type { ForgedCase } from './snp-report-cases.js';

const ARC = '1.3.6.1.4.1.3704.1';
const before = (date: Date): Date => new Date(date.getTime() - 1000);
const after = (date: Date): Date => new Date(date.getTime() + 1000);

type Change = (template: CertificateTemplate) => CertificateTemplate;

const extensions =
  (change: (list: readonly ExtensionTemplate[]) => readonly ExtensionTemplate[]): Change =>
  (template) => ({ ...template, extensions: change(template.extensions) });

const replaced = (suffix: string, value: Uint8Array): Change =>
  extensions((list) =>
    list.map((item) => (item.oid === `${ARC}.${suffix}` ? { ...item, value } : item)),
  );
const without = (suffix: string): Change =>
  extensions((list) => list.filter((item) => item.oid !== `${ARC}.${suffix}`));
const added = (...more: readonly ExtensionTemplate[]): Change =>
  extensions((list) => [...list, ...more]);
const named =
  (commonName: string): Change =>
  (template) => ({
    ...template,
    subject: amdName(commonName),
  });
const dated =
  (notBefore: Date, notAfter: Date): Change =>
  (template) => ({
    ...template,
    notBefore,
    notAfter,
  });

const signingWith =
  (algorithm: { name: 'RSA-PSS' | 'RSASSA-PKCS1-v1_5'; hash: string; saltLength: number }) =>
  async (issuer: Issuer): Promise<Issuer> => ({
    ...issuer,
    privateKey: await keyFor(issuer.privateKey, algorithm),
    signing: algorithm,
  });

/** Another authority's key under this authority's name. */
const signedByStranger: NonNullable<AmdFault['vekIssuer']> = (issuer, amd) => ({
  ...issuer,
  privateKey:
    amd.ark.issuer.privateKey === issuer.privateKey
      ? amd.ask.issuer.privateKey
      : amd.ark.issuer.privateKey,
});

const ALGORITHMS = [
  [{ name: 'RSA-PSS', hash: 'SHA-384', saltLength: 32 }, 'a salt of 32 bytes'],
  [{ name: 'RSA-PSS', hash: 'SHA-256', saltLength: 48 }, 'SHA-256'],
  [{ name: 'RSA-PSS', hash: 'SHA-512', saltLength: 48 }, 'SHA-512'],
  [{ name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-384', saltLength: 0 }, 'PKCS #1 v1.5'],
] as const;

const parameters: ForgedCase[] = ALGORITHMS.flatMap(([algorithm, text]) => [
  {
    name: `VCEK signed with ${text}`,
    fault: { vekIssuer: signingWith(algorithm) },
    code: 'X509_CERTIFICATE',
  },
  {
    name: `ASK signed with ${text}`,
    fault: { askIssuer: signingWith(algorithm) },
    code: 'X509_CERTIFICATE',
  },
  {
    name: `ARK signed with ${text}`,
    fault: { arkIssuer: signingWith(algorithm) },
    code: 'X509_CERTIFICATE',
  },
  {
    name: `CRL signed with ${text}`,
    fault: { crlIssuer: signingWith(algorithm) },
    code: 'CRL_FORMAT',
  },
]);

const signatures: ForgedCase[] = [
  {
    name: 'VCEK signed by another key',
    fault: { vekIssuer: signedByStranger },
    code: 'SNP_CERTIFICATE_SIGNATURE',
  },
  {
    name: 'ASK signed by another key',
    fault: { askIssuer: signedByStranger },
    code: 'SNP_CERTIFICATE_SIGNATURE',
  },
  {
    name: 'ARK signed by another key',
    fault: { arkIssuer: signedByStranger },
    code: 'SNP_CERTIFICATE_SIGNATURE',
  },
  {
    name: 'VLEK signed by the ASK in the name of the ASVK',
    fault: {
      kind: 'VLEK',
      vekIssuer: (issuer, amd) => ({ ...issuer, privateKey: amd.ask.issuer.privateKey }),
    },
    code: 'SNP_CERTIFICATE_SIGNATURE',
  },
  {
    name: 'VCEK signed directly by the ARK',
    fault: { vekIssuer: (_, amd) => amd.ark.issuer },
    code: 'SNP_CERTIFICATE_NAME',
  },
];

const last = (template: CertificateTemplate) =>
  dated(template.notBefore, before(FORGED_AT))(template);
const first = (template: CertificateTemplate) =>
  dated(after(FORGED_AT), template.notAfter)(template);

const validity: ForgedCase[] = [
  { name: 'VCEK expired', fault: { vek: last }, code: 'SNP_CERTIFICATE_VALIDITY' },
  { name: 'VCEK not yet valid', fault: { vek: first }, code: 'SNP_CERTIFICATE_VALIDITY' },
  { name: 'VLEK expired', fault: { kind: 'VLEK', vek: last }, code: 'SNP_CERTIFICATE_VALIDITY' },
  { name: 'ASK expired', fault: { ask: last }, code: 'SNP_CERTIFICATE_VALIDITY' },
  { name: 'ASK not yet valid', fault: { ask: first }, code: 'SNP_CERTIFICATE_VALIDITY' },
  { name: 'ASVK expired', fault: { kind: 'VLEK', ask: last }, code: 'SNP_CERTIFICATE_VALIDITY' },
  { name: 'ARK expired', fault: { ark: last }, code: 'SNP_CERTIFICATE_VALIDITY' },
  { name: 'ARK not yet valid', fault: { ark: first }, code: 'SNP_CERTIFICATE_VALIDITY' },
];

const names: ForgedCase[] = [
  { name: 'leaf named VCEK', fault: { vek: named('VCEK') }, code: 'SNP_CERTIFICATE_NAME' },
  {
    name: 'leaf named SEV-VLEK with HWID',
    fault: { vek: named('SEV-VLEK') },
    code: 'SNP_VEK_KIND',
  },
  {
    name: 'ASK named for Genoa',
    fault: {
      ask: named('SEV-Genoa SIMULATED by Assay'),
      vekIssuer: (issuer) => ({ ...issuer, name: amdName('SEV-Genoa SIMULATED by Assay') }),
    },
    code: 'SNP_CERTIFICATE_NAME',
  },
  {
    name: 'ASK with the genuine name under a simulated root',
    fault: {
      ask: named('SEV-Milan'),
      vekIssuer: (issuer) => ({ ...issuer, name: amdName('SEV-Milan') }),
    },
    code: 'SNP_CERTIFICATE_NAME',
  },
  {
    name: 'ASK named neither ASK nor ASVK',
    fault: { ask: named('Milan SIMULATED by Assay') },
    code: 'SNP_CERTIFICATE_NAME',
  },
  {
    name: 'VCEK that names another issuer',
    fault: { vekIssuer: (issuer) => ({ ...issuer, name: amdName('SEV-Milan SIMULATED') }) },
    code: 'SNP_CERTIFICATE_NAME',
  },
  {
    name: 'ASK that names another root',
    fault: { askIssuer: (issuer) => ({ ...issuer, name: amdName('ARK-Genoa SIMULATED') }) },
    code: 'SNP_CERTIFICATE_NAME',
  },
  {
    name: 'ASK whose issuer differs from the root in one attribute',
    fault: {
      askIssuer: (issuer) => ({
        ...issuer,
        name: [{ OU: ['Sales'] }, ...issuer.name.slice(1)],
      }),
    },
    code: 'SNP_CERTIFICATE_NAME',
  },
  {
    name: 'root of another product line',
    fault: { ark: named('ARK-Genoa SIMULATED by Assay') },
    code: 'SNP_ROOT_UNTRUSTED',
  },
  {
    name: 'root that is not named ARK',
    fault: { ark: named('Root SIMULATED by Assay') },
    code: 'SNP_CERTIFICATE_NAME',
  },
];

const constraints: ForgedCase[] = [
  {
    name: 'ASK without basicConstraints',
    fault: { ask: extensions(() => [keyUsage('keyCertSign')]) },
    code: 'SNP_CERTIFICATE_CONSTRAINTS',
  },
  {
    name: 'ASK without keyUsage',
    fault: { ask: extensions(() => [caConstraint(0)]) },
    code: 'SNP_CERTIFICATE_CONSTRAINTS',
  },
  {
    name: 'ASK that may not sign certificates',
    fault: { ask: extensions(() => [caConstraint(0), keyUsage('cRLSign')]) },
    code: 'SNP_CERTIFICATE_CONSTRAINTS',
  },
  {
    name: 'ARK without basicConstraints',
    fault: { ark: extensions(() => [keyUsage('keyCertSign', 'cRLSign')]) },
    code: 'SNP_CERTIFICATE_CONSTRAINTS',
  },
  {
    name: 'ARK with path length 0',
    fault: { ark: extensions(() => [caConstraint(0), keyUsage('keyCertSign', 'cRLSign')]) },
    code: 'SNP_CERTIFICATE_CONSTRAINTS',
  },
  {
    name: 'ARK that may not sign certificates',
    fault: { ark: extensions(() => [caConstraint(), keyUsage('cRLSign')]) },
    code: 'SNP_CERTIFICATE_CONSTRAINTS',
  },
  {
    name: 'ARK that may not sign lists',
    fault: { ark: extensions(() => [caConstraint(), keyUsage('keyCertSign')]) },
    code: 'SNP_CRL_SIGNATURE',
  },
  {
    name: 'ASK with a critical extension that is not known',
    fault: { ask: added({ oid: '1.2.3.4', critical: true, value: derInteger(0) }) },
    code: 'SNP_CERTIFICATE_EXTENSION',
  },
  {
    name: 'VCEK that is an authority',
    fault: { vek: added({ ...caConstraint(), critical: false }) },
    code: 'SNP_CERTIFICATE_CONSTRAINTS',
  },
];

const p256 = (await forgedKey('amd-vcek-p256', 'p-256')).publicKey;

const vekExtensions: ForgedCase[] = [
  ...['1', '2', '3.1', '3.2', '3.3', '3.4', '3.5', '3.6', '3.7', '3.8', '4'].flatMap((suffix) => [
    {
      name: `VCEK without .${suffix}`,
      fault: { vek: without(suffix) },
      code: 'SNP_CERTIFICATE_EXTENSION',
    },
    {
      name: `VCEK with .${suffix} twice`,
      fault: {
        vek: extensions((list) => [
          ...list,
          ...list.filter(({ oid }) => oid === `${ARC}.${suffix}`),
        ]),
      },
      code: 'X509_EXTENSION',
    },
  ]),
  ...['3.1', '3.2', '3.3', '3.4', '3.5', '3.6', '3.7', '3.8'].map((suffix) => ({
    name: `VCEK for another TCB in .${suffix}`,
    fault: { vek: replaced(suffix, derInteger(77)) },
    code: 'SNP_TCB_MISMATCH',
  })),
  ...['3.9', '3.1', '3.2', '3.3', '3.5', '3.6', '3.7', '3.8'].map((suffix) => ({
    name: `Turin VCEK for another TCB in .${suffix}`,
    fault: { product: 'Turin' as const, vek: replaced(suffix, derInteger(77)) },
    code: 'SNP_TCB_MISMATCH',
  })),
  ...[
    ['struct version 1 on Milan', replaced('1', derInteger(1))],
    ['struct version 2', replaced('1', derInteger(2))],
    ['struct version that is no integer', replaced('1', derIa5('0'))],
    ['product name that is no name', replaced('2', derIa5('milan'))],
    ['product name with a trailing space', replaced('2', derIa5('Milan-B0 '))],
    ['product name as an integer', replaced('2', derInteger(1))],
    ['.3.9 on Milan', added({ oid: `${ARC}.3.9`, value: derInteger(0) })],
    ['SPL above 255', replaced('3.8', Uint8Array.of(2, 2, 1, 0))],
    ['negative SPL', replaced('3.8', Uint8Array.of(2, 1, 0x80))],
    ['SPL padded beyond DER', replaced('3.8', Uint8Array.of(2, 2, 0, 0x7f))],
    ['SPL with trailing bytes', replaced('3.8', Uint8Array.of(2, 1, 0x7f, 0))],
    ['HWID of 63 bytes', replaced('4', new Uint8Array(63))],
    ['HWID of 8 bytes on Milan', replaced('4', new Uint8Array(8))],
    ['HWID and CSP_ID', added({ oid: `${ARC}.5`, value: derIa5('CN=cc.example') })],
    ['critical extension', added({ oid: '1.2.3.4', critical: true, value: derInteger(0) })],
  ].map(([name, vek]) => ({
    name: `VCEK with ${name}`,
    fault: { vek: vek as Change },
    code: 'SNP_CERTIFICATE_EXTENSION',
  })),
  {
    name: 'VCEK for Genoa under the ASK of Milan',
    fault: { version: 2, vek: replaced('2', derIa5('Genoa')) },
    code: 'SNP_ROOT_UNTRUSTED',
  },
  {
    name: 'VCEK of an unknown product line',
    fault: {
      version: 2,
      vek: (template) =>
        replaced(
          '2',
          derIa5('Florence'),
        )(
          replaced(
            '1',
            derInteger(1),
          )(
            without('3.4')(
              added({ oid: `${ARC}.3.9`, value: derInteger(0) })(
                replaced('4', new Uint8Array(8))(template),
              ),
            ),
          ),
        ),
    },
    code: 'SNP_PRODUCT_UNKNOWN',
  },
  {
    name: 'VCEK of another chip',
    fault: { vek: replaced('4', new Uint8Array(64).fill(2)) },
    code: 'SNP_HWID_MISMATCH',
  },
  {
    name: 'VCEK with a P-256 key',
    fault: { vek: (template) => ({ ...template, publicKey: p256 }) },
    code: 'SNP_CERTIFICATE_KEY',
  },
  ...(['Genoa', 'Turin'] as const).flatMap((product): ForgedCase[] => [
    {
      name: `${product} VLEK with HWID`,
      fault: {
        product,
        kind: 'VLEK',
        vek: added({ oid: `${ARC}.4`, value: new Uint8Array(product === 'Turin' ? 8 : 64) }),
      },
      code: 'SNP_CERTIFICATE_EXTENSION',
    },
    {
      name: `${product} VLEK without CSP_ID`,
      fault: { product, kind: 'VLEK', vek: without('5') },
      code: 'SNP_CERTIFICATE_EXTENSION',
    },
    {
      name: `${product} VLEK for another TCB`,
      fault: { product, kind: 'VLEK', vek: replaced('3.3', derInteger(99)) },
      code: 'SNP_TCB_MISMATCH',
    },
  ]),
  ...[
    ['struct version 0', replaced('1', derInteger(0))],
    ['no .3.9', without('3.9')],
    ['.3.4', added({ oid: `${ARC}.3.4`, value: derInteger(0) })],
    ['HWID of 64 bytes', replaced('4', new Uint8Array(64))],
  ].map(([name, vek]) => ({
    name: `Turin VCEK with ${name}`,
    fault: { product: 'Turin' as const, vek: vek as Change },
    code: 'SNP_CERTIFICATE_EXTENSION',
  })),
  {
    name: 'VCEK with its HWID that looks like DER',
    fault: { vek: replaced('4', Uint8Array.of(4, 62, ...new Uint8Array(62))) },
    code: 'SNP_HWID_MISMATCH',
  },
];

/** Changes what is handed to the verifier. */
export const supply =
  (change: (forged: ForgedSnp) => Partial<ForgedSnp>): NonNullable<AmdFault['supply']> =>
  (forged) => ({ ...forged, ...change(forged) });
/** Picks among the supplied certificates: VEK, ASK or ASVK, ARK. */
export const certificates = (pick: (list: readonly Uint8Array[]) => (Uint8Array | undefined)[]) =>
  supply(({ endorsements }) => ({
    endorsements: {
      ...endorsements,
      certificates: pick(endorsements.certificates).filter((der) => der !== undefined),
    },
  }));

const confusion: ForgedCase[] = [
  {
    name: 'a VLEK report with a VCEK',
    fault: { report: { keyInfo: 4 } },
    code: 'SNP_VEK_KIND',
  },
  {
    name: 'a VCEK report with a VLEK',
    fault: { kind: 'VLEK', report: { keyInfo: 0 } },
    code: 'SNP_VEK_KIND',
  },
  {
    name: 'a VCEK under the ASVK',
    fault: { vekIssuer: (_, amd) => amd.asvk.issuer },
    code: 'SNP_CERTIFICATE_NAME',
  },
  {
    name: 'a VLEK under the ASK',
    fault: { kind: 'VLEK', vekIssuer: (_, amd) => amd.ask.issuer },
    code: 'SNP_CERTIFICATE_NAME',
  },
  {
    name: 'the VCEK twice',
    fault: { supply: certificates(([vek, ...rest]) => [vek, vek, ...rest]) },
    code: 'SNP_VEK_AMBIGUOUS',
  },
  {
    name: 'a supplied root that is not the trusted one',
    fault: {
      ark: (template) => template,
      supply: (forged, amd) => ({ ...forged, roots: [amd.ark.der] }),
    },
    code: 'SNP_ROOT_UNTRUSTED',
  },
  {
    name: 'roots of the caller without one for the product line',
    fault: { supply: supply(() => ({ roots: [] })) },
    code: 'SNP_ROOT_UNTRUSTED',
  },
  {
    name: 'a VCEK with a trailing byte',
    fault: {
      supply: certificates(([vek, ...rest]) => [vek && Uint8Array.of(...vek, 0), ...rest]),
    },
    code: 'X509_CERTIFICATE',
  },
];

const revoked =
  (serialNumber: string): NonNullable<AmdFault['crl']> =>
  (template) => ({
    ...template,
    revoked: [{ serialNumber, date: SIMULATED_DATES.notBefore }],
  });

const revocation: ForgedCase[] = [
  { name: 'ASK revoked', fault: { crl: revoked('010001') }, code: 'SNP_REVOKED' },
  { name: 'ASVK revoked', fault: { kind: 'VLEK', crl: revoked('010002') }, code: 'SNP_REVOKED' },
  { name: 'ARK revoked', fault: { crl: revoked('010000') }, code: 'SNP_REVOKED' },
  {
    name: 'ASK revoked in a date that is yet to come',
    fault: {
      crl: (template) => ({
        ...template,
        revoked: [{ serialNumber: '010001', date: after(FORGED_AT) }],
      }),
    },
    code: 'SNP_REVOKED',
  },
  {
    name: 'CRL expired',
    fault: { crl: (template) => ({ ...template, nextUpdate: before(FORGED_AT) }) },
    code: 'SNP_CRL_VALIDITY',
  },
  {
    name: 'CRL not yet current',
    fault: { crl: (template) => ({ ...template, thisUpdate: after(FORGED_AT) }) },
    code: 'SNP_CRL_VALIDITY',
  },
  {
    name: 'CRL without nextUpdate',
    fault: { crl: ({ nextUpdate: _, ...template }) => template },
    code: 'CRL_FORMAT',
  },
  {
    name: 'CRL signed by the ASK in the name of the ARK',
    fault: { crlIssuer: (issuer, amd) => ({ ...issuer, privateKey: amd.ask.issuer.privateKey }) },
    code: 'SNP_CRL_SIGNATURE',
  },
  {
    name: 'CRL of the ASK',
    fault: { crlIssuer: (_, amd) => amd.ask.issuer },
    code: 'SNP_CRL_ISSUER',
  },
  {
    name: 'CRL with a critical extension',
    fault: {
      crl: (template) => ({
        ...template,
        extensions: [{ oid: '2.5.29.28', critical: true, value: Uint8Array.of(0x30, 0) }],
      }),
    },
    code: 'SNP_CRL_EXTENSION',
  },
  {
    name: 'an empty CRL',
    fault: {
      supply: supply(({ endorsements }) => ({
        endorsements: { ...endorsements, crls: [new Uint8Array()] },
      })),
    },
    code: 'CRL_FORMAT',
  },
  {
    name: 'a second CRL that is expired',
    fault: {
      crl: (template) => ({ ...template, nextUpdate: before(FORGED_AT) }),
      supply: (forged, amd) => ({
        ...forged,
        endorsements: {
          ...forged.endorsements,
          crls: [amd.crl, ...forged.endorsements.crls],
        },
      }),
    },
    code: 'SNP_CRL_VALIDITY',
  },
];

/** Chains with one thing wrong in them. */
export const FORGED_CHAINS: Readonly<Record<string, readonly ForgedCase[]>> = {
  parameters,
  signatures,
  validity,
  names,
  constraints,
  vekExtensions,
  confusion,
  revocation,
};
