import type { LaunchPolicy } from '../../attestation/evidence/launch-policy.js';

/** A launch policy of one model. */
export const POLICY: LaunchPolicy = {
  models: [{ graph: new Uint8Array(32).fill(0x11), execution: null }],
  development: false,
  plaintext: false,
};

/** Members of a deployment on either hardware, for every target but EC2. */
export const BASE = {
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

/** A deployment that every target takes. */
export const SNP = {
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

export const TDX = {
  ...BASE,
  tee: 'tdx',
  boot: { ...BASE.boot, firmware: '/usr/share/ovmf/OVMF.inteltdx.ms.fd' },
  gcp: { ...BASE.gcp, machineType: 'c3-standard-4' },
};

/** An ID block as the firmware wants it, whose key an author signed with this algorithm; 0, none did. */
export function idBlock(authorAlgorithm: number, { policy = 0x30000n, version = 1 } = {}) {
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
