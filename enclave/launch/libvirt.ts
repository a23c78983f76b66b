import { refuseUnused, required } from './deployment.js';
import type { LaunchFile, LaunchPlan } from './plan.js';
import { type Element, element, renderXml } from './xml.js';

/** TDATTRIBUTES: SEPT_VE_DISABLE alone, as QEMU's own default. */
const TD_ATTRIBUTES = '0x10000000';
const QUOTE_SOCKET = '/var/run/tdx-qgs/qgs.socket';

const base64 = (hex: string): string => Buffer.from(hex, 'hex').toString('base64');
const optional = (name: string, text: string | undefined): Element[] =>
  text === undefined ? [] : [element(name, {}, text)];

/** https://libvirt.org/formatdomain.html, "Launch Security". */
function launchSecurity({ deployment, bindingBase64, authorKey }: LaunchPlan): Element {
  const { tee, snp, tdx } = deployment;
  if (tee === 'tdx') {
    return element('launchSecurity', { type: 'tdx' }, [
      element('policy', {}, TD_ATTRIBUTES),
      element('mrConfigId', {}, bindingBase64),
      ...optional('mrOwner', tdx.mrOwner && base64(tdx.mrOwner)),
      ...optional('mrOwnerConfig', tdx.mrOwnerConfig && base64(tdx.mrOwnerConfig)),
      element('quoteGenerationService', { path: QUOTE_SOCKET }),
    ]);
  }
  const author = authorKey ? { authorKey: 'yes' } : {};
  return element('launchSecurity', { type: 'sev-snp', kernelHashes: 'yes', ...author }, [
    element('cbitpos', {}, String(snp.cBitPosition)),
    element('reducedPhysBits', {}, '1'),
    element('policy', {}, `0x${snp.policy.toString(16).padStart(8, '0')}`),
    ...optional('idBlock', snp.idBlock?.block),
    ...optional('idAuth', snp.idBlock?.authentication),
    element('hostData', {}, bindingBase64),
  ]);
}

/** A libvirt domain: the same guest as QEMU's command, and nothing else attached. */
function domain(plan: LaunchPlan): Element {
  const { boot, machine, service, tee, name } = plan.deployment;
  const isTdx = tee === 'tdx';
  const cpu = isTdx
    ? element('cpu', { mode: 'host-passthrough' })
    : element('cpu', { mode: 'custom', match: 'exact', check: 'none' }, [
        element('model', { fallback: 'forbid' }, machine.cpu),
      ]);
  const [type, source] = service.bridge
    ? ['bridge', { bridge: service.bridge }]
    : ['network', { network: 'default' }];
  const network = element('interface', { type }, [
    element('source', source),
    element('mac', { address: plan.macAddress }),
    element('model', { type: 'virtio-non-transitional' }),
    element('rom', { enabled: 'no' }),
  ]);
  return element('domain', { type: 'kvm' }, [
    element('name', {}, name),
    element('memory', { unit: 'MiB' }, String(machine.memoryMiB)),
    element('memoryBacking', {}, [
      element('source', { type: 'memfd' }),
      element('access', { mode: 'shared' }),
    ]),
    element('vcpu', {}, String(machine.processors)),
    element('os', {}, [
      element('type', { arch: 'x86_64', machine: 'q35' }, 'hvm'),
      element(
        'loader',
        { type: 'rom', stateless: 'yes' },
        required(boot.firmware, 'boot.firmware', 'libvirt'),
      ),
      element('kernel', {}, boot.kernel),
      element('initrd', {}, boot.initrd),
      element('cmdline', {}, boot.commandLine),
    ]),
    element('features', {}, [
      element('acpi'),
      element('apic'),
      element('ioapic', { driver: 'qemu' }),
    ]),
    cpu,
    ...(isTdx
      ? [element('clock', { offset: 'utc' }, [element('timer', { name: 'hpet', present: 'no' })])]
      : [element('clock', { offset: 'utc' })]),
    element('on_reboot', {}, 'destroy'),
    element('on_crash', {}, 'destroy'),
    element('devices', {}, [
      network,
      element('serial', { type: 'file' }, [
        element('source', { path: `/var/log/libvirt/${name}.console` }),
        element('target', { port: '0' }),
      ]),
      element('memballoon', { model: 'none' }),
    ]),
    launchSecurity(plan),
  ]);
}

export function libvirtFiles(plan: LaunchPlan): LaunchFile[] {
  const { tdx, service } = plan.deployment;
  const unused = {
    'service.hostPort': service.hostPort,
    'service.hostAddress': service.hostAddress,
    'tdx.quoteGeneration': tdx.quoteGeneration,
  };
  refuseUnused(unused, 'libvirt');
  return [{ name: 'domain.xml', executable: false, contents: renderXml(domain(plan)) }];
}
