import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { appraiseBundle } from '../../attestation/appraisal/appraise.js';
import type { AppraisalPolicy } from '../../attestation/appraisal/policy.js';
import type { Tee } from '../../attestation/evidence/bundle.js';
import { type BundleFault, forgeBundle } from './bundle.js';
import { affirmingPolicy, servedModel } from './enclave.js';

/** Evidence with exactly one thing wrong, and the one reason for which it is refused. */
export interface EvidenceCase {
  readonly name: string;
  /** Error code or check id of the first failure. */
  readonly code: string;
  /** Default SEV-SNP. */
  readonly tee?: Tee;
  readonly fault?: BundleFault;
  /** Changes the bytes that the verifier receives. */
  readonly bytes?: (bytes: Uint8Array) => Uint8Array;
  /** The verifier's nonce; null for none. */
  readonly nonce?: Uint8Array | null;
  readonly policy?: AppraisalPolicy;
  readonly at?: Date;
  /** Appraise under the vendors' pinned roots. */
  readonly pinnedRoots?: true;
  /** What that check compared, where it first fails. */
  readonly shows?: { readonly expected: string; readonly actual: string };
  /** All checks that fail, where one fault is seen by several. */
  readonly also?: readonly string[];
}

/** What the enclave serves, and the nonce and policy that its evidence is judged by. */
export const double = servedModel('double', 2);
export const triple = servedModel('triple', 3);
export const models = [double, triple];
export const nonce = new Uint8Array(32).fill(7);
export const affirming = affirmingPolicy(models);

/** Appraises evidence with this fault. */
export async function judgeEvidence({ tee = 'sev-snp', ...given }: EvidenceCase) {
  const forged = await forgeBundle(tee, models, nonce, given.fault);
  const own = given.nonce === undefined ? nonce : given.nonce;
  return appraiseBundle(given.bytes?.(forged.bytes) ?? forged.bytes, given.policy ?? affirming, {
    at: given.at ?? new Date(),
    ...(own === null ? {} : { nonce: own }),
    ...(given.pinnedRoots ? {} : { roots: forged.roots }),
  });
}

/** Registers a test for each case. */
export function refusedEvidence(group: string, cases: readonly EvidenceCase[]): void {
  describe(`refused: ${group}`, () => {
    for (const given of cases) {
      test(`${given.name}: ${given.code}`, async () => {
        const { result, enclave } = await judgeEvidence(given);
        assert.equal(result.affirmed, false);
        assert.equal(result.code, given.code, result.summary);
        // Whoever makes evidence up does not decide how much a verifier has to print.
        const told = [result.summary, ...result.checks.flatMap((check) => Object.values(check))];
        assert.ok(told.every((text) => text.length < 10_000));
        if (given.shows !== undefined) {
          const shown = result.checks.find((c) => c.id === given.code && c.outcome === 'fail');
          const { expected, actual } = shown ?? {};
          assert.deepEqual({ expected, actual }, given.shows);
        }
        const failed = result.checks
          .filter(({ outcome }) => outcome === 'fail')
          .map(({ id }) => id);
        if (result.authentic) {
          assert.deepEqual(new Set(failed), new Set([given.code, ...(given.also ?? [])]));
        } else {
          assert.equal(enclave, null);
          assert.equal(result.fresh, false);
        }
      });
    }
  });
}
