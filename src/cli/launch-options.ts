import { AssayError } from '../../attestation/encoding/error.js';
import type { Tee } from '../../attestation/evidence/bundle.js';
import { savesSignature, type Vmm } from '../../enclave/measurement/vmsa.js';
import { flag } from './options.js';

/** Options of `assay measure launch`. */
export interface LaunchOptions {
  readonly deployment?: string;
  readonly tee?: Tee;
  readonly firmware?: string;
  readonly firmwareDigest?: Uint8Array;
  readonly kernel?: string;
  readonly initrd?: string;
  readonly commandLine?: string;
  readonly uki?: string;
  readonly disk?: string;
  readonly processors?: number[];
  readonly cpu?: string;
  readonly cpuSignature?: bigint;
  readonly vmm?: Vmm;
  readonly features?: bigint;
  readonly launchPolicy?: string;
  readonly idKey?: string;
  readonly authorKey?: string;
  readonly guestPolicy?: bigint;
  readonly guestSvn?: number;
  readonly familyId?: Uint8Array;
  readonly imageId?: Uint8Array;
  readonly output?: string;
}

export const DEFAULT_VMM: Vmm = 'qemu';

const ID_BLOCK = ['authorKey', 'guestPolicy', 'guestSvn', 'familyId', 'imageId'] as const;
const PROCESSOR = ['cpu', 'cpuSignature'] as const;

/** Of each of these pairs the second would change nothing. */
const ALTERNATIVES = [
  ['uki', 'kernel'],
  ['uki', 'initrd'],
  ['uki', 'commandLine'],
  PROCESSOR,
] as const;

/** Options that the other hardware has no use for, as they are written. */
const ONLY: { readonly [tee in Tee]: readonly (keyof LaunchOptions)[] } = {
  tdx: ['uki', 'disk'],
  'sev-snp': [
    ...(['firmwareDigest', 'processors', 'vmm', 'features', 'idKey'] as const),
    ...PROCESSOR,
    ...ID_BLOCK,
  ],
};

/** Clouds load what is on a disk, and no customer of theirs sets HOST_DATA or an ID block. */
const CLOUDS: readonly Vmm[] = ['ec2', 'gce'];
const OF_OWN_HOSTS = [
  'deployment',
  'kernel',
  'initrd',
  'commandLine',
  'launchPolicy',
  'idKey',
] as const;

/**
 * An option without effect would leave its caller with values that do not cover what it names: throws
 * USAGE_OPTION.
 */
export function refuseUncovered(given: LaunchOptions, tee: Tee): void {
  const fail = (message: string): never => {
    throw new AssayError('USAGE_OPTION', message);
  };
  const other = tee === 'tdx' ? 'sev-snp' : 'tdx';
  const idle = ONLY[other].find((name) => given[name] !== undefined);
  if (idle !== undefined) fail(`${flag(idle)} is for ${other}: no value of ${tee} covers it`);
  for (const [one, another] of ALTERNATIVES) {
    if (given[one] !== undefined && given[another] !== undefined) {
      fail(`expected ${flag(one)} or ${flag(another)}, not both`);
    }
  }
  if (given.disk !== undefined && given.uki === undefined) {
    fail('--disk is of an image that the firmware starts from it, which needs --uki');
  }
  const { vmm = DEFAULT_VMM } = given;
  const processor = PROCESSOR.find((name) => given[name] !== undefined);
  if (processor !== undefined && !savesSignature(vmm)) {
    fail(`${flag(processor)} changes nothing with --vmm ${vmm}: it starts every processor alike`);
  }
  const own = OF_OWN_HOSTS.find((name) => given[name] !== undefined);
  if (own !== undefined && CLOUDS.includes(vmm)) {
    fail(
      `${flag(own)} is for hosts of your own: with --vmm ${vmm} give --firmware and --processors`,
    );
  }
  const signed = ID_BLOCK.find((name) => given[name] !== undefined);
  if (signed !== undefined && given.idKey === undefined) {
    fail(`${flag(signed)} is for an ID block, which needs --id-key`);
  }
}
