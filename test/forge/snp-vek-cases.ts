import { derIa5, derInteger } from '../../enclave/platform/simulator/amd.js';
import { forgedKey } from './amd.js';
import { ARC, added, type Change, extensions, replaced, without } from './certificate-changes.js';
import type { ForgedCase } from './snp-report-cases.js';

const p256 = (await forgedKey('amd-vcek-p256', 'p-256')).publicKey;

/** Extensions of Milan as those of struct version 1, under this product name. */
const inFormOfTurin =
  (product: string): Change =>
  (template) =>
    [
      replaced('2', derIa5(product)),
      replaced('1', derInteger(1)),
      without('3.4'),
      added({ oid: `${ARC}.3.9`, value: derInteger(0) }),
      replaced('4', new Uint8Array(8)),
    ].reduce((changed, change) => change(changed), template);

/** VCEK and VLEK certificates that are wrong in AMD's extensions or their key. */
export const vekExtensions: ForgedCase[] = [
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
    ['product name with a word before it', replaced('2', derIa5('AMD Milan-B0'))],
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
    name: 'VCEK of more than 16 KiB',
    fault: { vek: added({ oid: '1.2.3.4', value: new Uint8Array(16 * 1024) }) },
    code: 'X509_CERTIFICATE',
  },
  {
    name: 'VCEK for Genoa under the ASK of Milan',
    fault: { version: 2, vek: replaced('2', derIa5('Genoa')) },
    code: 'SNP_ROOT_UNTRUSTED',
  },
  {
    name: 'VCEK of an unknown product line',
    fault: { version: 2, vek: inFormOfTurin('Florence') },
    code: 'SNP_PRODUCT_UNKNOWN',
  },
  ...(['Milan', 'Genoa', 'turin'] as const).map((product) => ({
    name: `VCEK of ${product} in the form of Turin`,
    fault: { version: 2 as const, vek: inFormOfTurin(product) },
    code: 'SNP_CERTIFICATE_EXTENSION',
  })),
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
