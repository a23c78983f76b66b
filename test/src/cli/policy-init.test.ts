import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { toPem } from '../../../attestation/encoding/pem.js';
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

/** What a policy made of evidence refuses of it, and the members that make it accept that. */
const cases = [
  {
    name: 'models that nothing pins',
    fault: { policy: honest, pinned: aided },
    told: [
      'enclave.launch-policy.pinned: The models are stated by measured software; HOST_DATA does not pin the launch policy. A policy waives this by enclave.allowUnpinned.',
    ],
    waivers: { allowUnpinned: true },
  },
  {
    name: 'debugging aids that are pinned elsewhere',
    fault: { policy: aided, pinned: honest },
    told: [
      'enclave.launch-policy.pinned: The models are stated by measured software; HOST_DATA does not pin the launch policy. A policy waives this by enclave.allowUnpinned.',
      'enclave.development: The launch policy allows debugging aids. A policy waives this by enclave.allowDevelopment.',
    ],
    waivers: { allowUnpinned: true, allowDevelopment: true },
  },
  {
    name: 'a model that the launch policy lacks, which nothing waives',
    fault: { policy: launchPolicyFor(servedModel('other', 3)) },
    told: ['enclave.launch-policy.model: The launch policy does not name model scale 1.'],
    waivers: undefined,
  },
] as const;

for (const { name, fault, told, waivers } of cases) {
  test(`policy init says what it refuses: ${name}`, async () => {
    const { bytes, roots } = await forgeBundle('sev-snp', models, new Uint8Array(32), fault);
    await writeFile(at('bundle.cbor'), bytes);
    await writeFile(at('root.pem'), roots.map((der) => toPem(der, 'CERTIFICATE')).join(''));
    const trust = ['--root', at('root.pem')];
    const made = await assay(['policy', 'init', at('bundle.cbor'), ...trust]);
    assert.equal(made.code, 0, made.err);
    const lines = ['This policy refuses the evidence that it was made from:', ...told];
    assert.equal(made.err, lines.map((line) => `${line}\n`).join(''));
    const comments = made.out.split('\n').filter((line) => line.startsWith('#'));
    assert.deepEqual(
      comments.slice(3),
      lines.map((line, i) => (i === 0 ? `# ${line}` : `#   ${line}`)),
    );
    const machine = await assay(['policy', 'init', at('bundle.cbor'), ...trust, '--json']);
    assert.deepEqual(JSON.parse(machine.err).notes.slice(1), lines);
    const policy = parse(made.out);
    assert.deepEqual(JSON.parse(machine.out), policy);

    const verify = async (document: unknown): Promise<unknown> => {
      await writeFile(at('policy.yaml'), stringify(document));
      const args = ['--policy', at('policy.yaml'), ...trust, '--json'];
      return JSON.parse((await assay(['verify', 'evidence', at('bundle.cbor'), ...args])).out).code;
    };
    assert.equal(await verify(policy), told[0].split(':')[0]);
    if (waivers === undefined) return;
    assert.equal(await verify({ ...policy, enclave: { ...policy.enclave, ...waivers } }), null);
  });
}
