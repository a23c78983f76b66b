import assert from 'node:assert/strict';
import { test } from 'node:test';
import { authenticateTdx } from '../../../attestation/appraisal/authenticate-tdx.js';
import { parseTdxCollateral } from '../../../attestation/endorsements/intel.js';
import { AssayError } from '../../../attestation/index.js';
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
    collateral: parseTdxCollateral(vectorFile('tdx', name, 'collateral.json')),
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
