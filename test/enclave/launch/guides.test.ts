import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { parse } from 'yaml';
import { parsePolicy } from '../../../attestation/appraisal/policy.js';
import { verifySnp } from '../../../attestation/appraisal/verify-snp.js';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { amdEndorsements } from '../../../attestation/endorsements/amd.js';
import { parseSnpReport } from '../../../attestation/evidence/snp-report.js';
import { parseSpecification } from '../../../enclave/image/specification.js';
import { parseDeployment } from '../../../enclave/launch/deployment.js';
import { planLaunch } from '../../../enclave/launch/plan.js';
import { LAUNCH_TARGETS, renderLaunch } from '../../../enclave/launch/render.js';
import { parseConfig } from '../../../src/config.js';
import { blocks, docs, files, filledIn } from '../../forge/guide.js';
import { idsOf } from '../../forge/judge-snp.js';
import { snpPolicy } from '../../forge/platform-policy.js';
import { repositoryRoot, vectorFile, withoutVectors } from '../../vectors.js';

const makefile = readFileSync(join(repositoryRoot, 'Makefile'), 'utf8');
const POLICY = {
  models: [{ graph: new Uint8Array(32), execution: null }],
  development: false,
  plaintext: false,
};
const BOOT = {
  firmware: '/usr/share/ovmf/OVMF.amdsev.fd',
  kernel: 'vmlinuz',
  initrd: 'initrd.lz4',
  commandLine: 'quiet',
};

suite('the guide for Kubernetes', () => {
  const page = readFileSync(join(docs, 'kubernetes.md'), 'utf8');

  test('shows a whole deployment that the launch command takes', () => {
    const [shown = ''] = files(page, 'deployment.yaml');
    const deployment = parseDeployment(parse(shown.replace('…', '0a'.repeat(32))));
    for (const target of ['kubernetes', 'kserve'] as const) {
      assert.equal(renderLaunch(target, planLaunch(deployment, POLICY)).length, 1);
    }
  });

  test('shows a configuration that the service takes, and that a pod can be reached under', () => {
    const [shown = ''] = files(page, 'config.yaml');
    const { listen, metrics, models } = parseConfig(parse(shown), {}, '/app');
    assert.deepEqual([listen.host, metrics?.host], ['0.0.0.0', '0.0.0.0']);
    assert.deepEqual([listen.port, metrics?.port], [8443, 9464]);
    assert.deepEqual(
      models.map(({ path }) => path),
      ['/app/fraud.onnx'],
    );
  });

  test('makes a container image of what of the package runs', () => {
    const manifest = JSON.parse(readFileSync(join(repositoryRoot, 'package.json'), 'utf8')) as {
      readonly files: readonly string[];
      readonly bin: { readonly assay: string };
    };
    const [shown = ''] = blocks(page, 'dockerfile');
    const copied = [...shown.matchAll(/^COPY (.*) \S+$/gm)].flatMap(([, names = '']) =>
      names.split(' '),
    );
    assert.deepEqual(copied, [
      ...['package.json', 'package-lock.json', '.npmrc'],
      ...manifest.files.filter((path) => /^(build|proto)\b/.test(path)),
      ...['config.yaml', 'fraud.onnx'],
    ]);
    assert.ok(shown.includes(`ENTRYPOINT ["node", "/app/${manifest.bin.assay}"]`));
  });
});

suite('the guide for Amazon', () => {
  const page = readFileSync(join(docs, 'aws.md'), 'utf8');
  const [shown = ''] = files(page, 'policy.yaml');
  const { snp } = filledIn(shown) as { readonly snp: Readonly<Record<string, unknown>> };

  test('registers an image that starts by UEFI, which paravirtual ones, the default, do not', () => {
    const [register = ''] = blocks(page, '').flatMap(
      (text) => /^aws ec2 register-image [\s\S]*/m.exec(text) ?? [],
    );
    assert.match(register, / --virtualization-type hvm\s/);
    assert.match(register, / --boot-mode uefi\s/);
  });

  test('has a policy that refuses nothing of a genuine report of its hosts', {
    skip: withoutVectors,
  }, async () => {
    const file = (path: string) => new Uint8Array(vectorFile('snp', 'milan-v3-vlek-vmpl1', path));
    const { verifyAt } = JSON.parse(Buffer.from(file('case.json')).toString());
    const report = file('report.bin');
    const { measurement, vmpl } = parseSnpReport(report);
    // The image and the privilege level of that guest, which are not those of the guide.
    const policy = snpPolicy({ ...snp, measurements: [toHex(measurement)], vmpl: [vmpl] });
    const endorsements = amdEndorsements(['vek.der', 'ask.pem', 'ark.pem'].map(file));
    const result = await verifySnp(report, endorsements, policy, { at: new Date(verifyAt) });
    assert.deepEqual(idsOf(result, 'fail'), [], result.summary);
    assert.deepEqual(idsOf(result, 'waived'), ['snp.tcb.provisional']);
  });
});

test("the guide for hosts of one's own names no firmware that starts signed kernels alone", () => {
  const page = readFileSync(join(docs, 'bare-metal.md'), 'utf8');
  const [command = ''] = blocks(page, '').filter((text) => text.startsWith('virt-fw-vars '));
  const words = command.trim().split(/[\s\\]+/);
  const shipped = '/usr/share/ovmf/OVMF.inteltdx.ms.fd';
  assert.deepEqual(words.slice(1, 5), ['--input', shipped, '--output', 'OVMF.inteltdx.fd']);
  assert.deepEqual(words.slice(5), ['--set-false', 'SecureBootEnable']);
  assert.equal(page.split('inteltdx.ms.fd').length, 2, 'it is named there alone');
});

for (const guide of ['bare-metal', 'gcp', 'aws', 'azure']) {
  suite(`the operator's guide for ${guide}`, () => {
    const page = readFileSync(join(docs, `${guide}.md`), 'utf8');

    test('ends with policies for clients, and with commands that verify under them', () => {
      const policies = files(page, 'policy.yaml');
      assert.ok(policies.length > 0);
      for (const text of policies) {
        const { snp, tdx, enclave } = parsePolicy(filledIn(text));
        assert.ok(enclave?.models?.length === 1 && (snp ?? tdx ?? enclave));
      }
      const after = page.slice(page.lastIndexOf('# policy.yaml'));
      assert.match(after, /assay attest \S+:8443 --policy policy\.yaml --ca enclave\.pem/);
      assert.match(after, /assay infer \S+:8443 fraud --policy policy\.yaml/);
    });

    test('shows image specifications that the builder takes', () => {
      for (const text of files(page, 'image.yaml')) {
        assert.equal(parseSpecification(text, 'image.yaml').models.length, 1);
      }
    });

    test('shows deployments that the launch command takes', () => {
      const named = /--target (\w+)/.exec(page)?.[1];
      const target = LAUNCH_TARGETS.find((each) => each === named);
      assert.ok(target, named);
      const shown = files(page, 'deployment.yaml').map((text) =>
        parse(text.replaceAll('…', '0a1b2c3d')),
      );
      for (const members of shown.length > 0 ? shown : [{}]) {
        const common = { version: 1, name: 'assay', tee: 'sev-snp', boot: BOOT, machine: {} };
        const launchPolicy = 'launch-policy.yaml';
        const deployment = parseDeployment({ ...common, launchPolicy, ...members });
        const rendered = renderLaunch(target, planLaunch(deployment, POLICY));
        assert.ok(rendered.length > 0);
        for (const [path] of page.matchAll(/launch\/[\w.-]+\.(sh|tf|xml)/g)) {
          const known = ['qemu', 'libvirt'].includes(target)
            ? ['launch/qemu.sh', 'launch/domain.xml']
            : rendered.map(({ name }) => `launch/${name}`);
          assert.ok(known.includes(path), path);
        }
      }
    });

    test('has shell blocks that a shell can read', () => {
      for (const text of blocks(page, '')) {
        const { status, stderr } = spawnSync('bash', ['-n'], { input: text });
        assert.equal(status, 0, stderr.toString());
      }
    });

    test('names pages and targets that there are', () => {
      for (const [, link = ''] of page.matchAll(/\]\(([\w-]+\.md)\)/g)) {
        assert.ok(existsSync(join(docs, link)), link);
      }
      for (const [, target = ''] of page.matchAll(/`make ([a-z-]+)/g)) {
        assert.match(makefile, new RegExp(`^${target}:`, 'm'));
      }
    });
  });
}
