import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AppraiseOptions } from '../../../attestation/appraisal/appraise.js';
import { appraiseProof } from '../../../attestation/appraisal/appraise-proof.js';
import { utf8 } from '../../../attestation/encoding/bytes.js';
import { encodeAuxblob, parseAuxblob } from '../../../attestation/evidence/auxblob.js';
import { decodeBundle, encodeBundle, type Tee } from '../../../attestation/evidence/bundle.js';
import {
  encodeProofFile,
  type ProofEndorsements,
} from '../../../attestation/receipt/proof-file.js';
import type { CrlTemplate } from '../../../enclave/platform/simulator/certificates.js';
import { forgeSnp } from '../../forge/amd.js';
import { forgeBundle } from '../../forge/bundle.js';
import { forgeTdx } from '../../forge/intel.js';
import { set } from '../../forge/json.js';
import { affirming, models, nonce } from '../../forge/judge-evidence.js';

const AT = new Date('2026-06-01T12:00:00Z');
const days = (count: number): Date => new Date(AT.getTime() + count * 86_400_000);

/** A proof file of bare evidence that carries these endorsements; its receipt is none. */
async function proofOf(
  tee: Tee,
  carry: (supplied: Uint8Array) => ProofEndorsements,
  own: AppraiseOptions['endorsements'],
  table: readonly Uint8Array[] = [],
) {
  const { bytes, roots } = await forgeBundle(tee, models, nonce);
  const bundle = decodeBundle(bytes);
  const file = encodeProofFile({
    evidence: encodeBundle({
      ...bundle,
      endorsements: encodeAuxblob(table.map((data) => ({ kind: 'crl', data }))),
    }),
    evidenceNonce: nonce,
    endorsements: carry(bundle.endorsements ?? new Uint8Array()),
    model: { name: 'double', version: '1' },
    nonce,
    inputs: [],
    outputs: [],
    receipt: new Uint8Array(1),
    salt: new Uint8Array(32),
  });
  const options = { at: AT, roots, ...(own === undefined ? {} : { endorsements: own }) };
  return (await appraiseProof(file, affirming, options)).result;
}

const list = async (template: Partial<CrlTemplate>): Promise<Uint8Array> => {
  const { endorsements } = await forgeSnp({ crl: (given) => ({ ...given, ...template }) });
  return endorsements.crls[0] ?? new Uint8Array();
};
const current = { thisUpdate: days(-1), nextUpdate: days(30) };
const revoked = [{ serialNumber: '010001', date: days(-2) }];
const fresh = await list(current);
const revoking = await list({ ...current, revoked });
const expired = await list({ thisUpdate: days(-90), nextUpdate: days(-1), revoked });
const garbage = Uint8Array.of(0x30, 3, 0x30, 1, 2);

/** The certificates of the host's table, and these blobs. */
const carrying =
  (...blobs: readonly Uint8Array[]) =>
  (table: Uint8Array): ProofEndorsements => {
    const certificates = parseAuxblob(table).filter(({ kind }) => kind !== 'crl');
    return { amd: [...certificates.map(({ data }) => data), ...blobs], intel: null };
  };

/** What is told once the evidence is authentic: that the receipt is none. */
const AUTHENTIC = 'RECEIPT_ENCODING';

for (const [name, carried, own, code] of [
  ['a list beside carried certificates', [], [fresh], AUTHENTIC],
  ['no list at all: a failure comes before what could not be checked', [], [], AUTHENTIC],
  ['a list that revokes beside one that does not', [fresh], [revoking], 'SNP_REVOKED'],
  ['a list that does not revoke beside one that does', [revoking], [fresh], 'SNP_REVOKED'],
  ['a list in place of one that has expired', [expired], [fresh], AUTHENTIC],
  ['nothing, beside a list that has expired', [expired], [], 'SNP_CRL_VALIDITY'],
  ['a list that has expired itself', [fresh], [expired], 'SNP_CRL_VALIDITY'],
  ['a list beside what is none', [garbage], [fresh], 'X509_FORMAT'],
] as const) {
  test(`a caller's AMD endorsements: ${name}: ${code}`, async () => {
    const { code: told, summary } = await proofOf('sev-snp', carrying(...carried), { amd: own });
    assert.equal(told, code, summary);
  });
}

test('a refusal says how much could not be checked beside what failed', async () => {
  const { summary } = await proofOf('sev-snp', carrying(), undefined);
  assert.equal(summary, 'expected the inference receipt to be a CBOR map. Not checked: 1.');
});

test('a caller’s list stands in place of one that has expired in the bundle’s own table', async () => {
  const { code, summary } = await proofOf('sev-snp', carrying(), { amd: [fresh] }, [expired]);
  assert.equal(code, AUTHENTIC, summary);
});

/** Intel's collateral of this tcbEvaluationDataNumber. */
async function collateral(evaluation: number): Promise<Uint8Array> {
  const forged = await forgeTdx({
    tcbInfo: set('tcbEvaluationDataNumber', evaluation),
    qeIdentity: set('tcbEvaluationDataNumber', evaluation),
  });
  return utf8(JSON.stringify(forged.collateral));
}

const recovery17 = await collateral(17);
const carryingCollateral = (): ProofEndorsements => ({ amd: [], intel: recovery17 });

test('a caller’s Intel collateral comes before the file’s, and its absence leaves that', async () => {
  for (const [own, evaluation] of [
    [undefined, 17],
    [{}, 17],
    [{ amd: [fresh] }, 17],
    [{ intel: await collateral(18) }, 18],
  ] as const) {
    const { tcb, code } = await proofOf('tdx', carryingCollateral, own);
    assert.deepEqual([code, tcb?.evaluationDataNumber], [AUTHENTIC, evaluation]);
  }
});

describe('what revocation was judged by', () => {
  for (const [name, tee, carry, own, isSuppliers] of [
    ['a list of the file alone', 'sev-snp', carrying(fresh), undefined, true],
    [
      'a list of the file, and nothing of the caller',
      'sev-snp',
      carrying(fresh),
      { amd: [] },
      true,
    ],
    [
      'a list of the file and one of the caller',
      'sev-snp',
      carrying(fresh),
      { amd: [fresh] },
      false,
    ],
    ['a list of the caller alone', 'sev-snp', carrying(), { amd: [fresh] }, false],
    ['collateral of the file alone', 'tdx', carryingCollateral, undefined, true],
    [
      'collateral of the file and of the caller',
      'tdx',
      carryingCollateral,
      { intel: recovery17 },
      false,
    ],
  ] as const) {
    const told = isSuppliers ? 'a caveat says who chose it' : 'no caveat';
    test(`${name}: ${told}`, async () => {
      const { caveats, code } = await proofOf(tee, carry, own);
      assert.equal(code, AUTHENTIC);
      const caveat = caveats.some((each) => /whoever passed it on/.test(each));
      assert.equal(caveat, isSuppliers, caveats.join('\n'));
    });
  }
});
