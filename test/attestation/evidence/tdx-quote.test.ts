import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { tdReportKind } from '../../../attestation/evidence/td-report.js';
import { encodeTdxQuote, parseTdxQuote } from '../../../attestation/evidence/tdx-quote.js';
import { extended, forgeTdx } from '../../forge/intel.js';
import { vectorCases, vectorFile, withoutVectors } from '../../vectors.js';

interface ExpectedQuote {
  readonly quote: {
    readonly version: number;
    readonly bodyType: number;
    readonly teeTcbSvn: string;
    readonly teeTcbSvn2?: string;
    readonly mrServiceTd?: string;
    readonly tdAttr: string;
    readonly xfam: string;
    readonly qeIsvSvn: number;
  };
}

test('genuine quotes parse to the claims that are known of them', { skip: withoutVectors }, () => {
  for (const name of vectorCases('tdx')) {
    const quote = parseTdxQuote(vectorFile('tdx', name, 'quote.bin'));
    const { quote: expected } = JSON.parse(
      vectorFile('tdx', name, 'case.json').toString(),
    ) as ExpectedQuote;
    assert.equal(quote.header.version, expected.version, name);
    assert.equal(quote.report.td15 === undefined ? 2 : 3, expected.bodyType, name);
    assert.equal(toHex(quote.report.teeTcbSvn), expected.teeTcbSvn, name);
    assert.equal(toHex(quote.report.tdAttributes), expected.tdAttr, name);
    assert.equal(toHex(quote.report.xfam), expected.xfam, name);
    assert.equal(quote.qeReport.isvSvn, expected.qeIsvSvn, name);
    if (quote.report.td15 !== undefined) {
      assert.equal(toHex(quote.report.td15.teeTcbSvn2), expected.teeTcbSvn2, name);
      assert.equal(toHex(quote.report.td15.mrServiceTd), expected.mrServiceTd, name);
    }
  }
});

test('genuine quotes re-encode to the same bytes', { skip: withoutVectors }, () => {
  for (const name of vectorCases('tdx')) {
    const bytes = vectorFile('tdx', name, 'quote.bin');
    assert.deepEqual(encodeTdxQuote(parseTdxQuote(bytes)), new Uint8Array(bytes), name);
    const padded = new Uint8Array(bytes.length + 3000);
    padded.set(bytes);
    assert.deepEqual(encodeTdxQuote(parseTdxQuote(padded)), padded, name);
  }
});

test('an extended TD 1.5 body re-encodes to the same bytes, each field in its place', async () => {
  const { quote: bytes } = await forgeTdx({
    version: 5,
    report: extended({ vmId: 2, currentServiceTdAttributes: new Uint8Array(8).fill(0x17) }),
  });
  const { report } = parseTdxQuote(bytes);
  const body = bytes.subarray(54, 54 + 885);
  assert.deepEqual([...bytes.subarray(48, 54)], [4, 0, 0x75, 3, 0, 0]);
  assert.equal(tdReportKind(report), 'TD 1.5 extended');
  assert.equal(body[648], 2);
  assert.equal(toHex(body.subarray(649, 681)), '1d'.repeat(32));
  assert.equal(toHex(body.subarray(785, 801)), '0c'.repeat(16));
  assert.equal(toHex(body.subarray(817, 829)), '0f'.repeat(12));
  assert.equal(toHex(body.subarray(877)), '17'.repeat(8));
  assert.deepEqual(encodeTdxQuote(parseTdxQuote(bytes)), new Uint8Array(bytes));
});
