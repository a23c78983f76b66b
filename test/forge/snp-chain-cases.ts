import { amdName, derInteger } from '../../enclave/platform/simulator/amd.js';
import {
  type CertificateTemplate,
  caConstraint,
  type Issuer,
  keyUsage,
} from '../../enclave/platform/simulator/certificates.js';
import { forgedKey } from './amd.js';
import {
  added,
  after,
  before,
  dated,
  extensions,
  named,
  signedByStranger,
  signingWith,
} from './certificate-changes.js';
import { FORGED_AT } from './judge-snp.js';
import type { ForgedCase } from './snp-report-cases.js';
import { confusion, revocation } from './snp-supply-cases.js';
import { vekExtensions } from './snp-vek-cases.js';

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

const LONG_NAME = 'SEV-Milan SIMULATED'.padEnd(65, '.');
const names: ForgedCase[] = [
  {
    name: 'ASK with a common name of more than 64 characters',
    fault: {
      ask: named(LONG_NAME),
      vekIssuer: (issuer) => ({ ...issuer, name: amdName(LONG_NAME) }),
    },
    code: 'X509_CERTIFICATE',
  },
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
    name: 'ARK that another root issued',
    fault: { arkIssuer: (issuer) => ({ ...issuer, name: amdName('ARK-Genoa SIMULATED') }) },
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

const p384 = (await forgedKey('amd-vcek')).publicKey;
const p256 = (await forgedKey('amd-vcek-p256', 'p-256')).privateKey;
const ecdsa = (issuer: Issuer): Issuer => ({
  ...issuer,
  privateKey: p256,
  signing: { name: 'ECDSA', hash: 'SHA-256' },
});

const keys: ForgedCase[] = [
  {
    name: 'ASK with a P-384 key',
    fault: { ask: (template) => ({ ...template, publicKey: p384 }) },
    code: 'SNP_CERTIFICATE_KEY',
  },
  {
    name: 'ARK with a P-384 key',
    fault: { ark: (template) => ({ ...template, publicKey: p384 }) },
    code: 'SNP_CERTIFICATE_KEY',
  },
  {
    name: 'ASK signed with ECDSA',
    fault: { askIssuer: ecdsa },
    code: 'SNP_CERTIFICATE_KEY',
  },
  {
    name: 'ARK signed with ECDSA',
    fault: { arkIssuer: ecdsa },
    code: 'SNP_CERTIFICATE_KEY',
  },
  {
    name: 'VCEK signed with ECDSA',
    fault: { vekIssuer: ecdsa },
    code: 'SNP_CERTIFICATE_KEY',
  },
];

/** Chains with one thing wrong in them. */
export const FORGED_CHAINS: Readonly<Record<string, readonly ForgedCase[]>> = {
  parameters,
  signatures,
  validity,
  names,
  constraints,
  keys,
  vekExtensions,
  confusion,
  revocation,
};
