import { fromHex } from '../../../../attestation/encoding/bytes.js';
import type { TdReport } from '../../../../attestation/evidence/td-report.js';
import { type TdxCase, tdxCases } from '../../../forge/tdx-case.js';

const attributes = (hex: string) => (report: TdReport) => ({
  ...report,
  tdAttributes: fromHex(hex),
});
const xfam = (hex: string) => (report: TdReport) => ({ ...report, xfam: fromHex(hex) });

const service = fromHex('cd'.repeat(48));
const withService = (report: TdReport): TdReport => ({
  ...report,
  td15: { teeTcbSvn2: report.teeTcbSvn, mrServiceTd: service },
});

const TUD = [1, 2, 3, 4, 5, 6, 7].map((bit) => ({
  bit,
  hex: `${(1 << bit).toString(16).padStart(2, '0')}00001000000000`,
}));

const rejected = (name: string, hex: string, code: string): TdxCase => ({
  name,
  fault: { report: attributes(hex) },
  code: `tdx.attributes.${code}`,
});

tdxCases('TDATTRIBUTES are strict by default', [
  rejected('DEBUG', '0100001000000000', 'debug'),
  ...TUD.map(({ bit, hex }) => rejected(`reserved bit ${bit} of TUD`, hex, 'debug')),
  rejected('reserved bit 8', '0001001000000000', 'unknown'),
  rejected('reserved bit 26', '0000001400000000', 'unknown'),
  rejected('MIGRATABLE', '0000003000000000', 'migratable'),
  rejected('SEPT_VE_DISABLE clear', '0000000000000000', 'sept-ve-disable'),
  rejected('reserved bit 32', '0000001001000000', 'unknown'),
  rejected('reserved bit 62', '0000001000000040', 'unknown'),
  {
    name: 'LASS, PKS, KL and PERFMON',
    fault: { report: attributes('000000d800000080') },
    code: null,
  },
]);

tdxCases('each waiver is shown, and waives nothing else', [
  {
    name: 'DEBUG',
    fault: { report: attributes('0100001000000000') },
    policy: { attributes: { allowDebug: true } },
    code: null,
    waived: ['tdx.attributes.debug'],
  },
  {
    name: 'MIGRATABLE',
    fault: { report: attributes('0000003000000000') },
    policy: { attributes: { allowMigratable: true } },
    code: null,
    waived: ['tdx.attributes.migratable'],
  },
  {
    name: 'SEPT_VE_DISABLE',
    fault: { report: attributes('0000000000000000') },
    policy: { attributes: { allowSeptVe: true } },
    code: null,
    waived: ['tdx.attributes.sept-ve-disable'],
  },
  {
    name: 'unknown bits',
    fault: { report: attributes('0001001000000000') },
    policy: { attributes: { allowUnknownBits: true } },
    code: null,
    waived: ['tdx.attributes.unknown'],
  },
  ...TUD.flatMap(({ bit, hex }) => [
    {
      name: `reserved bit ${bit} of TUD by allowDebug`,
      fault: { report: attributes(hex) },
      policy: { attributes: { allowDebug: true } },
      code: null,
      waived: ['tdx.attributes.debug'],
    },
    {
      name: `reserved bit ${bit} of TUD not by allowUnknownBits`,
      fault: { report: attributes(hex) },
      policy: { attributes: { allowUnknownBits: true } },
      code: 'tdx.attributes.debug',
    },
  ]),
  {
    name: 'DEBUG allowed, SEPT_VE_DISABLE clear',
    fault: { report: attributes('0000000000000000') },
    policy: { attributes: { allowDebug: true } },
    code: 'tdx.attributes.sept-ve-disable',
  },
  {
    name: 'a service TD that the policy expects',
    fault: { version: 5, report: withService },
    policy: { mrServiceTd: ['cd'.repeat(48)] },
    code: null,
  },
  {
    name: 'a service TD that it does not',
    fault: { version: 5, report: withService },
    code: 'tdx.mr-service-td',
  },
]);

tdxCases('bits that the policy wants', [
  {
    name: 'PKS required',
    policy: { attributes: { require: ['PKS'] } },
    code: 'tdx.attributes.require.pks',
  },
  {
    name: 'KL forbidden',
    fault: { report: attributes('0000009000000000') },
    policy: { attributes: { forbid: ['KL'] } },
    code: 'tdx.attributes.forbid.kl',
  },
  {
    name: 'PERFMON forbidden',
    fault: { report: attributes('0000001000000080') },
    policy: { attributes: { forbid: ['PERFMON'] } },
    code: 'tdx.attributes.forbid.perfmon',
  },
]);

tdxCases('XFAM', [
  {
    name: 'without x87',
    fault: { report: xfam('e602060000000000') },
    code: 'tdx.xfam.fixed1',
  },
  {
    name: 'without SSE',
    fault: { report: xfam('e502060000000000') },
    code: 'tdx.xfam.fixed1',
  },
  ...['ff02060000000000', 'e706060000000000', 'e702160000000000', 'e702060000000080'].map(
    (hex) => ({
      name: `reserved bit in ${hex}`,
      fault: { report: xfam(hex) },
      code: 'tdx.xfam.fixed0',
    }),
  ),
]);
