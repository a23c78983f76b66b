import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { suite, test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { AssayError } from '../../../attestation/encoding/error.js';
import type { LaunchPolicy } from '../../../attestation/evidence/launch-policy.js';
import { parseDeployment } from '../../../enclave/launch/deployment.js';
import { planLaunch } from '../../../enclave/launch/plan.js';
import { LAUNCH_TARGETS, type LaunchTarget, renderLaunch } from '../../../enclave/launch/render.js';
import { idBlock, POLICY, SNP, TDX } from '../../forge/deployment.js';
import { repositoryRoot } from '../../vectors.js';

const TDX_ON_BRIDGE = { ...TDX, service: { bridge: 'br0' } };

const SNP_WITH_ID_BLOCK = {
  ...SNP,
  snp: { policy: '0xb0000', idBlock: idBlock(1, { policy: 0xb0000n }) },
};

function render(value: unknown, target: LaunchTarget) {
  return renderLaunch(target, planLaunch(parseDeployment(value), POLICY));
}

const golden = (name: string): string =>
  join(repositoryRoot, 'test', 'enclave', 'launch', 'golden', `${name}.golden`);

function assertGolden(name: string, contents: string): void {
  const path = golden(name);
  if (process.env['UPDATE_GOLDEN'] !== undefined) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, contents);
  }
  assert.equal(
    contents,
    readFileSync(path, 'utf8'),
    `${path} differs; UPDATE_GOLDEN=1 rewrites it`,
  );
}

suite('launch files', () => {
  const cases: readonly [string, unknown, readonly LaunchTarget[]][] = [
    ['sev-snp', SNP, LAUNCH_TARGETS],
    ['tdx', TDX_ON_BRIDGE, ['qemu', 'libvirt']],
    ['tdx', TDX, ['gcp', 'kubernetes', 'kserve']],
    ['sev-snp-id-block', SNP_WITH_ID_BLOCK, ['qemu', 'libvirt']],
  ];
  for (const [name, deployment, targets] of cases) {
    for (const target of targets) {
      test(`${target} for ${name} is as reviewed`, () => {
        for (const file of render(deployment, target)) {
          assertGolden(`${name}-${file.name}`, file.contents);
        }
      });
    }
  }

  for (const [target, asks] of [
    ['gcp', /^ +confidential_instance_type += "SEV_SNP"$/m],
    ['aws', /^ +amd_sev_snp = "enabled"$/m],
    ['azure', /^resource "azapi_resource" [\s\S]*^ +securityType = "ConfidentialVM"$/m],
  ] as const) {
    test(`the machine of ${target}.tf is a confidential one`, () => {
      const tofu = render(SNP, target).find(({ name }) => name === `${target}.tf`)?.contents ?? '';
      assert.match(tofu, asks);
      // Of a disk that it is given, it makes a machine of Trusted Launch.
      assert.doesNotMatch(tofu, /os_managed_disk_id/);
    });
  }

  test('az is told what to do without a key for SSH, which it demands also where none is used', () => {
    const { contents = '' } = render(SNP, 'azure').find(({ name }) => name === 'azure.sh') ?? {};
    assert.match(contents, /^ {2}--specialized \\\n {2}--generate-ssh-keys \\$/m);
  });

  test('HOST_DATA and MRCONFIGID are the digest of the launch policy, and follow it', () => {
    const other: LaunchPolicy = { ...POLICY, plaintext: true };
    for (const [deployment, length] of [
      [SNP, 32],
      [TDX, 48],
    ] as const) {
      const plan = planLaunch(parseDeployment(deployment), POLICY);
      assert.equal(Buffer.from(plan.bindingBase64, 'base64').length, length);
      const command = renderLaunch('qemu', plan)[0]?.contents ?? '';
      assert.ok(command.includes(plan.bindingBase64));
      const changed = planLaunch(parseDeployment(deployment), other);
      assert.notEqual(changed.bindingBase64, plan.bindingBase64);
    }
  });

  for (const [target, told] of [
    ['qemu', (owner, config) => `"mrowner":"${owner}","mrownerconfig":"${config}"`],
    [
      'libvirt',
      (owner, config) =>
        `<mrOwner>${owner}</mrOwner>\n    <mrOwnerConfig>${config}</mrOwnerConfig>`,
    ],
  ] satisfies [LaunchTarget, (owner: string, config: string) => string][]) {
    test(`${target} gives a TD the owner of the deployment, and the owner's configuration`, () => {
      const [owner, config] = [Buffer.alloc(48, 0xab), Buffer.alloc(48, 0xcd)];
      const tdx = { mrOwner: owner.toString('hex'), mrOwnerConfig: config.toString('hex') };
      const [file] = render({ ...TDX_ON_BRIDGE, tdx }, target);
      assert.ok(
        file?.contents.includes(told(owner.toString('base64'), config.toString('base64'))),
        file?.contents,
      );
    });
  }

  for (const [target, flag] of [
    ['qemu', 'author-key-enabled=on'],
    ['libvirt', "authorKey='yes'"],
  ] as const) {
    test(`${target} says that there is an author key where the ID block has one, and else nothing`, () => {
      for (const [algorithm, expected] of [
        [1, true],
        [0, false],
      ] as const) {
        const [file] = render({ ...SNP, snp: { idBlock: idBlock(algorithm) } }, target);
        assert.equal(file?.contents.includes(flag), expected);
      }
    });
  }

  for (const target of ['qemu', 'libvirt'] as const) {
    test(`${target} gives guests on one bridge a MAC address each`, () => {
      const macOf = (name: string): string => {
        const [file] = render({ ...SNP, name, service: { bridge: 'br0' } }, target);
        return /mac(?:=| address=')([0-9a-f:]+)/.exec(file?.contents ?? '')?.[1] ?? '';
      };
      const [one, other] = [macOf('one'), macOf('other')];
      assert.match(one, /^02(:[0-9a-f]{2}){5}$/, 'one station, locally administered');
      assert.notEqual(one, other);
    });
  }

  const mrOwner = '00'.repeat(48);
  const onlyOwnHost = (['gcp', 'aws', 'azure', 'kubernetes', 'kserve'] as const).flatMap(
    (target) =>
      [
        [target, 'service.hostPort', { ...SNP, service: { hostPort: 9443 } }],
        [target, 'service.hostAddress', { ...SNP, service: { hostAddress: '0.0.0.0' } }],
        [target, 'service.bridge', { ...SNP, service: { bridge: 'br0' } }],
        [target, 'snp.idBlock', SNP_WITH_ID_BLOCK],
      ] as const,
  );
  const notOnGoogle = [
    ['tdx.quoteGeneration', { quoteGeneration: { cid: 5 } }],
    ['tdx.mrOwner', { mrOwner }],
    ['tdx.mrOwnerConfig', { mrOwnerConfig: mrOwner }],
  ] as const;
  const otherHardware = LAUNCH_TARGETS.flatMap(
    (target) =>
      [
        [target, 'tdx.mrOwner', { ...SNP, tdx: { mrOwner } }],
        [target, 'snp.idBlock', { ...TDX, aws: SNP.aws, snp: { idBlock: idBlock(1) } }],
      ] as const,
  );
  for (const [target, name, deployment] of [
    ['libvirt', 'service.hostPort', { ...SNP, service: { hostPort: 8443 } }],
    ['libvirt', 'service.hostAddress', { ...SNP, service: { hostAddress: '0.0.0.0' } }],
    ['libvirt', 'tdx.quoteGeneration', { ...TDX, tdx: { quoteGeneration: { cid: 5 } } }],
    ['qemu', 'service.hostPort', { ...SNP, service: { bridge: 'br0', hostPort: 9443 } }],
    ['qemu', 'service.hostAddress', { ...SNP, service: { bridge: 'br0', hostAddress: '0.0.0.0' } }],
    ...onlyOwnHost,
    ...notOnGoogle.map(([name, tdx]) => ['gcp', name, { ...TDX, tdx }] as const),
    ...otherHardware,
  ] as const) {
    test(`${target} refuses ${name} where it could not honour it on ${deployment.tee}`, () => {
      assert.throws(
        () => render(deployment, target),
        (error) =>
          error instanceof AssayError &&
          error.code === 'CONFIG_DEPLOYMENT' &&
          error.message.endsWith(`no use for ${name}: leave it out`),
      );
    });
  }

  test('QEMU honours address, port and vsock where it can', () => {
    const service = { hostPort: 9443, hostAddress: '0.0.0.0' };
    const tdx = { quoteGeneration: { cid: 5, port: 9999 } };
    const [file] = render({ ...TDX, service, tdx }, 'qemu');
    assert.match(file?.contents ?? '', /hostfwd=tcp:0\.0\.0\.0:9443-:8443/);
    assert.match(file?.contents ?? '', /"cid":"5","port":"9999"/);
  });

  test('Google gets the firewall on the network that the guest is in', () => {
    const gcp = { ...SNP.gcp, network: 'inner', subnet: 'confidential' };
    const [script, tofu] = render({ ...SNP, gcp }, 'gcp').map(({ contents }) => contents);
    assert.match(script ?? '', /--network-interface=network=inner,subnet=confidential,/);
    assert.match(script ?? '', /firewall-rules[^#]*--network=inner /);
    assert.equal(tofu?.match(/network += "inner"/g)?.length, 2);
  });

  for (const [target, selected] of [
    ['kubernetes', { 'app.kubernetes.io/name': 'assay' }],
    ['kserve', { 'serving.kserve.io/inferenceservice': 'assay' }],
  ] as const) {
    test(`${target} lets the pods call out to nobody`, () => {
      const documents = parseAllDocuments(render(SNP, target)[0]?.contents ?? '');
      const manifests = documents.map((document) => document.toJS());
      const { spec } = manifests.find(({ kind }) => kind === 'NetworkPolicy');
      assert.deepEqual(spec.podSelector, { matchLabels: selected });
      assert.deepEqual([spec.policyTypes, spec.egress], [['Ingress', 'Egress'], []]);
    });
  }

  test('EC2 has no TDX', () => {
    assert.throws(
      () => render({ ...TDX, aws: SNP.aws }, 'aws'),
      (error) => error instanceof AssayError && error.code === 'CONFIG_DEPLOYMENT',
    );
  });

  test('a target without its member is refused by name', () => {
    const { aws: _, ...without } = SNP;
    assert.throws(
      () => render(without, 'aws'),
      (error) => error instanceof AssayError && /member aws/.test(error.message),
    );
  });
});
