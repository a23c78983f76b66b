import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TdxExpectations } from '../../attestation/appraisal/appraise-tdx.js';
import { TDX_REFERENCES } from '../../attestation/appraisal/references-tdx.js';
import { TdxCache } from '../../attestation/appraisal/tdx-cache.js';
import { verifyTdx } from '../../attestation/appraisal/verify-tdx.js';
import { toHex } from '../../attestation/encoding/bytes.js';
import { type P256, webCryptoP256 } from '../../attestation/encoding/p256.js';
import { simulatedTdReport } from '../../enclave/platform/simulator/tdx.js';
import { nativeP256 } from '../../src/system/native-p256.js';
import { forgeTdx, type IntelFault } from './intel.js';
import { tdxPolicy } from './platform-policy.js';

/** One fault, and the one code or check that must tell of it; null: nothing may be found wrong. */
export interface TdxCase {
  readonly name: string;
  readonly fault?: IntelFault;
  /** Members beside the reference values of a flawless TD. */
  readonly policy?: { readonly [member: string]: unknown };
  readonly expectations?: TdxExpectations;
  readonly at?: string;
  readonly code: string | null;
  /** Expected TCB status, where the case is about it. */
  readonly status?: string;
  /** Ids that must be waived. */
  readonly waived?: readonly string[];
}

const AT = '2026-11-21T00:00:00Z';

/** Reference values that a flawless simulated TD meets. */
export function referenceValues() {
  const report = simulatedTdReport(new Uint8Array(64), new Uint8Array(48));
  const [rtmr0, rtmr1, rtmr2] = report.rtmrs.map((rtmr) => [toHex(rtmr)]);
  return { mrTd: [toHex(report.mrTd)], rtmr0, rtmr1, rtmr2 };
}

async function check(item: TdxCase): Promise<void> {
  const { quote, collateral, roots } = await forgeTdx(item.fault);
  const policy = tdxPolicy({ ...referenceValues(), ...item.policy });
  const at = new Date(item.at ?? AT);
  const appraise = (p256: P256) => {
    const options = { at, roots, p256, cache: new TdxCache() };
    return verifyTdx(quote, collateral, policy, options, item.expectations);
  };
  const result = await appraise(webCryptoP256);
  assert.deepEqual(await appraise(nativeP256), result);
  const ids = (outcome: string) =>
    result.checks.filter((finding) => finding.outcome === outcome).map(({ id }) => id);
  assert.equal(result.code, item.code, result.summary);
  assert.deepEqual(ids('fail'), item.code === null ? [] : [item.code], result.summary);
  assert.deepEqual(ids('waived'), item.waived ?? []);
  assert.equal(result.affirmed, item.code === null);
  const [first] = result.checks;
  assert.notEqual(first?.expected, 'authentic evidence');
  assert.notEqual(first?.reference, TDX_REFERENCES.documents);
  assert.equal(result.authentic, item.code === null || item.code.startsWith('tdx.'));
  if (item.status !== undefined) assert.equal(result.tcb?.status, item.status);
}

/** Registers a test for each case; the table itself must not repeat a name. */
export function tdxCases(title: string, cases: readonly TdxCase[]): void {
  test(title, async (t) => {
    assert.equal(new Set(cases.map(({ name }) => name)).size, cases.length);
    for (const item of cases) await t.test(item.name, () => check(item));
  });
}
