import {
  type ProductLine,
  TCB_COMPONENTS,
  type TcbComponents,
  tcbComponents,
  tcbText,
  tcbVersionText,
} from '../evidence/snp-fields.js';
import type { FirmwareVersion } from '../evidence/snp-report.js';
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

/** Rank of a firmware version: the higher of two is the later one. */
function rank({ major, minor, build = 0 }: NonNullable<SnpPolicy['minimumFirmware']>): number {
  return (major * 256 + minor) * 256 + build;
}

const versionText = ({ major, minor, build }: FirmwareVersion): string =>
  `${major}.${minor}.${build}`;

/**
 * Judges what the host can roll the firmware back to. SNP_COMMIT commits what runs, so that no platform
 * comes to run less than it has committed: no policy waives that, and what the host may do there is not asked.
 */
function committedFindings(
  findings: Findings,
  { report, product }: AuthenticatedSnp,
  policy: SnpPolicy,
): void {
  const { current, committed, currentTcb, committedTcb } = report;
  const [running, kept] = [versionText(current), versionText(committed)];
  const expected = `${tcbVersionText(currentTcb, product)}, version ${running}`;
  const comparison = {
    actual: `committed ${tcbVersionText(committedTcb, product)}, version ${kept}`,
    reference: SNP_REFERENCES.committed,
  };
  const above = [
    ...tcbShortfall(tcbComponents(currentTcb, product), tcbComponents(committedTcb, product)),
    ...(rank(committed) > rank(current) ? [`version ${running} is below ${kept}`] : []),
  ];
  findings.check(
    'snp.tcb.committed-within-current',
    above.length === 0,
    { expected: `committed at most ${expected}`, ...comparison },
    {
      pass: 'No more firmware is committed than runs.',
      fail: `The firmware that runs is below what is committed: ${above.join('; ')}.`,
    },
  );
  if (above.length > 0) return;
  findings.check(
    'snp.tcb.provisional',
    committedTcb === currentTcb && rank(committed) === rank(current),
    { expected: `committed ${expected}`, ...comparison },
    {
      pass: 'The firmware that runs is committed: the host cannot roll it back.',
      fail: 'The firmware that runs is provisional: the host may still roll it back.',
    },
    policy.allowProvisionalFirmware ? 'allowProvisionalFirmware' : undefined,
  );
}

/** Judges the report's four TCB versions and its two firmware versions against each other and the floors. */
export function appraiseSnpTcb(findings: Findings, snp: AuthenticatedSnp, policy: SnpPolicy): void {
  const { report, product } = snp;
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
      expected: `at most ${tcbVersionText(report.currentTcb, product)}`,
      actual: tcbVersionText(report.reportedTcb, product),
      reference: SNP_REFERENCES.tcb,
    },
    {
      pass: 'The TCB that the key is bound to is not above the one that runs.',
      fail: `The reported TCB is above the current one: ${above.join('; ')}.`,
    },
  );
  committedFindings(findings, snp, policy);
  checkFloors(findings, versions, product, policy);
  const least = policy.minimumFirmware;
  if (least === undefined) return;
  for (const [name, version] of [
    ['current', report.current],
    ['committed', report.committed],
  ] as const) {
    findings.check(
      `snp.firmware.${name}`,
      rank(version) >= rank(least),
      {
        expected: `at least ${least.major}.${least.minor}.${least.build ?? 0}`,
        actual: versionText(version),
        reference: `${SNP_REFERENCES.policy}, minimumFirmware`,
      },
      {
        pass: `The ${name} firmware version meets its floor.`,
        fail: `The ${name} firmware version is below its floor.`,
      },
    );
  }
}
