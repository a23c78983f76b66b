import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { toPem } from '../../../attestation/encoding/pem.js';
import { encodeAuxblob, parseAuxblob } from '../../../attestation/evidence/auxblob.js';
import type { EvidenceBundle } from '../../../attestation/evidence/bundle.js';
import type { LaunchPolicy } from '../../../attestation/evidence/launch-policy.js';
import { forgeBundle } from '../../forge/bundle.js';
import { assay } from '../../forge/cli.js';
import { launchPolicyFor, servedModel } from '../../forge/enclave.js';

const folder = await mkdtemp(join(tmpdir(), 'assay-policy-'));
const at = (name: string): string => join(folder, name);
after(() => rm(folder, { recursive: true }));

const models = [servedModel('scale', 2)];
const honest = launchPolicyFor(...models);
const aided: LaunchPolicy = { ...honest, development: true };

function withoutCrl(bundle: EvidenceBundle): EvidenceBundle {
  const table = parseAuxblob(bundle.endorsements ?? new Uint8Array());
  const left = table.flatMap(({ kind, data }) =>
    kind === 'other' || kind === 'crl' ? [] : [{ kind, data }],
  );
  return { ...bundle, endorsements: encodeAuxblob(left) };
}

/** The checks of evidence that a policy made of it does not see hold, each with what waives it. */
const cases = [
  {
    name: 'models that nothing pins',
    fault: { policy: honest, pinned: null },
    failed: { 'enclave.launch-policy.pinned': 'enclave.allowUnpinned' },
  },
  {
    name: 'debugging aids that nothing pins',
    fault: { policy: aided, pinned: null },
    failed: {
      'enclave.launch-policy.pinned': 'enclave.allowUnpinned',
      'enclave.development': 'enclave.allowDevelopment',
    },
  },
  {
    name: 'another launch policy that is pinned, which nothing waives',
    fault: { policy: honest, pinned: aided },
    failed: { 'enclave.launch-policy.pinned': undefined },
  },
  {
    name: 'a model that the launch policy lacks, which nothing waives',
    fault: { policy: launchPolicyFor(servedModel('other', 3)) },
    failed: { 'enclave.launch-policy.model': undefined },
  },
  {
    name: 'a revocation list that the host lacks',
    fault: { policy: honest, bundle: withoutCrl },
    failed: { 'snp.revocation': 'snp.crl: optional' },
  },
] as const;

/** A policy that has what waives a check, as `policy init` names it. */
function waiving(policy: Record<string, object>, waiver: string): Record<string, object> {
  const [path = '', value = true] = waiver.split(': ');
  const [part = '', name = ''] = path.split('.');
  return { ...policy, [part]: { ...policy[part], [name]: value } };
}

for (const { name, fault, failed } of cases) {
  test(`policy init says why its policy does not affirm: ${name}`, async () => {
    const { bytes, roots } = await forgeBundle('sev-snp', models, new Uint8Array(32), fault);
    await writeFile(at('bundle.cbor'), bytes);
    await writeFile(at('root.pem'), roots.map((der) => toPem(der, 'CERTIFICATE')).join(''));
    const trust = ['--root', at('root.pem')];
    const made = await assay(['policy', 'init', at('bundle.cbor'), ...trust]);
    assert.equal(made.code, 0, made.err);
    const policy = parse(made.out);

    const verify = async (document: unknown) => {
      await writeFile(at('policy.yaml'), stringify(document));
      const args = ['--policy', at('policy.yaml'), ...trust, '--json'];
      return JSON.parse((await assay(['verify', 'evidence', at('bundle.cbor'), ...args])).out);
    };
    const checks: { id: string; outcome: string; reason: string }[] = (await verify(policy)).checks;
    const reasons = new Map(
      checks
        .filter(({ outcome }) => outcome === 'fail' || outcome === 'unchecked')
        .map(({ id, reason }) => [id, reason]),
    );
    assert.deepEqual([...reasons.keys()], Object.keys(failed));
    const lines = [
      'This policy does not affirm the evidence that it was made from:',
      ...Object.entries(failed).map(([id, waiver]) => {
        const waived = waiver === undefined ? '' : ` A policy waives this by ${waiver}.`;
        return `${id}: ${reasons.get(id)}${waived}`;
      }),
    ];
    assert.equal(made.err, lines.map((line) => `${line}\n`).join(''));
    const comments = made.out.split('\n').filter((line) => line.startsWith('#'));
    assert.deepEqual(
      comments.slice(-lines.length),
      lines.map((line, i) => (i === 0 ? `# ${line}` : `#   ${line}`)),
    );
    const machine = await assay(['policy', 'init', at('bundle.cbor'), ...trust, '--json']);
    assert.deepEqual(JSON.parse(machine.err).notes.slice(-lines.length), lines);
    assert.deepEqual(JSON.parse(machine.out), policy);

    const names = Object.values(failed).filter((waiver) => waiver !== undefined);
    const lenient = await verify(names.reduce(waiving, policy));
    const [left = null] = Object.entries(failed).flatMap(([id, waiver]) => (waiver ? [] : [id]));
    assert.equal(lenient.code, left);
  });
}
