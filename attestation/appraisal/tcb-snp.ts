import {
  type ProductLine,
  TCB_COMPONENTS,
  type TcbComponents,
  tcbComponents,
  tcbText,
} from '../evidence/snp-fields.js';
import type { AuthenticatedSnp } from './authenticate-snp.js';
import type { Findings } from './findings.js';
import type { SnpPolicy } from './policy-snp.js';
import { SNP_REFERENCES } from './references-snp.js';

/** Each component that is below its floor, in words; empty where none is. */
function tcbShortfall(actual: TcbComponents, floor: Partial<TcbComponents>): string[] {
  return TCB_COMPONENTS.flatMap((name) => {
    const [least, found] = [floor[name], actual[name]];
    if (least === undefined || (found !== undefined && found >= least)) return [];
    return [
      found === undefined
        ? `there is no ${name}`
        : `${name} is ${least - found} below its floor (${found} of ${least})`,
    ];
  });
}

function checkFloors(
  findings: Findings,
  versions: Readonly<Record<'reported' | 'committed' | 'current' | 'launch', TcbComponents>>,
  product: ProductLine,
  policy: SnpPolicy,
): void {
  if (policy.minimumTcb === undefined) return;
  const floors = policy.minimumTcb[product];
  const known = floors !== undefined;
  findings.check(
    'snp.tcb.floor',
    known,
    {
      expected: Object.keys(policy.minimumTcb).join(', '),
      actual: product,
      reference: `${SNP_REFERENCES.policy}, minimumTcb`,
    },
    {
      pass: `The policy has TCB floors for ${product}.`,
      fail: `The policy has TCB floors for other products and none for ${product}.`,
    },
  );
  if (!known) return;
  for (const name of ['reported', 'committed', 'current', 'launch'] as const) {
    const floor = floors[name];
    if (floor === undefined) continue;
    const missing =
      versions[name].fmc !== undefined && floor.fmc === undefined
        ? ['the policy has no floor for fmc']
        : [];
    const shortfall = [
      ...tcbShortfall(versions[name], floor as Partial<TcbComponents>),
      ...missing,
    ];
    findings.check(
      `snp.tcb.${name}`,
      shortfall.length === 0,
      {
        expected: `at least ${tcbText(floor as Partial<TcbComponents>)}`,
        actual: tcbText(versions[name]),
        reference: SNP_REFERENCES.tcb,
      },
      {
        pass: `The ${name} TCB meets every floor.`,
        fail: `The ${name} TCB falls short: ${shortfall.join('; ')}.`,
      },
    );
  }
}

/** Judges the report's four TCB versions and its two firmware versions against each other and the floors. */
export function appraiseSnpTcb(
  findings: Findings,
  { report, product }: AuthenticatedSnp,
  policy: SnpPolicy,
): void {
  const versions = {
    reported: tcbComponents(report.reportedTcb, product),
    committed: tcbComponents(report.committedTcb, product),
    current: tcbComponents(report.currentTcb, product),
    launch: tcbComponents(report.launchTcb, product),
  };
  const above = tcbShortfall(versions.current, versions.reported);
  findings.check(
    'snp.tcb.reported-within-current',
    above.length === 0,
    {
      expected: `at most ${tcbText(versions.current)}`,
      actual: tcbText(versions.reported),
      reference: SNP_REFERENCES.tcb,
    },
    {
      pass: 'The TCB that the key is bound to is not above the one that runs.',
      fail: `The reported TCB is above the current one: ${above.join('; ')}.`,
    },
  );
  const { current, committed } = report;
  const same =
    report.committedTcb === report.currentTcb &&
    current.build === committed.build &&
    current.minor === committed.minor &&
    current.major === committed.major;
  const text = (tcb: TcbComponents, version: typeof current): string =>
    `${tcbText(tcb)}, version ${version.major}.${version.minor}.${version.build}`;
  findings.check(
    'snp.tcb.provisional',
    same,
    {
      expected: `committed ${text(versions.current, current)}`,
      actual: `committed ${text(versions.committed, committed)}`,
      reference: SNP_REFERENCES.committed,
    },
    {
      pass: 'The firmware that runs is committed: the host cannot roll it back.',
      fail: 'The firmware that runs is provisional: the host may still roll it back.',
    },
    policy.allowProvisionalFirmware ? 'allowProvisionalFirmware' : undefined,
  );
  checkFloors(findings, versions, product, policy);
  const least = policy.minimumFirmware;
  if (least === undefined) return;
  const order = (version: { major: number; minor: number; build?: number | undefined }): number =>
    (version.major * 256 + version.minor) * 256 + (version.build ?? 0);
  for (const [name, version] of [
    ['current', current],
    ['committed', committed],
  ] as const) {
    findings.check(
      `snp.firmware.${name}`,
      order(version) >= order(least),
      {
        expected: `at least ${least.major}.${least.minor}.${least.build ?? 0}`,
        actual: `${version.major}.${version.minor}.${version.build}`,
        reference: `${SNP_REFERENCES.policy}, minimumFirmware`,
      },
      {
        pass: `The ${name} firmware version meets its floor.`,
        fail: `The ${name} firmware version is below its floor.`,
      },
    );
  }
}
