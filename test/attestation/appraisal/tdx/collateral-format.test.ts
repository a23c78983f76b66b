import { concat, utf8 } from '../../../../attestation/encoding/bytes.js';
import type { CollateralText } from '../../../../attestation/endorsements/intel.js';
import type { IntelFault } from '../../../forge/intel.js';
import { all, each, remove, set } from '../../../forge/json.js';
import { type TdxCase, tdxCases } from '../../../forge/tdx-case.js';

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

tdxCases('the collateral file is strict JSON with nine members, or ten', [
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
  ...[1, null, []].map((value) => ({
    name: `pck_certificate_chain is ${JSON.stringify(value)}`,
    fault: file(set('pck_certificate_chain', value)),
    code: FORMAT,
  })),
  { name: 'unknown member', fault: file(set('pck_certificate', '')), code: FORMAT },
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
  wrong('tcbLevels.0.tcb.sgxtcbcomponents.0.svn', 1.5),
  wrong('tcbLevels.0.tcb.sgxtcbcomponents.0.svn', '3'),
  wrong('tcbLevels.0.tcb.sgxtcbcomponents.0.category', 1),
  wrong('tcbLevels.0.tcb.sgxtcbcomponents.0.type', null),
  wrong('tcbLevels.0.tcb.sgxtcbcomponents.0', null),
  wrong('tcbLevels.0.tcb.tdxtcbcomponents.0.svn', -1),
  wrong('tdxModuleIdentities.0.tcbLevels.0.tcb.isvsvn', 65536),
  ...(
    [
      ['tcbLevels.0.tcb.sgxtcbcomponents.0.svn', 255],
      ['tcbLevels.0.tcb.pcesvn', 65535],
      ['tdxModuleIdentities.0.tcbLevels.0.tcb.isvsvn', 65535],
    ] as const
  ).map(([path, highest]) => ({
    name: `${path} = ${highest}, the highest`,
    fault: { tcbInfo: set(path, highest) },
    code: 'TDX_TCB_NOT_SUPPORTED',
  })),
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
    name: 'one of two levels of a module with a status of platforms',
    fault: {
      tcbInfo: all(
        each('tdxModuleIdentities.0.tcbLevels', ([level]) => [level ?? null, level ?? null]),
        set('tdxModuleIdentities.0.tcbLevels.1.tcb.isvsvn', 0),
        set('tdxModuleIdentities.0.tcbLevels.1.tcbStatus', 'ConfigurationNeeded'),
      ),
    },
    code: FORMAT,
  },
  {
    name: 'two levels for one TCB',
    fault: {
      tcbInfo: all(
        each('tcbLevels', ([level]) => [level ?? null, level ?? null]),
        set('tcbLevels.1.tcbStatus', 'OutOfDate'),
      ),
    },
    code: FORMAT,
  },
  {
    name: 'two levels for one ISVSVN of a module',
    fault: {
      tcbInfo: each('tdxModuleIdentities.0.tcbLevels', ([level]) => [level ?? null, level ?? null]),
    },
    code: FORMAT,
  },
  {
    name: 'two identities of one module, in other letters',
    fault: {
      tcbInfo: all(
        each('tdxModuleIdentities', ([identity]) => [identity ?? null, identity ?? null]),
        set('tdxModuleIdentities.1.id', 'tdx_01'),
      ),
    },
    code: FORMAT,
  },
  {
    name: 'two levels for one ISVSVN of the quoting enclave',
    fault: { qeIdentity: each('tcbLevels', ([level]) => [level ?? null, level ?? null]) },
    code: FORMAT,
  },
  {
    name: '17 components',
    fault: {
      tcbInfo: each('tcbLevels.0.tcb.sgxtcbcomponents', (items) => [...items, items[0] ?? null]),
    },
    code: FORMAT,
  },
]);
