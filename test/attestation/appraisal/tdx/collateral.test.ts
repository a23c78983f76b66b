import { join } from 'node:path';
import { fromHex, toHex } from '../../../../attestation/encoding/bytes.js';
import { toPem } from '../../../../attestation/encoding/pem.js';
import type { CollateralText } from '../../../../attestation/endorsements/intel.js';
import {
  type CertificateTemplate,
  type Issuer,
  issueCertificate,
  issueCrl,
} from '../../../../enclave/platform/simulator/certificates.js';
import { intelHierarchy, intelName } from '../../../../enclave/platform/simulator/intel.js';
import {
  forgedIntel,
  forgeTdx,
  type IntelFault,
  strangerIssuer,
  strangerKey,
} from '../../../forge/intel.js';
import { set } from '../../../forge/json.js';
import { type TdxCase, tdxCases } from '../../../forge/tdx-case.js';
import { repositoryRoot } from '../../../vectors.js';

const box = await forgedIntel();
const stranger = await strangerIssuer(box.root.issuer.name);
const processorName = intelName('Intel SGX PCK Processor CA');
const FORMAT = 'COLLATERAL_FORMAT';
const DOCUMENTS = ['tcbInfo', 'qeIdentity'] as const;
const member = (name: keyof CollateralText, value: string): IntelFault => ({
  collateral: (collateral) => ({ ...collateral, [name]: value }),
});

tdxCases('TCB info speaks for the platform', [
  { name: 'FMSPC', fault: { platform: { fmspc: '00906ed50000' } }, code: 'COLLATERAL_FMSPC' },
  { name: 'PCEID', fault: { platform: { pceId: '0100' } }, code: 'COLLATERAL_PCEID' },
  {
    name: 'TCB info for another FMSPC',
    fault: { tcbInfo: set('fmspc', '00906ED50000') },
    code: 'COLLATERAL_FMSPC',
  },
  {
    name: 'TCB info for another PCEID',
    fault: { tcbInfo: set('pceId', '0100') },
    code: 'COLLATERAL_PCEID',
  },
]);

tdxCases('chains of collateral are as long as chains are', [
  ...(['pck_crl_issuer_chain', 'tcb_info_issuer_chain'] as const).map(
    (name): TdxCase => ({
      name,
      fault: {
        collateral: (all) => ({ ...all, [name]: all[name].padEnd(64 * 1024 + 1, '\n') }),
      },
      code: FORMAT,
    }),
  ),
]);

const [before, after] = ['2026-11-20T23:59:59Z', '2026-11-21T00:00:01Z'];
tdxCases('collateral holds at the time', [
  ...DOCUMENTS.flatMap((document): TdxCase[] => [
    {
      name: `${document} not yet`,
      fault: { [document]: set('issueDate', after) },
      code: 'COLLATERAL_NOT_YET_VALID',
    },
    {
      name: `${document} no longer`,
      fault: { [document]: set('nextUpdate', before) },
      code: 'COLLATERAL_EXPIRED',
    },
    {
      name: `${document} to the second`,
      fault: {
        [document]: set('nextUpdate', '2026-11-21T00:00:00Z'),
      },
      code: null,
    },
  ]),
  ...(['rootCrl', 'pckCrl'] as const).flatMap((crl): TdxCase[] => [
    {
      name: `${crl} not yet`,
      fault: { [crl]: { thisUpdate: new Date(after) } },
      code: 'COLLATERAL_NOT_YET_VALID',
    },
    {
      name: `${crl} no longer`,
      fault: { [crl]: { nextUpdate: new Date(before) } },
      code: 'COLLATERAL_EXPIRED',
    },
  ]),
]);

const dated = { thisUpdate: new Date('2024-01-01T00:00:00Z'), revoked: [] };
const current = { ...dated, nextUpdate: new Date('2049-01-01T00:00:00Z') };
const strangerCrl = toHex(await issueCrl(current, stranger));
const strangerPckCrl = toHex(
  await issueCrl(current, { ...stranger, name: box.platformCa.issuer.name }),
);
const namelessCrl = toHex(
  await issueCrl(current, {
    ...box.platformCa.issuer,
    name: processorName,
  }),
);
const endlessCrl = toHex(await issueCrl(dated, box.root.issuer));
const deltaCrl = toHex(
  await issueCrl(
    {
      ...current,
      extensions: [{ oid: '2.5.29.27', critical: true, value: Uint8Array.of(2, 1, 1) }],
    },
    box.root.issuer,
  ),
);
const rootCrl = toHex(await issueCrl(current, box.root.issuer));
const pckCrl = toHex(await issueCrl(current, box.platformCa.issuer));

const pemOf = {
  root_ca_crl: toPem(fromHex(rootCrl), 'X509 CRL'),
  pck_crl: toPem(fromHex(pckCrl), 'X509 CRL'),
};

tdxCases('revocation lists are genuine, whole and the right ones', [
  ...(['root_ca_crl', 'pck_crl'] as const).flatMap((name): TdxCase[] => [
    { name: `${name} empty`, fault: member(name, ''), code: 'CRL_FORMAT' },
    { name: `${name} is garbage`, fault: member(name, 'deadbeef'), code: 'CRL_FORMAT' },
    { name: `${name} is no hexadecimal`, fault: member(name, 'zz'), code: FORMAT },
    { name: `${name} cut off`, fault: member(name, rootCrl.slice(0, -2)), code: 'CRL_FORMAT' },
    {
      name: `${name} with trailing data`,
      fault: member(name, `${rootCrl}00`),
      code: 'CRL_FORMAT',
    },
    { name: `${name} in PEM`, fault: member(name, pemOf[name]), code: null },
    { name: `${name} in PEM, twice`, fault: member(name, pemOf[name].repeat(2)), code: FORMAT },
    {
      name: `${name} in PEM with text behind it`,
      fault: member(name, `${pemOf[name]}garbage`),
      code: FORMAT,
    },
  ]),
  {
    name: 'root CA CRL signed by a stranger',
    fault: member('root_ca_crl', strangerCrl),
    code: 'COLLATERAL_CRL_SIGNATURE',
  },
  {
    name: 'PCK CRL signed by a stranger',
    fault: member('pck_crl', strangerPckCrl),
    code: 'COLLATERAL_CRL_SIGNATURE',
  },
  {
    name: 'PCK CRL in the place of the root’s',
    fault: member('root_ca_crl', pckCrl),
    code: 'COLLATERAL_CRL_ISSUER',
  },
  {
    name: 'root CA CRL in the place of the PCK’s',
    fault: member('pck_crl', rootCrl),
    code: 'COLLATERAL_CRL_ISSUER',
  },
  {
    name: 'PCK CRL of another CA by name',
    fault: member('pck_crl', namelessCrl),
    code: 'COLLATERAL_CRL_ISSUER',
  },
  { name: 'CRL without an end', fault: member('root_ca_crl', endlessCrl), code: 'CRL_FORMAT' },
  { name: 'delta CRL', fault: member('root_ca_crl', deltaCrl), code: 'CRL_FORMAT' },
]);

const { publicKey } = await strangerKey();
const processorCa: CertificateTemplate = {
  ...box.platformCa.template,
  subject: processorName,
  publicKey,
};
const processorCaDer = await issueCertificate(processorCa, box.root.issuer);
const strangerCa = { ...box.platformCa.template, publicKey };
const strangerCaDer = await issueCertificate(strangerCa, stranger);

/** The PCK CRL and its chain are those of this authority, whose key is the stranger's. */
const crlOf = (der: Uint8Array<ArrayBuffer>, name: Issuer['name']): IntelFault => ({
  signers: (intel) => ({
    ...intel,
    platformCa: { ...intel.platformCa, der, issuer: { ...stranger, name } },
  }),
});

tdxCases('the PCK CRL is of the CA that issued the PCK certificate', [
  {
    name: 'the Processor CA’s CRL, with its chain, for a Platform CA’s certificate',
    fault: crlOf(processorCaDer, processorName),
    code: 'COLLATERAL_CRL_ISSUER',
  },
  {
    name: 'CRL of a stranger who certified himself in the Platform CA’s name',
    fault: crlOf(strangerCaDer, box.platformCa.issuer.name),
    code: 'TDX_CERTIFICATE_SIGNATURE',
  },
]);

const SIGNATURE = 'COLLATERAL_SIGNATURE';
tdxCases('documents are signed as they stand', [
  ...(['tcb_info_signature', 'qe_identity_signature'] as const).flatMap((name): TdxCase[] => [
    { name: `${name} of zeros`, fault: member(name, '00'.repeat(64)), code: SIGNATURE },
    { name: `${name} of 63 bytes`, fault: member(name, '00'.repeat(63)), code: FORMAT },
    { name: `${name} is no hexadecimal`, fault: member(name, 'zz'.repeat(64)), code: FORMAT },
  ]),
  {
    name: 'TCB info changed after it was signed',
    fault: {
      collateral: (collateral) => ({
        ...collateral,
        tcb_info: set('tcbEvaluationDataNumber', 99)(collateral.tcb_info),
      }),
    },
    code: SIGNATURE,
  },
  {
    name: 'TCB info in other white space than was signed',
    fault: {
      collateral: (collateral) => ({
        ...collateral,
        tcb_info: JSON.stringify(JSON.parse(collateral.tcb_info), null, 1),
      }),
    },
    code: SIGNATURE,
  },
  {
    name: 'QE identity changed after it was signed',
    fault: {
      collateral: (collateral) => ({
        ...collateral,
        qe_identity: set('tcbEvaluationDataNumber', 99)(collateral.qe_identity),
      }),
    },
    code: SIGNATURE,
  },
  {
    name: 'signatures swapped',
    fault: {
      collateral: (collateral) => ({
        ...collateral,
        tcb_info_signature: collateral.qe_identity_signature,
        qe_identity_signature: collateral.tcb_info_signature,
      }),
    },
    code: SIGNATURE,
  },
  {
    name: 'signed by the PCK CA',
    fault: {
      signers: (intel) => ({
        ...intel,
        tcbSigning: { ...intel.tcbSigning, issuer: intel.platformCa.issuer },
      }),
    },
    code: SIGNATURE,
  },
  {
    name: 'signed by the root',
    fault: {
      signers: (intel) => ({
        ...intel,
        tcbSigning: { ...intel.tcbSigning, issuer: intel.root.issuer },
      }),
    },
    code: SIGNATURE,
  },
]);

const other = await intelHierarchy(join(repositoryRoot, 'build', '.other-simulator-keys'));
const { collateral: genuine } = await forgeTdx();
tdxCases('another root that the caller trusts may not speak for the platform', [
  {
    name: 'collateral under the root of another simulator',
    fault: {
      signers: () => other,
      collateral: (collateral) =>
        typeof genuine === 'object' && 'root_ca_crl' in genuine
          ? { ...collateral, root_ca_crl: genuine.root_ca_crl }
          : collateral,
      roots: ({ root }) => [root.der, other.root.der],
    },
    code: 'TDX_ROOT_UNTRUSTED',
  },
]);
