import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { verifyTdx } from '../../attestation/appraisal/verify-tdx.js';
import { fromHex } from '../../attestation/encoding/bytes.js';
import { encodeTdxQuote, parseTdxQuote } from '../../attestation/evidence/tdx-quote.js';
import { fetchCrate } from './crate.js';

/** Has genuine quotes among its samples, with collateral of their time. */
const { root, missing: skip } = fetchCrate('dcap-qvl', '0.7.1');
const sample = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(join(root, 'sample', name)));
const collateralOf = (name: string): Uint8Array => sample(`${name}_collateral.json`);

for (const [name, at, kind, status] of [
  ['tdx_quote', '2025-06-25T00:00:00Z', 'TD 1.0', 'UpToDate'],
  ['tdx_quote_outdated', '2026-03-01T00:00:00Z', 'TD 1.0', 'TCB_NOT_SUPPORTED'],
  ['tdx_quote_td15ex', '2026-10-20T00:00:00Z', 'TD 1.5 extended', 'UpToDate'],
] as const) {
  test(`${name}: ${kind}, ${status}`, { skip }, async () => {
    const quote = sample(name);
    assert.deepEqual(encodeTdxQuote(parseTdxQuote(quote)), quote);
    const result = await verifyTdx(quote, collateralOf(name), {}, { at: new Date(at) });
    assert.equal(result.tcb?.status, status);
    const known = status === 'UpToDate';
    assert.equal(result.authentic, known);
    assert.equal(result.code, known ? 'tdx.measurement' : 'TDX_TCB_NOT_SUPPORTED');
    if (known) assert.equal(result.claims['tdReport'], kind);
  });
}

test('an extended body is signed to its last byte', { skip }, async () => {
  const at = new Date('2026-10-20T00:00:00Z');
  const collateral = collateralOf('tdx_quote_td15ex');
  for (const offset of [54 + 648, 54 + 649, 54 + 884]) {
    const changed = sample('tdx_quote_td15ex').map((byte, i) => (i === offset ? byte ^ 1 : byte));
    const { code } = await verifyTdx(changed, collateral, {}, { at });
    assert.equal(code, 'TDX_QUOTE_SIGNATURE', `byte ${offset}`);
  }
});

test('quotes without collateral hold, and stay unchecked', { skip }, async () => {
  for (const name of ['tdx-quote.hex', 'quote-from-tappd.hex']) {
    const hex = new TextDecoder().decode(sample(name)).trim().replace(/^0x/, '');
    const at = new Date('2025-06-25T00:00:00Z');
    const { code, trustAnchor } = await verifyTdx(fromHex(hex), undefined, {}, { at });
    assert.equal(code, 'ENDORSEMENTS_MISSING', name);
    assert.equal(trustAnchor?.source, 'pinned', name);
  }
});

test('a genuine SGX quote is refused by name', { skip }, async () => {
  const at = new Date('2025-06-25T00:00:00Z');
  const { code } = await verifyTdx(sample('sgx_quote'), collateralOf('sgx_quote'), {}, { at });
  assert.equal(code, 'TDX_QUOTE_SGX');
});
