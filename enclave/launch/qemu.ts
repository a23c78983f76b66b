import { type Deployment, refuseUnused, required } from './deployment.js';
import type { LaunchFile, LaunchPlan } from './plan.js';
import { shellCommand, shellScript } from './shell.js';

/** QEMU's `-object` values, which hold no commas: flags, numbers and base64. */
function properties(type: string, members: Readonly<Record<string, string | undefined>>): string {
  const pairs = Object.entries(members)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${value}`);
  return [type, ...pairs].join(',');
}

function snpArguments({ deployment, bindingBase64, authorKey }: LaunchPlan): string[] {
  const { snp, machine } = deployment;
  return [
    '-machine',
    'q35,confidential-guest-support=sev0,memory-backend=ram1,kernel-irqchip=split,vmport=off',
    '-cpu',
    machine.cpu,
    '-object',
    properties('memory-backend-memfd', {
      id: 'ram1',
      size: `${machine.memoryMiB}M`,
      share: 'true',
    }),
    '-object',
    properties('sev-snp-guest', {
      id: 'sev0',
      policy: `0x${snp.policy.toString(16)}`,
      cbitpos: String(snp.cBitPosition),
      'reduced-phys-bits': '1',
      'kernel-hashes': 'on',
      'host-data': bindingBase64,
      'id-block': snp.idBlock?.block,
      'id-auth': snp.idBlock?.authentication,
      'author-key-enabled': authorKey ? 'on' : undefined,
    }),
  ];
}

function tdxArguments({ deployment, bindingBase64 }: LaunchPlan): string[] {
  const { tdx, machine } = deployment;
  const { cid = 2, port = 4050 } = tdx.quoteGeneration ?? {};
  const base64 = (hex: string | undefined): string | undefined =>
    hex && Buffer.from(hex, 'hex').toString('base64');
  const object = {
    'qom-type': 'tdx-guest',
    id: 'tdx0',
    mrconfigid: bindingBase64,
    mrowner: base64(tdx.mrOwner),
    mrownerconfig: base64(tdx.mrOwnerConfig),
    'quote-generation-socket': { type: 'vsock', cid: String(cid), port: String(port) },
  };
  return [
    '-machine',
    'q35,kernel-irqchip=split,confidential-guest-support=tdx0,memory-backend=ram1,hpet=off',
    '-cpu',
    'host',
    '-object',
    properties('memory-backend-memfd', {
      id: 'ram1',
      size: `${machine.memoryMiB}M`,
      share: 'true',
    }),
    '-object',
    JSON.stringify(object),
  ];
}

function networkDevice({ port, bridge, hostPort, hostAddress }: Deployment['service']): string {
  if (bridge === undefined) {
    const offered = `${hostAddress ?? '127.0.0.1'}:${hostPort ?? 8443}`;
    return `user,id=net0,restrict=on,hostfwd=tcp:${offered}-:${port}`;
  }
  const unused = { 'service.hostPort': hostPort, 'service.hostAddress': hostAddress };
  refuseUnused(unused, 'a guest on a bridge');
  return `bridge,id=net0,br=${bridge}`;
}

/**
 * QEMU's arguments, from 10.1 on for TDX and 9.1 for SNP (docs/system/i386/amd-memory-encryption, tdx).
 * Nothing is attached that the guest does not need: no disk, no display, no monitor, no default devices. The
 * serial port goes to a file that the host can read: the release image writes nothing secret there.
 */
export function qemuArguments(plan: LaunchPlan): string[] {
  const { boot, machine, service, tee, name } = plan.deployment;
  return [
    'qemu-system-x86_64',
    '-name',
    `guest=${name}`,
    '-accel',
    'kvm',
    ...(tee === 'sev-snp' ? snpArguments(plan) : tdxArguments(plan)),
    '-smp',
    String(machine.processors),
    '-m',
    `${machine.memoryMiB}M`,
    '-bios',
    required(boot.firmware, 'boot.firmware', 'QEMU'),
    '-kernel',
    boot.kernel,
    '-initrd',
    boot.initrd,
    '-append',
    boot.commandLine,
    '-netdev',
    networkDevice(service),
    '-device',
    `virtio-net-pci,netdev=net0,mac=${plan.macAddress},disable-legacy=on,romfile=`,
    '-nodefaults',
    '-no-user-config',
    '-display',
    'none',
    '-monitor',
    'none',
    '-serial',
    `file:${name}.console`,
    '-no-reboot',
  ];
}

export function qemuFiles(plan: LaunchPlan): LaunchFile[] {
  const { tee } = plan.deployment;
  const field = tee === 'sev-snp' ? 'HOST_DATA' : 'MRCONFIGID';
  return [
    {
      name: 'qemu.sh',
      executable: true,
      contents: shellScript(
        [
          `Starts the guest on a ${tee === 'sev-snp' ? 'SEV-SNP' : 'TDX'} host.`,
          `${field} holds the digest of the launch policy; it is outside the launch measurement, and verifiers check both.`,
        ],
        `exec ${shellCommand(qemuArguments(plan))}`,
      ),
    },
  ];
}
