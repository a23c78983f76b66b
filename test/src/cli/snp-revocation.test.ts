import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { toPem } from '../../../attestation/encoding/pem.js';
import { encodeAuxblob } from '../../../attestation/evidence/auxblob.js';
import { encodeSnpEvidence } from '../../../attestation/evidence/snp-evidence.js';
import { forgeSnp } from '../../forge/amd.js';
import { assay } from '../../forge/cli.js';
import { KNOWN_MEASUREMENT } from '../../forge/judge-snp.js';
import { testFolder } from '../../forge/test-folder.js';

const NOW = new Date('2026-06-01T12:00:00Z');
const nextUpdate = new Date(NOW.getTime() - 1000);

const { at, place } = testFolder();

before(async () => {
  const { report, endorsements } = await forgeSnp();
  const [vcek, ask, ark, crl, expired] = [
    ...endorsements.certificates,
    ...endorsements.crls,
    ...(await forgeSnp({ crl: (given) => ({ ...given, nextUpdate }) })).endorsements.crls,
  ].map((der) => new Uint8Array(der));
  assert.ok(vcek && ask && ark && crl && expired);
  const policy = { version: 1, snp: { measurements: [KNOWN_MEASUREMENT] } };
  const files = {
    'report.bin': report,
    'auxblob.bin': encodeAuxblob([
      { kind: 'vcek', data: vcek },
      { kind: 'ask', data: ask },
      { kind: 'crl', data: expired },
    ]),
    'collected.bin': encodeSnpEvidence({
      evidence: report,
      certificates: [vcek, ask, ark],
      crls: [expired],
      collectedAt: nextUpdate.getTime() / 1000,
    }),
    'current.der': crl,
    'root.pem': toPem(ark, 'CERTIFICATE'),
    'policy.json': JSON.stringify(policy),
  };
  place(files);
});

for (const [name, evidence, option] of [
  ['the host’s table', ['snp', '--report', 'report.bin', '--certs', 'auxblob.bin'], '--crl'],
  ['a collected file', ['snp', '--report', 'collected.bin'], '--crl'],
  ['a collected file that is taken as evidence', ['evidence', 'collected.bin'], '--endorsements'],
] as const) {
  test(`an expired list in ${name} refuses alone, and not beside a current one`, async () => {
    const judge = async (...own: readonly string[]) => {
      const files = evidence.map((arg) => (arg.includes('.') ? at(arg) : arg));
      const trust = ['--root', at('root.pem'), '--policy', at('policy.json'), '--json'];
      const outcome = await assay(['verify', ...files, ...own, ...trust], { now: NOW });
      return [outcome.code, JSON.parse(outcome.out).code];
    };
    assert.deepEqual(await judge(), [1, 'SNP_CRL_VALIDITY']);
    assert.deepEqual(await judge(option, at('current.der')), [0, null]);
  });
}
