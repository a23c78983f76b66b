import { concat, toHex, utf8 } from '../../../../attestation/encoding/bytes.js';
import type { CollateralText } from '../../../../attestation/endorsements/intel.js';
import { issueCrl } from '../../../../enclave/platform/simulator/certificates.js';
import { intelName } from '../../../../enclave/platform/simulator/intel.js';
import { forgedIntel, type IntelFault, strangerIssuer } from '../../../forge/intel.js';
import { each, remove, set } from '../../../forge/json.js';
import { type TdxCase, tdxCases } from '../../../forge/tdx-case.js';

const box = await forgedIntel();
const stranger = await strangerIssuer(box.root.issuer.name);
const FORMAT = 'COLLATERAL_FORMAT';
const JSON_CODE = 'COLLATERAL_JSON';
const MEMBERS: readonly (keyof CollateralText)[] = [
  'pck_crl_issuer_chain',
  'root_ca_crl',
  'pck_crl',
  'tcb_info_issuer_chain',
  'tcb_info',
  'tcb_info_signature',
  'qe_identity_issuer_chain',
  'qe_identity',
  'qe_identity_signature',
];

const file = (change: (text: string) => string | Uint8Array): IntelFault => ({
  file: (collateral) => change(JSON.stringify(collateral)),
});
const member = (name: keyof CollateralText, value: string): IntelFault => ({
  collateral: (collateral) => ({ ...collateral, [name]: value }),
});

tdxCases('the collateral file is strict JSON with nine members', [
  { name: 'as text', fault: file((text) => text), code: null },
  { name: 'as bytes', fault: file(utf8), code: null },
  {
    name: 'with white space',
    fault: file((text) => JSON.stringify(JSON.parse(text), null, 1)),
    code: null,
  },
  ...MEMBERS.map((name) => ({
    name: `${name} missing`,
    fault: file(remove(name)),
    code: FORMAT,
  })),
  ...MEMBERS.map((name) => ({
    name: `${name} is no text`,
    fault: file(set(name, 1)),
    code: FORMAT,
  })),
  { name: 'unknown member', fault: file(set('pck_certificate_chain', '')), code: FORMAT },
  { name: 'a list', fault: file((text) => `[${text}]`), code: FORMAT },
  { name: 'null', fault: file(() => 'null'), code: FORMAT },
  { name: 'empty', fault: file(() => ''), code: JSON_CODE },
  { name: 'trailing data', fault: file((text) => `${text}{}`), code: JSON_CODE },
  { name: 'a byte-order mark', fault: file((text) => `\ufeff${text}`), code: JSON_CODE },
  {
    name: 'malformed UTF-8',
    fault: file((text) => concat(utf8(text.slice(0, -1)), Uint8Array.of(0xff, 0x7d))),
    code: JSON_CODE,
  },
  {
    name: 'a repeated member',
    fault: file((text) => text.replace('{', '{"tcb_info_signature":"00",')),
    code: JSON_CODE,
  },
  {
    name: 'a repeated member, spelt otherwise',
    fault: file((text) => text.replace('{', '{"tcb_info_signatur\\u0065":"00",')),
    code: JSON_CODE,
  },
]);

const DOCUMENTS = ['tcbInfo', 'qeIdentity'] as const;
tdxCases(
  'the signed documents are strict JSON',
  DOCUMENTS.flatMap((document): TdxCase[] => [
    {
      name: `${document} with a repeated member`,
      fault: { [document]: (text: string) => text.replace('{', '{"version":2,') },
      code: JSON_CODE,
    },
    {
      name: `${document} with a repeated member deep inside`,
      fault: {
        [document]: (text: string) => text.replace('"tcbDate":', '"tcbDate":"x","tcbDate":'),
      },
      code: JSON_CODE,
    },
    {
      name: `${document} with trailing data`,
      fault: { [document]: (text: string) => `${text} {}` },
      code: JSON_CODE,
    },
    {
      name: `${document} cut off`,
      fault: { [document]: (text: string) => text.slice(0, -1) },
      code: JSON_CODE,
    },
    { name: `${document} is a list`, fault: { [document]: () => '[]' }, code: FORMAT },
    {
      name: `${document} of another kind`,
      fault: { [document]: set('id', document === 'tcbInfo' ? 'SGX' : 'QE') },
      code: 'COLLATERAL_ID',
    },
    {
      name: `${document} of an older version`,
      fault: { [document]: set('version', document === 'tcbInfo' ? 2 : 1) },
      code: 'COLLATERAL_VERSION',
    },
    {
      name: `${document} with a member that nobody knows`,
      fault: { [document]: set('newMember', true) },
      code: null,
    },
    {
      name: `${document} in other white space`,
      fault: { [document]: (text: string) => JSON.stringify(JSON.parse(text), null, 1) },
      code: null,
    },
  ]),
);

const TCB_INFO = [
  'id',
  'version',
  'issueDate',
  'nextUpdate',
  'fmspc',
  'pceId',
  'tcbType',
  'tcbEvaluationDataNumber',
  'tdxModule',
  'tdxModule.mrsigner',
  'tdxModule.attributes',
  'tdxModule.attributesMask',
  'tdxModuleIdentities.0.id',
  'tdxModuleIdentities.0.mrsigner',
  'tdxModuleIdentities.0.tcbLevels',
  'tdxModuleIdentities.0.tcbLevels.0.tcb.isvsvn',
  'tcbLevels',
  'tcbLevels.0.tcb',
  'tcbLevels.0.tcb.pcesvn',
  'tcbLevels.0.tcb.sgxtcbcomponents',
  'tcbLevels.0.tcb.sgxtcbcomponents.3',
  'tcbLevels.0.tcb.sgxtcbcomponents.3.svn',
  'tcbLevels.0.tcb.tdxtcbcomponents',
  'tcbLevels.0.tcbStatus',
  'tcbLevels.0.tcbDate',
];
const QE_IDENTITY = [
  'id',
  'version',
  'issueDate',
  'nextUpdate',
  'tcbEvaluationDataNumber',
  'miscselect',
  'miscselectMask',
  'attributes',
  'attributesMask',
  'mrsigner',
  'isvprodid',
  'tcbLevels',
  'tcbLevels.0.tcb.isvsvn',
  'tcbLevels.0.tcbStatus',
  'tcbLevels.0.tcbDate',
];
tdxCases('no member of a document may be missing', [
  ...TCB_INFO.map((path) => ({
    name: `TCB info, ${path}`,
    fault: { tcbInfo: remove(path) },
    code: FORMAT,
  })),
  ...QE_IDENTITY.map((path) => ({
    name: `QE identity, ${path}`,
    fault: { qeIdentity: remove(path) },
    code: FORMAT,
  })),
  {
    name: 'TCB info, tdxModuleIdentities of a module that has one',
    fault: { tcbInfo: remove('tdxModuleIdentities') },
    code: 'TDX_MODULE_MISMATCH',
  },
]);

const wrong = (path: string, value: string | number | boolean | null | string[]): TdxCase => ({
  name: `${path} = ${JSON.stringify(value)}`,
  fault: { tcbInfo: set(path, value) },
  code: FORMAT,
});
tdxCases('members have their types and ranges', [
  wrong('tcbType', 1),
  wrong('tcbEvaluationDataNumber', -1),
  wrong('tcbEvaluationDataNumber', 1.5),
  wrong('tcbEvaluationDataNumber', '18'),
  wrong('tcbLevels.0.tcb.pcesvn', 65536),
  wrong('tcbLevels.0.tcb.sgxtcbcomponents.0.svn', 256),
  wrong('tcbLevels.0.tcb.tdxtcbcomponents.0.svn', -1),
  wrong('tcbLevels.0.tcbStatus', 'uptodate'),
  wrong('tcbLevels.0.tcbStatus', 'TDRelaunchAdvised'),
  wrong('tcbLevels.0.tcbDate', '2024-11-13'),
  wrong('tcbLevels.0.tcbDate', '2024-02-30T00:00:00Z'),
  wrong('tcbLevels.0.advisoryIDs', 'INTEL-SA-00615'),
  wrong('issueDate', '2024-01-01T00:00:00+01:00'),
  wrong('nextUpdate', null),
  wrong('fmspc', '53494D5500'),
  wrong('fmspc', '53494D55000G'),
  wrong('pceId', 0),
  wrong('tdxModule.mrsigner', '00'),
  wrong('tcbLevels', []),
  wrong('tdxModuleIdentities.0.tcbLevels', []),
  wrong('tdxModuleIdentities.0.tcbLevels.0.tcbStatus', 'ConfigurationNeeded'),
  {
    name: '17 components',
    fault: {
      tcbInfo: each('tcbLevels.0.tcb.sgxtcbcomponents', (items) => [...items, items[0] ?? null]),
    },
    code: FORMAT,
  },
]);

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
    name: intelName('Intel SGX PCK Processor CA'),
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
