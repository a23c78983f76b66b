/** An input that two measurements do not share, and which digests it decides. */
export interface InputChange {
  readonly input: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
  readonly decides: string;
}

const DECIDES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'sev-snp': {
    firmware: 'MEASUREMENT (firmware pages, metadata pages)',
    'firmware digest': 'MEASUREMENT (firmware pages)',
    kernel: 'MEASUREMENT (kernel-hashes page)',
    initrd: 'MEASUREMENT (kernel-hashes page)',
    'command line': 'MEASUREMENT (kernel-hashes page)',
    vmm: 'MEASUREMENT (save areas and order of pages)',
    processors: 'MEASUREMENT (one save area for each processor)',
    'cpu signature': 'MEASUREMENT (RDX in the save areas)',
    features: 'MEASUREMENT (SEV_FEATURES in the save areas)',
    'launch policy': 'HOST_DATA, outside MEASUREMENT',
  },
  tdx: {
    firmware: 'MRTD, and RTMR0 by its configuration volume',
    kernel: 'RTMR1',
    initrd: 'RTMR2',
    'command line': 'RTMR2',
    'unified kernel image': 'RTMR1 and RTMR2',
    'partition table': 'RTMR1',
    'launch policy': 'MRCONFIGID, outside MRTD and RTMRs',
  },
};

/** Which inputs differ, in the order of the first; empty when none does. */
export function explainDifference(
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
): InputChange[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const decides = DECIDES[after['tee'] ?? ''] ?? {};
  return names
    .filter((name) => before[name] !== after[name])
    .map((input) => ({
      input,
      before: before[input],
      after: after[input],
      decides: decides[input] ?? 'everything',
    }));
}
