import { toHex } from '../../attestation/encoding/bytes.js';
import type { ExecutionProfile } from '../../attestation/evidence/execution-profile.js';

/** One member of the execution profile that differs. */
export interface ProfileDifference {
  readonly member: string;
  readonly attested: string;
  readonly replayed: string;
}

/** One member of the execution profile that is not the same on all nodes. */
export interface ProfileSpread {
  readonly member: string;
  readonly values: readonly { readonly value: string; readonly targets: readonly string[] }[];
  /**
   * Whether nodes of different execution classes never share a value of it: then it may be why their
   * bits differ. Where nodes of one class have several values, it changed nothing between those.
   */
  readonly separates: boolean;
}

/** What is compared of a node: its name, its profile, and the number of its execution class. */
export interface ProfiledNode {
  readonly target: string;
  readonly profile: ExecutionProfile;
  readonly executionClass: number;
}

function membersOf(profile: ExecutionProfile): ReadonlyMap<string, string> {
  const { libraries, kernels, ...rest } = profile;
  return new Map<string, string>([
    ...Object.entries(rest).map(([name, value]) => [name, String(value)] as const),
    ['kernels', toHex(kernels)],
    ...libraries.map(({ file, sha256: digest }) => [`library ${file}`, toHex(digest)] as const),
  ]);
}

/** Every member in which two profiles differ. */
export function profileDifferences(
  attested: ExecutionProfile,
  replayed: ExecutionProfile,
): readonly ProfileDifference[] {
  const [a, b] = [membersOf(attested), membersOf(replayed)];
  return [...new Set([...a.keys(), ...b.keys()])].flatMap((member) => {
    const [left, right] = [a.get(member) ?? 'none', b.get(member) ?? 'none'];
    return left === right ? [] : [{ member, attested: left, replayed: right }];
  });
}

/** Every member that is not the same on all nodes, with who has which value. */
export function profileSpreads(nodes: readonly ProfiledNode[]): readonly ProfileSpread[] {
  const own = nodes.map(({ profile, ...rest }) => ({ ...rest, members: membersOf(profile) }));
  const names = new Set(own.flatMap(({ members }) => [...members.keys()]));
  const classes = new Set(nodes.map(({ executionClass }) => executionClass));
  return [...names].flatMap((member) => {
    const byValue = new Map<string, (typeof own)[number][]>();
    for (const node of own) {
      const value = node.members.get(member) ?? 'none';
      byValue.set(value, [...(byValue.get(value) ?? []), node]);
    }
    if (byValue.size === 1) return [];
    const holders = [...byValue.values()];
    const shared = holders.some((some) => new Set(some.map((n) => n.executionClass)).size > 1);
    const values = [...byValue].map(([value, some]) => ({
      value,
      targets: some.map(({ target }) => target),
    }));
    return [{ member, values, separates: classes.size > 1 && !shared }];
  });
}
