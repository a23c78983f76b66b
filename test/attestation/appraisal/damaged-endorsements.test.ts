import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { appraiseBundle } from '../../../attestation/appraisal/appraise.js';
import { appraiseEvidence } from '../../../attestation/appraisal/raw-evidence.js';
import { SNP_REFERENCES } from '../../../attestation/appraisal/references-snp.js';
import { utf8 } from '../../../attestation/encoding/bytes.js';
import { encodeAuxblob } from '../../../attestation/evidence/auxblob.js';
import { decodeBundle, encodeBundle } from '../../../attestation/evidence/bundle.js';
import { forgeBundle } from '../../forge/bundle.js';
import { affirming, models, nonce } from '../../forge/judge-evidence.js';

const { bytes, roots } = await forgeBundle('sev-snp', models, nonce);
const options = { at: new Date('2026-06-01T12:00:00Z'), roots };
const damaged = utf8('-----BEGIN X509 CRL-----\nAA\n');
const bundle = decodeBundle(bytes);
const table = bundle.endorsements ?? new Uint8Array();
const withTable = (endorsements: Uint8Array) => encodeBundle({ ...bundle, endorsements });

describe('what came with SEV-SNP evidence and is damaged is refused as the hardware’s', () => {
  const TABLE = 'a certificate table as the kernel’s auxblob has it';
  const FILES = 'certificates and lists in DER or PEM';
  const { auxblob, chain } = SNP_REFERENCES;
  const damagedEntry = withTable(encodeAuxblob([{ kind: 'crl', data: damaged }]));
  for (const [name, evidence, carried, code, expected, reference] of [
    ['a table cut short', withTable(table.subarray(0, 30)), {}, 'SNP_AUXBLOB', TABLE, auxblob],
    ['a list in the table', damagedEntry, {}, 'X509_FORMAT', FILES, chain],
    ['a list of the file', bytes, { amd: [damaged] }, 'X509_FORMAT', FILES, chain],
  ] as const) {
    test(`${name}: ${code}`, async () => {
      const judged = await appraiseBundle(evidence, affirming, { ...options, nonce, carried });
      const { tee, authentic, checks, summary } = judged.result;
      assert.deepEqual([tee, authentic], ['sev-snp', false]);
      assert.match(summary, /^The report is not authentic: /);
      assert.equal(checks.length, 1);
      const [check] = checks;
      assert.deepEqual(
        [check?.id, check?.outcome, check?.expected, check?.reference],
        [code, 'fail', expected, reference],
      );
    });
  }
});

describe('what the verifier supplied and is damaged says nothing of the evidence', () => {
  for (const [name, evidence] of [
    ['a bundle', bytes],
    ['a bundle whose table is damaged as well', withTable(table.subarray(0, 30))],
    ['a report', bundle.report],
  ] as const) {
    test(`${name}: USAGE_ENDORSEMENTS`, async () => {
      const given = { ...options, endorsements: { amd: [damaged] } };
      await assert.rejects(appraiseEvidence(evidence, affirming, given), {
        name: 'AssayError',
        code: 'USAGE_ENDORSEMENTS',
        message: /expected whole PEM blocks/,
      });
    });
  }
});
