import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TdxCache } from '../../../../attestation/appraisal/tdx-cache.js';
import { verifyTdx } from '../../../../attestation/appraisal/verify-tdx.js';
import { fromHex } from '../../../../attestation/encoding/bytes.js';
import { parseTdxQuote } from '../../../../attestation/evidence/tdx-quote.js';
import { extended, forgeTdx, type IntelFault } from '../../../forge/intel.js';
import { type TdxCase, tdxCases } from '../../../forge/tdx-case.js';

/** Overwrites bytes of the encoded quote; negative offsets count from its end. */
const patch =
  (offset: number, hex: string): NonNullable<IntelFault['bytes']> =>
  (quote) => {
    const bytes = new Uint8Array(quote);
    bytes.set(fromHex(hex), offset < 0 ? bytes.length + offset : offset);
    return bytes;
  };
const flip =
  (offset: number): NonNullable<IntelFault['bytes']> =>
  (quote) => {
    const bytes = new Uint8Array(quote);
    bytes[offset] = (bytes[offset] ?? 0) ^ 1;
    return bytes;
  };
const truncate =
  (length: number): NonNullable<IntelFault['bytes']> =>
  (quote) =>
    quote.slice(0, length);

const broken = (
  name: string,
  bytes: NonNullable<IntelFault['bytes']>,
  code: string,
  version: 4 | 5 = 4,
): TdxCase => ({ name, fault: { version, bytes }, code });

/** Offsets in a version 4 quote: header 0, body 48, signature data size 632, signature data 636. */
const SIGNATURE_DATA = 636;
const QE_DATA = SIGNATURE_DATA + 64 + 64;
const QE_REPORT = QE_DATA + 6;
const AUTHENTICATION = QE_REPORT + 384 + 64;
const PCK_DATA = AUTHENTICATION + 2 + 32;

tdxCases('a flawless quote has no fault', [
  { name: 'version 4', code: null, status: 'UpToDate' },
  { name: 'version 5, TD 1.5', fault: { version: 5 }, code: null, status: 'UpToDate' },
  {
    name: 'version 5, TD 1.0',
    fault: { version: 5, report: (report) => ({ ...report, td15: undefined }) },
    code: null,
  },
  {
    name: 'version 5, TD 1.5 extended',
    fault: { version: 5, report: extended() },
    code: null,
    status: 'UpToDate',
  },
  { name: 'no authentication data', fault: { qeAuthenticationData: new Uint8Array() }, code: null },
  {
    name: 'much authentication data',
    fault: { qeAuthenticationData: new Uint8Array(65535).fill(7) },
    code: null,
  },
  { name: 'zero padding', fault: { padding: 4000 }, code: null },
]);

tdxCases('a quote that is not of this kind is named for what it is', [
  broken('version 3 (SGX)', patch(0, '0300'), 'TDX_QUOTE_SGX'),
  broken('TEE type SGX', patch(4, '00000000'), 'TDX_QUOTE_SGX'),
  broken('body type SGX', patch(48, '0100'), 'TDX_QUOTE_SGX', 5),
  broken('an SEV-SNP report of version 3', patch(0, '03000000'), 'TDX_QUOTE_VERSION'),
  broken('version 0', patch(0, '0000'), 'TDX_QUOTE_VERSION'),
  broken('version 6', patch(0, '0600'), 'TDX_QUOTE_VERSION'),
  broken('version 0x0104', patch(0, '0401'), 'TDX_QUOTE_VERSION'),
  broken('another TEE', patch(4, '82000000'), 'TDX_QUOTE_TEE_TYPE'),
  broken('attestation key P-384', patch(2, '0300'), 'TDX_QUOTE_KEY_TYPE'),
  broken('vendor of the quoting enclave', flip(12), 'TDX_QUOTE_VENDOR'),
  broken('body type 5', patch(48, '0500'), 'TDX_QUOTE_BODY', 5),
  broken('extended TD 1.5 with the size of TD 1.5', patch(48, '0400'), 'TDX_QUOTE_BODY', 5),
  broken('TD 1.5 with the size of TD 1.0', patch(50, '48020000'), 'TDX_QUOTE_BODY', 5),
  broken('TD 1.0 with the size of TD 1.5', patch(48, '0200'), 'TDX_QUOTE_BODY', 5),
]);

tdxCases('every length of a quote is bounded', [
  broken('empty', truncate(0), 'TDX_QUOTE_FORMAT'),
  broken('within the version', truncate(1), 'TDX_QUOTE_FORMAT'),
  broken('within the header', truncate(47), 'TDX_QUOTE_FORMAT'),
  broken('within the descriptor', truncate(50), 'TDX_QUOTE_FORMAT', 5),
  broken('within the body', truncate(631), 'TDX_QUOTE_FORMAT'),
  broken('within the size of the signature data', truncate(635), 'TDX_QUOTE_FORMAT'),
  broken('without signature data', truncate(636), 'TDX_QUOTE_FORMAT'),
  broken('within the chain', (quote) => quote.slice(0, -1), 'TDX_QUOTE_FORMAT'),
  broken('signature data of 4 GiB', patch(632, 'ffffffff'), 'TDX_QUOTE_FORMAT'),
  broken('QE data of 4 GiB', patch(QE_DATA + 2, 'ffffffff'), 'TDX_QUOTE_FORMAT'),
  broken('authentication data to the end', patch(AUTHENTICATION, 'ffff'), 'TDX_QUOTE_FORMAT'),
  broken('chain of 4 GiB', patch(PCK_DATA + 2, 'ffffffff'), 'TDX_QUOTE_FORMAT'),
  broken('chain shorter than its data', patch(PCK_DATA + 2, '01000000'), 'TDX_QUOTE_FORMAT'),
  broken(
    'larger than any quote',
    (quote) => {
      const bytes = new Uint8Array(200_000);
      bytes.set(quote);
      return bytes;
    },
    'TDX_QUOTE_FORMAT',
  ),
]);

tdxCases('nothing but zeros may follow a quote', [
  broken('one byte', (quote) => Uint8Array.from([...quote, 1]), 'TDX_QUOTE_TRAILING'),
  broken(
    'a byte behind padding',
    (quote) => Uint8Array.from([...quote, ...new Uint8Array(100), 1]),
    'TDX_QUOTE_TRAILING',
  ),
  broken('a second quote', (quote) => Uint8Array.from([...quote, ...quote]), 'TDX_QUOTE_TRAILING'),
]);

tdxCases('certification data is of type 6 around type 5', [
  ...[0, 1, 2, 3, 4, 5, 7, 8].map((type) =>
    broken(`outer type ${type}`, patch(QE_DATA, `0${type}00`), 'TDX_QUOTE_CERTIFICATION'),
  ),
  ...[0, 1, 2, 3, 4, 6, 7, 8].map((type) =>
    broken(`inner type ${type}`, patch(PCK_DATA, `0${type}00`), 'TDX_QUOTE_CERTIFICATION'),
  ),
]);

tdxCases('every signed byte counts', [
  broken('header, QE SVN', flip(8), 'TDX_QUOTE_SIGNATURE'),
  broken('header, user data', flip(28), 'TDX_QUOTE_SIGNATURE'),
  broken('TEE_TCB_SVN', flip(48 + 2), 'TDX_QUOTE_SIGNATURE'),
  broken('MRSEAM', flip(48 + 16), 'TDX_QUOTE_SIGNATURE'),
  broken('TDATTRIBUTES', flip(48 + 120), 'TDX_QUOTE_SIGNATURE'),
  broken('MRTD', flip(48 + 136), 'TDX_QUOTE_SIGNATURE'),
  broken('RTMR3', flip(48 + 472), 'TDX_QUOTE_SIGNATURE'),
  broken('REPORTDATA', flip(48 + 583), 'TDX_QUOTE_SIGNATURE'),
  broken('MRSERVICETD', flip(48 + 6 + 647), 'TDX_QUOTE_SIGNATURE', 5),
  broken('signature', flip(SIGNATURE_DATA), 'TDX_QUOTE_SIGNATURE'),
  broken('signature of zeros', patch(SIGNATURE_DATA, '00'.repeat(64)), 'TDX_QUOTE_SIGNATURE'),
  broken('attestation key', flip(SIGNATURE_DATA + 64), 'TDX_ATTESTATION_KEY'),
  broken('QE report, CPUSVN', flip(QE_REPORT), 'TDX_QE_REPORT_SIGNATURE'),
  broken('QE report, reserved', flip(QE_REPORT + 20), 'TDX_QE_REPORT_SIGNATURE'),
  broken('QE report, REPORTDATA', flip(QE_REPORT + 320), 'TDX_ATTESTATION_KEY'),
  broken('QE report, upper REPORTDATA', flip(QE_REPORT + 383), 'TDX_ATTESTATION_KEY'),
  broken('QE report signature', flip(QE_REPORT + 384), 'TDX_QE_REPORT_SIGNATURE'),
  broken('authentication data', flip(AUTHENTICATION + 2), 'TDX_ATTESTATION_KEY'),
  {
    name: 'authentication data cut off',
    fault: {
      members: (members) => ({ ...members, qeAuthenticationData: new Uint8Array(31).fill(3) }),
    },
    code: 'TDX_ATTESTATION_KEY',
  },
  {
    name: 'the last byte of an extended body',
    fault: {
      version: 5,
      report: extended(),
      bytes: (quote) => quote.map((byte, i) => (i === 48 + 6 + 884 ? byte ^ 1 : byte)),
    },
    code: 'TDX_QUOTE_SIGNATURE',
  },
  {
    name: 'body of version 5 relabelled as version 4',
    fault: {
      version: 5,
      report: (report) => ({ ...report, td15: undefined }),
      members: (members) => ({ ...members, header: { ...members.header, version: 4 } }),
    },
    code: 'TDX_QUOTE_SIGNATURE',
  },
]);

test('no bit of the unsigned text around the certificates can be flipped', async () => {
  const { quote, collateral, roots } = await forgeTdx({ padding: 3 });
  const options = { at: new Date('2026-11-21T00:00:00Z'), roots, cache: new TdxCache() };
  const chain = parseTdxQuote(quote).pckChain.byteOffset - quote.byteOffset;
  const text = new TextDecoder('windows-1252').decode(quote.subarray(chain));
  const unsigned = [...text.matchAll(/\n|\0|-----[A-Z ]+-----/g)].flatMap(({ 0: part, index }) =>
    Array.from(part, (_, i) => chain + index + i),
  );
  assert.ok(unsigned.length > 200);
  for (const offset of unsigned) {
    for (let bit = 0; bit < 8; bit++) {
      const bytes = new Uint8Array(quote);
      bytes[offset] = (bytes[offset] ?? 0) ^ (1 << bit);
      const { authentic } = await verifyTdx(bytes, collateral, {}, options);
      assert.equal(authentic, false, `bit ${bit} of byte ${offset}`);
    }
  }
});
