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
import { repositoryRoot } from '../../vectors.js';

const POLICY: LaunchPolicy = {
  models: [{ graph: new Uint8Array(32).fill(0x11), execution: null }],
  development: false,
  plaintext: false,
};

const BASE = {
  version: 1,
  name: 'assay',
  launchPolicy: 'launch-policy.yaml',
  boot: {
    firmware: '/usr/share/ovmf/OVMF.amdsev.fd',
    kernel: '/var/lib/assay/vmlinuz',
    initrd: '/var/lib/assay/initrd.lz4',
    commandLine: 'console=ttyS0 panic=-1',
  },
  machine: { processors: 4, memoryMiB: 8192, cpu: 'EPYC-Milan' },
  gcp: {
    project: 'example',
    zone: 'europe-west4-a',
    machineType: 'n2d-standard-4',
    image: 'assay-1',
    sourceRanges: ['203.0.113.0/24'],
  },
  kubernetes: { image: `registry.example/assay@sha256:${'a'.repeat(64)}`, replicas: 3 },
  azure: {
    resourceGroup: 'assay',
    location: 'westeurope',
    size: 'Standard_DC4as_v5',
    image:
      '/subscriptions/0/resourceGroups/assay/providers/Microsoft.Compute/galleries/assay/images/assay/versions/1.0.0',
    subnet:
      '/subscriptions/0/resourceGroups/assay/providers/Microsoft.Network/virtualNetworks/assay/subnets/guests',
  },
};

const SNP = {
  ...BASE,
  tee: 'sev-snp',
  aws: {
    region: 'eu-west-1',
    instanceType: 'm6a.xlarge',
    ami: 'ami-0123456789abcdef0',
    subnet: 'subnet-0123456789abcdef0',
    securityGroup: 'sg-0123456789abcdef0',
  },
};

const TDX = {
  ...BASE,
  tee: 'tdx',
  boot: { ...BASE.boot, firmware: '/usr/share/ovmf/OVMF.inteltdx.ms.fd' },
  gcp: { ...BASE.gcp, machineType: 'c3-standard-4' },
};

const TDX_ON_BRIDGE = { ...TDX, service: { bridge: 'br0' } };

/** An ID block as the firmware wants it, whose key an author signed with this algorithm; 0, none did. */
function idBlock(authorAlgorithm: number, { policy = 0x30000n, version = 1 } = {}) {
  const block = Buffer.alloc(96);
  block.writeUInt32LE(version, 80);
  block.writeBigUInt64LE(policy, 88);
  const authentication = Buffer.alloc(4096);
  authentication.writeUInt32LE(1, 0);
  authentication.writeUInt32LE(authorAlgorithm, 4);
  return {
    block: block.toString('base64'),
    authentication: authentication.toString('base64'),
  };
}

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

suite('deployment file', () => {
  for (const [what, snp, policy] of [
    ['nothing of SNP', {}, 0x30000n],
    ['an ID block alone', { idBlock: idBlock(0) }, 0x30000n],
    ['a policy as YAML reads it without quotes', { policy: 0xb0000, features: 1 }, 0xb0000n],
    ['a policy with its highest bit', { policy: '0x2020000' }, 0x2020000n],
    ['a policy as text', { policy: '0xb0000', features: '0x1' }, 0xb0000n],
  ] as const) {
    test(`${what} is taken, and what is left out has its default`, () => {
      const { snp: read } = parseDeployment({ ...SNP, snp });
      assert.deepEqual([read.policy, read.features, read.cBitPosition], [policy, 1n, 51]);
    });
  }

  for (const [what, change] of [
    ['an unknown member', { extra: 1 }],
    ['another version', { version: 2 }],
    ['a name with a shell in it', { name: 'a;rm' }],
    ['a command line with quotes', { boot: { ...BASE.boot, commandLine: "a'b" } }],
    ['a command line with a substitution', { boot: { ...BASE.boot, commandLine: '$(id)' } }],
    ['a command line with a blank at its end', { boot: { ...BASE.boot, commandLine: 'quiet ' } }],
    ['a path with a comma', { boot: { ...BASE.boot, kernel: 'a,readonly=on' } }],
    ['no processor', { machine: { processors: 0 } }],
    ['512 MiB, with which the guest does not boot', { machine: { memoryMiB: 512 } }],
    ['an unknown processor model', { machine: { cpu: 'host' } }],
    ['a guest policy without bit 17', { snp: { policy: '0x10000' } }],
    ['a guest policy with bit 26', { snp: { policy: '0x4020000' } }],
    ['a guest policy with bit 63', { snp: { policy: '0x8000000000020000' } }],
    ['a guest policy that is no integer', { snp: { policy: 196608.5 } }],
    ['a negative guest policy', { snp: { policy: -1 } }],
    ['SEV_FEATURES that no launch command sets', { snp: { features: '0x21' } }],
    ['an ID block for another guest policy', { snp: { policy: '0xb0000', idBlock: idBlock(1) } }],
    ['an ID block of version 2', { snp: { idBlock: idBlock(1, { version: 2 }) } }],
    ['an ID block of 3 bytes', { snp: { idBlock: { ...idBlock(1), block: 'AAAA' } } }],
    [
      'an authentication of 3 bytes',
      { snp: { idBlock: { ...idBlock(1), authentication: 'AQID' } } },
    ],
    ['a port that is none', { service: { port: 0 } }],
    ['a container image by tag', { kubernetes: { image: 'registry.example/assay:latest' } }],
    ['a subnet with an option behind it', { gcp: { ...SNP.gcp, subnet: 'x,no-address' } }],
    ['an image that no target starts', { boot: { ...BASE.boot, uki: 'assay.efi' } }],
    ['an AMI that is none', { aws: { ...SNP.aws, ami: 'ami' } }],
  ] as const) {
    test(`${what} is refused`, () => {
      assert.throws(
        () => parseDeployment({ ...SNP, ...change }),
        (error) => error instanceof AssayError && error.code === 'CONFIG_DEPLOYMENT',
      );
    });
  }
});
