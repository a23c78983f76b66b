type Texts = Readonly<Record<string, string>>;

/** What two files do not share; undefined in the one that has it not. */
interface Change {
  readonly before: string | undefined;
  readonly after: string | undefined;
}

/** An input that two measurements do not share, and which digests it decides. */
export interface InputChange extends Change {
  readonly input: string;
  readonly decides: string;
}

const DECIDES: Readonly<Record<string, Texts>> = {
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
    'id key': 'ID_KEY_DIGEST, outside MEASUREMENT',
    'author key': 'AUTHOR_KEY_DIGEST, outside MEASUREMENT',
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

/** A member of a file's own: names come from files, and `toString` is one that every object inherits. */
function own<T>(members: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(members, name) ? members[name] : undefined;
}

/** Which names have other texts, in the order of the first; empty when none does. */
export function differences(before: Texts, after: Texts): (Change & { readonly name: string })[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .map((name) => ({ name, before: own(before, name), after: own(after, name) }))
    .filter((change) => change.before !== change.after);
}

/** Which inputs differ, in the order of the first; empty when none does. */
export function explainDifference(before: Texts, after: Texts): InputChange[] {
  const decides = own(DECIDES, own(after, 'tee') ?? '') ?? {};
  return differences(before, after).map(({ name, ...change }) => ({
    input: name,
    ...change,
    decides: own(decides, name) ?? 'everything',
  }));
}
