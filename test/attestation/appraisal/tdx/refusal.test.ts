import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TDX_REFERENCES } from '../../../../attestation/appraisal/references-tdx.js';
import { verdictOf } from '../../../../attestation/appraisal/result.js';
import { TdxCache } from '../../../../attestation/appraisal/tdx-cache.js';
import { verifyTdx } from '../../../../attestation/appraisal/verify-tdx.js';
import { forgeTdx, type IntelFault } from '../../../forge/intel.js';
import { set } from '../../../forge/json.js';

const flip = (at: number) => (quote: Uint8Array<ArrayBuffer>) =>
  quote.map((byte, i) => (i === at ? byte ^ 2 : byte));

/** A fault, the code that it is refused with, a word of what was expected, and whose rule that is. */
const CASES: readonly {
  readonly fault: IntelFault;
  readonly code: string;
  readonly expected: RegExp;
  readonly reference: string;
}[] = [
  {
    fault: { bytes: flip(0) },
    code: 'TDX_QUOTE_VERSION',
    expected: /version 4 or 5/,
    reference: TDX_REFERENCES.quote,
  },
  {
    fault: { bytes: flip(48) },
    code: 'TDX_QUOTE_SIGNATURE',
    expected: /attestation key/,
    reference: TDX_REFERENCES.signature,
  },
  {
    fault: { tcbInfo: set('fmspc', '000000000000') },
    code: 'COLLATERAL_FMSPC',
    expected: /FMSPC/,
    reference: TDX_REFERENCES.tcbInfo,
  },
  {
    fault: { pckCrl: { nextUpdate: new Date('2026-11-20T00:00:00Z') } },
    code: 'COLLATERAL_EXPIRED',
    expected: /within their dates/,
    reference: TDX_REFERENCES.dates,
  },
  {
    fault: { platform: { pceSvn: 0 } },
    code: 'TDX_TCB_NOT_SUPPORTED',
    expected: /meets a TCB level/,
    reference: TDX_REFERENCES.tcb,
  },
];

test('a refusal says what was expected, what came, and which document has the rule', async (t) => {
  for (const { fault, code, expected, reference } of CASES) {
    await t.test(code, async () => {
      const { quote, collateral, roots } = await forgeTdx(fault);
      const options = { at: new Date('2026-11-21T00:00:00Z'), roots, cache: new TdxCache() };
      const { summary, checks } = await verifyTdx(quote, collateral, {}, options);
      const [finding] = checks;
      assert.equal(finding?.id, code);
      assert.match(finding.expected, expected);
      assert.equal(finding.reference, reference);
      assert.equal(summary, `The quote is not authentic: ${finding.actual}.`);
    });
  }
});

test('without collateral a quote is unchecked, and refused where it does not hold by itself', async () => {
  for (const [fault, at, code, verdict] of [
    [{}, '2026-11-21T00:00:00Z', 'ENDORSEMENTS_MISSING', 'unchecked'],
    [{ bytes: flip(48) }, '2026-11-21T00:00:00Z', 'TDX_QUOTE_SIGNATURE', 'refused'],
    [{}, '2049-01-01T00:00:01Z', 'TDX_CERTIFICATE_EXPIRED', 'refused'],
  ] as const) {
    const { quote, roots } = await forgeTdx(fault);
    const options = { at: new Date(at), roots, cache: new TdxCache() };
    const result = await verifyTdx(quote, undefined, {}, options);
    assert.deepEqual([result.code, verdictOf(result)], [code, verdict]);
  }
});
