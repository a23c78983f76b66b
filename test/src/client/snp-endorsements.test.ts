import assert from 'node:assert/strict';
import { test } from 'node:test';
import { verifySnp } from '../../../attestation/appraisal/verify-snp.js';
import { AssayError } from '../../../attestation/encoding/error.js';
import { EndorsementSource } from '../../../attestation/endorsements/source.js';
import { gatherSnpEndorsements } from '../../../src/client/snp-endorsements.js';
import { forgeSnp } from '../../forge/amd.js';

const AT = new Date('2026-06-01T12:00:00Z');
const { report, endorsements, roots } = await forgeSnp();
const { certificates, crls } = endorsements;
const [list = new Uint8Array()] = crls;
const newer = await forgeSnp({
  crl: (template) => ({ ...template, thisUpdate: new Date('2026-05-31T00:00:00Z') }),
});
const [served = new Uint8Array()] = newer.endorsements.crls;
const none = { certificates: [], crls: [] };

function service() {
  const asked: string[] = [];
  const source = new EndorsementSource({
    now: () => AT,
    fetch: async (url) => {
      asked.push(String(url));
      return new Response(new Uint8Array(served));
    },
  });
  return { asked, service: { source, base: 'https://kds.example', at: AT, roots } };
}

test('AMD’s list stands beside the host’s, each once', async () => {
  for (const [given, others] of [
    [[list], [list]],
    [[served, list], [list]],
    [[], []],
  ] as const) {
    const { asked, service: amd } = service();
    const supplied = { host: { certificates, crls: given }, caller: none };
    const gathered = await gatherSnpEndorsements(report, supplied, amd);
    assert.deepEqual(gathered, {
      certificates,
      crls: [new Uint8Array(served)],
      hostCrls: others,
      notes: [],
      missing: undefined,
    });
    assert.deepEqual(asked, ['https://kds.example/vcek/v1/Milan/crl']);
  }
});

for (const [name, change, code] of [
  ['that nobody signed', { keyInfo: 0x1c }, 'SNP_UNSIGNED'],
  ['of a masked key', { keyInfo: 2 }, 'SNP_UNSIGNED'],
  [
    'of a processor without a product line',
    { cpuid: { family: 0x19, model: 0x20, stepping: 0 } },
    'SNP_PRODUCT_UNKNOWN',
  ],
] as const) {
  test(`a report ${name} makes nobody ask: ${code}`, async () => {
    const forged = await forgeSnp({ report: change });
    const { asked, service: amd } = service();
    await assert.rejects(
      gatherSnpEndorsements(forged.report, { host: none, caller: none }, amd),
      (error) => error instanceof AssayError && error.code === code,
    );
    assert.deepEqual(asked, []);
    const offline = await verifySnp(forged.report, none, {}, { at: AT });
    assert.equal(offline.code, code);
  });
}

test('a caller’s list stands beside the host’s, and nobody is asked', async () => {
  const { asked, service: amd } = service();
  const supplied = { host: { certificates, crls }, caller: { certificates: [], crls: [served] } };
  for (const asks of [amd, undefined]) {
    const gathered = await gatherSnpEndorsements(report, supplied, asks);
    assert.deepEqual([gathered.crls, gathered.hostCrls], [[served], [list]]);
  }
  assert.deepEqual(asked, []);
});
