import assert from 'node:assert/strict';
import { test } from 'node:test';
import { authenticateTdx } from '../../../attestation/appraisal/authenticate-tdx.js';
import { verdictOf } from '../../../attestation/appraisal/result.js';
import { TdxCache } from '../../../attestation/appraisal/tdx-cache.js';
import { verifyTdx } from '../../../attestation/appraisal/verify-tdx.js';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { parseTdxQuote } from '../../../attestation/evidence/tdx-quote.js';
import { AssayError } from '../../../attestation/index.js';
import { tdxPolicy } from '../../forge/platform-policy.js';
import { vectorCases, vectorFile, withoutVectors } from '../../vectors.js';

interface GenuineCase {
  readonly verifyAt: string;
  readonly validFrom: string;
  readonly validTo: string;
  readonly tcbEvaluationDataNumber: number;
  readonly expected: {
    readonly tcbStatus: string;
    readonly sgx: string | null;
    readonly tdx: string | null;
    readonly module: string | null;
    readonly qe: string | null;
    readonly advisories: readonly string[] | null;
  };
}

function load(name: string) {
  return {
    quote: vectorFile('tdx', name, 'quote.bin'),
    collateral: vectorFile('tdx', name, 'collateral.json'),
    known: JSON.parse(vectorFile('tdx', name, 'case.json').toString()) as GenuineCase,
  };
}

test('genuine quotes have the TCB that Intel says', { skip: withoutVectors }, async (t) => {
  for (const name of vectorCases('tdx')) {
    await t.test(name, async () => {
      const { quote, collateral, known } = load(name);
      const at = new Date(known.verifyAt);
      if (known.expected.tcbStatus === 'TCB_NOT_SUPPORTED') {
        await assert.rejects(
          authenticateTdx(quote, collateral, { at }),
          (error) => error instanceof AssayError && error.code === 'TDX_TCB_NOT_SUPPORTED',
        );
        return;
      }
      const { tcb, window, trustAnchor } = await authenticateTdx(quote, collateral, { at });
      assert.deepEqual(
        {
          tcbStatus: tcb.status,
          sgx: tcb.sgx,
          tdx: tcb.tdx,
          module: tcb.module,
          qe: tcb.qe,
          advisories: tcb.advisories,
        },
        known.expected,
      );
      assert.equal(tcb.evaluationDataNumber, known.tcbEvaluationDataNumber);
      assert.equal(window.from.toISOString(), known.validFrom);
      assert.equal(window.until.toISOString(), known.validTo);
      assert.equal(trustAnchor.source, 'pinned');
    });
  }
});

/** What each genuine quote fails under a policy that knows its registers and nothing else. */
const FAILS: { readonly [name: string]: readonly string[] } = {
  'v4-uptodate': [],
  'v4-uptodate-at-eval19': [],
  'v5-uptodate': [],
  'v5-service-td': ['tdx.mr-service-td'],
  'v4-outofdate-at-eval20': ['tdx.tcb.status', 'tdx.tcb.advisories'],
  'v4-debug-td': ['tdx.tcb.status', 'tdx.tcb.advisories', 'tdx.attributes.debug'],
  'v4-outofdate': ['tdx.tcb.status', 'tdx.tcb.advisories'],
  'v4-module-outofdate': ['tdx.tcb.status', 'tdx.tcb.advisories', 'tdx.attributes.sept-ve-disable'],
  'v4-platform-outofdate': ['tdx.tcb.status'],
  'v4-no-matching-tcb-level': ['TDX_TCB_NOT_SUPPORTED'],
};

test('genuine quotes meet a strict policy or fail it for known reasons', {
  skip: withoutVectors,
}, async () => {
  for (const name of vectorCases('tdx')) {
    const { quote, collateral, known } = load(name);
    const { report } = parseTdxQuote(quote);
    const [rtmr0, rtmr1, rtmr2] = report.rtmrs.map((rtmr) => [toHex(rtmr)]);
    const policy = tdxPolicy({ mrTd: [toHex(report.mrTd)], rtmr0, rtmr1, rtmr2 });
    const at = new Date(known.verifyAt);
    const result = await verifyTdx(quote, collateral, policy, { at });
    const failed = result.checks.filter(({ outcome }) => outcome !== 'pass').map(({ id }) => id);
    assert.deepEqual(failed, FAILS[name], name);
    assert.equal(result.affirmed, failed.length === 0, name);
    assert.doesNotMatch(result.caveats.join(), /named the root/);
    assert.equal(result.code, failed[0] ?? null, name);
    assert.equal(result.tcb?.status, known.expected.tcbStatus, name);
    const without = await verifyTdx(quote, collateral, tdxPolicy({}), { at });
    const rest = without.checks.filter(({ outcome }) => outcome === 'fail').map(({ id }) => id);
    const authentic = known.expected.tcbStatus !== 'TCB_NOT_SUPPORTED';
    assert.deepEqual(
      rest,
      authentic
        ? [
            ...failed.filter((id) => id !== 'tdx.mr-service-td'),
            'tdx.measurement',
            ...failed.filter((id) => id === 'tdx.mr-service-td'),
          ]
        : failed,
      name,
    );
  }
});

test('genuine collateral holds in its window and not a second longer', {
  skip: withoutVectors,
}, async () => {
  const cache = new TdxCache();
  for (const name of vectorCases('tdx').filter((item) => item !== 'v4-no-matching-tcb-level')) {
    const { quote, collateral, known } = load(name);
    const [from, until] = [new Date(known.validFrom), new Date(known.validTo)];
    for (const at of [from, until]) await authenticateTdx(quote, collateral, { at, cache });
    for (const [at, suffix] of [
      [new Date(from.getTime() - 1000), 'NOT_YET_VALID'],
      [new Date(until.getTime() + 1000), 'EXPIRED'],
    ] as const) {
      await assert.rejects(
        authenticateTdx(quote, collateral, { at, cache }),
        (error) => error instanceof AssayError && error.code === `COLLATERAL_${suffix}`,
        name,
      );
    }
  }
});

test('without collateral a genuine quote is unchecked, a broken one refused', {
  skip: withoutVectors,
}, async () => {
  const { quote, known } = load('v5-uptodate');
  const at = new Date(known.verifyAt);
  const result = await verifyTdx(quote, undefined, tdxPolicy({}), { at });
  assert.equal(verdictOf(result), 'unchecked');
  assert.equal(result.code, 'ENDORSEMENTS_MISSING');
  const broken = new Uint8Array(quote);
  broken[600] = (broken[600] ?? 0) ^ 1;
  const refused = await verifyTdx(broken, undefined, tdxPolicy({}), { at });
  assert.equal(verdictOf(refused), 'refused');
  assert.equal(refused.code, 'TDX_QUOTE_SIGNATURE');
});
