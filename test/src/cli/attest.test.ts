import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import { toPem } from '../../../attestation/encoding/pem.js';
import { parseAuxblob } from '../../../attestation/evidence/auxblob.js';
import { decodeBundle } from '../../../attestation/evidence/bundle.js';
import type { ManifestModel } from '../../../attestation/evidence/manifest-model.js';
import { forgeBundle } from '../../forge/bundle.js';
import { assay } from '../../forge/cli.js';
import { servedModel } from '../../forge/enclave.js';
import { nonce } from '../../forge/judge-evidence.js';
import { serveScale } from '../../forge/served-scale.js';

const { folder, at, target, trust } = await serveScale();

describe('assay attest', () => {
  test('affirms, saves the evidence, writes the certificate to pin', async () => {
    const files = ['--save', at('bundle.cbor'), '--ca', at('enclave.pem')];
    const { code, out, err } = await assay(['attest', target, ...trust(), ...files, '--json']);
    const result = JSON.parse(out);
    assert.deepEqual([code, err], [0, '']);
    assert.equal(result.verdict, 'affirmed');
    assert.equal(result.simulated, true);
    assert.equal(result.fresh, true);
    assert.equal(result.target, target);
    assert.match(result.nonce, /^[0-9a-f]{64}$/);
    assert.equal(result.checks.at(-1).id, 'client.tls-key');
    const certificate = new X509Certificate(await readFile(at('enclave.pem')));
    assert.match(certificate.subjectAltName ?? '', /localhost/);
    const nonce = ['--nonce', result.nonce];
    const again = await assay([
      'verify',
      'evidence',
      at('bundle.cbor'),
      ...trust(),
      ...nonce,
      '--json',
    ]);
    assert.equal(again.code, 0);
    assert.equal(JSON.parse(again.out).fresh, true);
  });

  test('says SIMULATED where people read', async () => {
    const { out } = await assay(['attest', target, ...trust()]);
    assert.match(out, /^SIMULATED: no hardware signed this/);
    assert.match(out, /^AFFIRMED /m);
  });

  test('writes no certificate of an enclave that is not affirmed', async () => {
    const ca = at('never.pem');
    const args = ['--policy', at('other.json'), '--root', at('root.pem'), '--ca', ca];
    const { code, out, err } = await assay(['attest', target, ...args]);
    assert.equal(code, 1);
    assert.match(out, /^REFUSED /m);
    assert.match(err, /not written/);
    assert.equal(existsSync(ca), false);
  });

  const exits: readonly (readonly [string, () => string[], number, string])[] = [
    ['no policy', () => ['attest', target, '--root', at('root.pem')], 1, ''],
    ['the vendors’ roots', () => ['attest', target, '--policy', at('policy.json')], 1, ''],
    ['a closed port', () => ['attest', 'localhost:1', ...trust()], 4, 'CLIENT_UNREACHABLE'],
    ['no port', () => ['attest', 'localhost', ...trust()], 2, 'USAGE_TARGET'],
    ['no target', () => ['attest'], 2, 'USAGE_ARGUMENTS'],
    ['an unknown option', () => ['attest', target, '--insecure'], 2, 'USAGE_ARGUMENTS'],
    ['a time that is none', () => ['attest', target, '--at', 'noon'], 2, 'USAGE_ARGUMENTS'],
    ['no such policy', () => ['attest', target, '--policy', at('none')], 2, 'USAGE_FILE'],
    ['a folder for a policy', () => ['attest', target, '--policy', folder], 2, 'USAGE_FILE'],
    [
      'a misspelt policy',
      () => ['attest', target, '--policy', at('misspelt.json')],
      2,
      'POLICY_INVALID',
    ],
    ['a root that is none', () => ['attest', target, '--root', at('x.json')], 2, 'USAGE_FILE'],
  ];
  for (const [name, args, code, error] of exits) {
    test(`${name}: exit code ${code}`, async () => {
      const outcome = await assay([...args(), '--json']);
      assert.equal(outcome.code, code, outcome.err);
      if (error !== '') assert.equal(JSON.parse(outcome.err).error.code, error);
    });
  }
});

describe('evidence that is stripped of its bundle', () => {
  const save = async (): Promise<readonly string[]> => {
    const { out } = await assay([
      'attest',
      target,
      ...trust(),
      '--save',
      at('whole.cbor'),
      '--json',
    ]);
    const { report, endorsements } = decodeBundle(await readFile(at('whole.cbor')));
    await writeFile(at('report.bin'), report);
    const table = parseAuxblob(endorsements ?? new Uint8Array());
    await Promise.all(table.map(({ kind, data }) => writeFile(at(kind), data)));
    const { enclave, ...raw } = JSON.parse(await readFile(at('policy.json'), 'utf8'));
    assert.ok(enclave !== undefined);
    await writeFile(at('raw.json'), JSON.stringify(raw));
    return ['--nonce', JSON.parse(out).nonce];
  };
  const verify = async (policy: string, ...more: readonly string[]) => {
    const endorsed = ['vcek', 'ask', 'ark', 'crl'].flatMap((kind) => ['--endorsements', at(kind)]);
    const args = ['--policy', at(policy), '--root', at('root.pem'), ...endorsed, ...more, '--json'];
    const { code, out } = await assay(['verify', 'evidence', at('report.bin'), ...args]);
    const result = JSON.parse(out);
    const failed = result.checks.filter((check: { outcome: string }) => check.outcome === 'fail');
    return [code, result.code, failed.map((check: { id: string }) => check.id)];
  };

  test('is a report, and holds as one', async () => {
    await save();
    assert.deepEqual(await verify('raw.json'), [0, null, []]);
  });
  test('does not meet what the policy asks of the enclave', async () => {
    await save();
    assert.deepEqual(await verify('policy.json'), [1, 'enclave.manifest', ['enclave.manifest']]);
  });
  test('is not under the nonce, though its report was asked for with it', async () => {
    const nonce = await save();
    assert.deepEqual(await verify('raw.json', ...nonce), [1, 'binding.nonce', ['binding.nonce']]);
  });
  test('does not meet them as a report that is verified by itself either', async () => {
    await save();
    const files = ['--vek', at('vcek'), '--chain', at('ask'), at('ark'), '--crl', at('crl')];
    const args = ['--report', at('report.bin'), ...files, '--root', at('root.pem'), '--json'];
    const held = await assay(['verify', 'snp', ...args, '--policy', at('raw.json')]);
    assert.deepEqual([held.code, JSON.parse(held.out).code], [0, null]);
    const failed = await assay(['verify', 'snp', ...args, '--policy', at('policy.json')]);
    assert.deepEqual([failed.code, JSON.parse(failed.out).code], [1, 'enclave.manifest']);
  });
});

describe('assay policy init', () => {
  /** A policy made of evidence of an enclave that states these models, as text and as JSON. */
  const madeOf = async (name: string, models: (known: ManifestModel[]) => ManifestModel[]) => {
    const forged = await forgeBundle('sev-snp', [servedModel('a', 2)], nonce, {
      manifest: (manifest) => ({ ...manifest, models: models([...manifest.models]) }),
    });
    const [bundle, root, policy] = ['cbor', 'pem', 'yaml'].map((kind) => at(`${name}.${kind}`));
    assert.ok(bundle !== undefined && root !== undefined && policy !== undefined);
    await writeFile(bundle, forged.bytes);
    await writeFile(root, forged.roots.map((der) => toPem(der, 'CERTIFICATE')).join(''));
    const init = ['policy', 'init', bundle, '--root', root];
    const [text, json] = [await assay(init), await assay([...init, '--json'])];
    assert.deepEqual([text.code, json.code], [0, 0], text.err);
    await writeFile(policy, text.out);
    const verify = (args = ['--policy', policy, '--root', root]) =>
      assay(['verify', 'evidence', bundle, ...args, '--json']);
    return { text: text.out, json: json.out, policy, root, verify };
  };

  test('writes names that no terminal obeys, and that are the enclave’s nevertheless', async () => {
    const name = 'x\u001b[2J\u202eY\u009b31m\u2028Z\u{e0041}\nallowUnpinned: true\u2029 \\u202e "#';
    const made = await madeOf('evil', (models) => models.map((model) => ({ ...model, name })));
    const verified = await made.verify();
    for (const out of [made.text, made.json, verified.out]) {
      assert.doesNotMatch(out, /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      assert.doesNotMatch(out, /^ *allowUnpinned/m);
    }
    assert.equal(JSON.parse(made.json).enclave.models[0].name, name);
    assert.equal(parse(made.text).enclave.models[0].name, name);
    assert.equal(JSON.parse(verified.out).verdict, 'affirmed');
  });

  test('knows no model where none was served, and refuses every one', async () => {
    const made = await madeOf('none', () => []);
    assert.match(made.text, /^# It served no model/m);
    assert.deepEqual(parse(made.text).enclave, {});
    assert.deepEqual(JSON.parse(made.json).enclave, {});
    assert.equal(JSON.parse((await made.verify()).out).verdict, 'affirmed');
    const other = await madeOf('some', (models) => models);
    const judged = await other.verify(['--policy', made.policy, '--root', other.root]);
    assert.equal(JSON.parse(judged.out).code, 'enclave.model.graph');
  });

  test('makes a policy that affirms what it was made from', async () => {
    await assay(['attest', target, ...trust(), '--save', at('known.cbor')]);
    const made = await assay(['policy', 'init', at('known.cbor'), '--root', at('root.pem')]);
    assert.deepEqual([made.code, made.err], [0, '']);
    assert.match(made.out, /^# SIMULATED/);
    assert.doesNotMatch(made.out, /does not affirm/);
    const machine = await assay([
      ...['policy', 'init', at('known.cbor'), '--root', at('root.pem'), '--json'],
    ]);
    assert.match(JSON.parse(machine.err).notes[0], /^SIMULATED/);
    assert.equal(JSON.parse(machine.out).version, 1);
    await writeFile(at('made.yaml'), made.out);
    const args = ['attest', target, '--policy', at('made.yaml'), '--root', at('root.pem')];
    assert.equal((await assay(args)).code, 0);
  });
  test('makes none from evidence that is not authentic', async () => {
    const made = await assay(['policy', 'init', at('known.cbor')]);
    assert.deepEqual([made.code, made.out], [1, ''], 'a redirected policy is no report');
    assert.match(made.err, /^REFUSED /m);
    const machine = await assay(['policy', 'init', at('known.cbor'), '--json']);
    assert.deepEqual([machine.out, JSON.parse(machine.err).verdict], ['', 'refused']);
  });
});
