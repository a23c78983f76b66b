import { derInteger } from '../../enclave/platform/simulator/amd.js';
import { SIMULATED_DATES } from '../../enclave/platform/simulator/certificates.js';
import { type AmdFault, type ForgedSnp, forgedKey, forgeSnp } from './amd.js';
import {
  after,
  before,
  dated,
  replaced,
  signedByStranger,
  without,
} from './certificate-changes.js';
import { FORGED_AT } from './judge-snp.js';
import type { ForgedCase } from './snp-report-cases.js';

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

const { endorsements: genoa } = await forgeSnp({ product: 'Genoa' });
const [stranger = new Uint8Array()] = genoa.certificates;
const vcekOf = async (fault: AmdFault): Promise<Uint8Array> =>
  (await forgeSnp(fault)).endorsements.certificates[0] ?? new Uint8Array();
const { publicKey } = await forgedKey('amd-vcek-stranger');
const othersKey = await vcekOf({ vek: (template) => ({ ...template, publicKey }) });
const otherChips = await vcekOf({
  vek: (template) => replaced('4', new Uint8Array(64).fill(2))({ ...template, publicKey }),
});

/** Certificates of Milan's keys that are not the one of a flawless report's, and what tells them from it. */
export const OTHER_VCEKS = [
  ['another product line', stranger],
  ['another TCB', await vcekOf({ vek: replaced('3.8', derInteger(77)) })],
  ['another chip', otherChips],
  ['another key', othersKey],
  ['no HWID', await vcekOf({ vek: without('4') })],
  ['an end before', await vcekOf({ vek: dated(before(before(FORGED_AT)), before(FORGED_AT)) })],
  ['another serial number', await vcekOf({ vek: (t) => ({ ...t, serialNumber: '7777' }) })],
] as const;

/** Endorsements that do not belong together. */
export const confusion: ForgedCase[] = [
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
    name: 'two VCEKs, of another TCB and of another product line',
    fault: {
      vek: replaced('3.8', derInteger(77)),
      supply: certificates((list) => [...list, stranger]),
    },
    code: 'SNP_TCB_MISMATCH',
  },
  {
    name: 'two VCEKs, of another product line and of another TCB',
    fault: {
      vek: replaced('3.8', derInteger(77)),
      supply: certificates((list) => [stranger, ...list]),
    },
    code: 'SNP_PRODUCT_MISMATCH',
  },
  {
    name: 'two VCEKs for a report that neither signed',
    fault: {
      report: { chipId: new Uint8Array(64) },
      signed: (bytes) => bytes.map((byte, i) => (i === 0x90 ? byte ^ 1 : byte)),
      supply: certificates((list) => [otherChips, ...list]),
    },
    code: 'SNP_SIGNATURE',
  },
  {
    name: 'two VCEKs, the one of the key that signed from a stranger',
    fault: {
      vekIssuer: signedByStranger,
      supply: certificates((list) => [...list, othersKey]),
    },
    code: 'SNP_CERTIFICATE_SIGNATURE',
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

/** What revocation lists refuse, and what is wrong with them. */
export const revocation: ForgedCase[] = [
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
    name: 'CRL of another product line whose root is not trusted',
    fault: {
      supply: supply(({ endorsements }) => ({
        endorsements: { ...endorsements, crls: genoa.crls },
      })),
    },
    code: 'SNP_CRL_ISSUER',
  },
  {
    name: 'CRL of the host, of another product line whose root is not trusted',
    fault: {
      supply: supply(({ endorsements }) => ({
        endorsements: { ...endorsements, hostCrls: genoa.crls },
      })),
    },
    code: 'SNP_CRL_ISSUER',
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
