import {
  encodeTcb,
  type ProductLine,
  type TcbComponents,
} from '../../attestation/evidence/snp-fields.js';
import { SIMULATED_CHIPS } from '../../enclave/platform/simulator/snp.js';
import { type PolicyCase, report } from './snp-policy-case.js';

/** A TCB of the simulated chip with one component raised or lowered. */
function moved(product: Exclude<ProductLine, 'Venice'>, name: keyof TcbComponents, by: number) {
  const { tcb } = SIMULATED_CHIPS[product];
  return { ...tcb, [name]: (tcb[name] ?? 0) + by };
}

/** Versions of the firmware and mitigations that a policy refuses. */
export const FIRMWARE_CASES: readonly PolicyCase[] = [
  ...(['Milan', 'Turin'] as const).flatMap((product) =>
    (Object.keys(SIMULATED_CHIPS[product].tcb) as (keyof TcbComponents)[]).flatMap((component) => [
      ...(['reported', 'committed', 'current', 'launch'] as const).map((version) => ({
        name: `${product}: ${component} of the ${version} TCB is one below its floor`,
        fault: { product },
        policy: { minimumTcb: { [product]: { [version]: moved(product, component, 1) } } },
        check: `snp.tcb.${version}`,
      })),
      {
        name: `${product}: ${component} is not committed`,
        fault: {
          product,
          report: { currentTcb: encodeTcb(moved(product, component, 1), product) },
        },
        check: 'snp.tcb.provisional',
        waiver: { allowProvisionalFirmware: true },
      },
      {
        name: `${product}: ${component} that is committed is above what runs, whatever is provisional`,
        fault: {
          product,
          report: { committedTcb: encodeTcb(moved(product, component, 1), product) },
        },
        policy: { allowProvisionalFirmware: true },
        check: 'snp.tcb.committed-within-current',
      },
    ]),
  ),
  {
    name: 'of what is committed one component is above what runs, and another below',
    fault: report({
      committedTcb: encodeTcb({ ...moved('Milan', 'microcode', 1), bootLoader: 0 }, 'Milan'),
    }),
    check: 'snp.tcb.committed-within-current',
  },
  {
    name: 'floors for another product line',
    policy: { minimumTcb: { Genoa: { reported: SIMULATED_CHIPS.Genoa.tcb } } },
    check: 'snp.tcb.floor',
  },
  {
    name: 'Turin floors without FMC',
    fault: { product: 'Turin' },
    policy: {
      minimumTcb: { Turin: { reported: { bootLoader: 0, tee: 0, snp: 0, microcode: 0 } } },
    },
    check: 'snp.tcb.reported',
  },
  {
    name: 'Milan floors with FMC',
    policy: {
      minimumTcb: { Milan: { reported: { fmc: 0, bootLoader: 0, tee: 0, snp: 0, microcode: 0 } } },
    },
    check: 'snp.tcb.reported',
  },
  {
    name: 'the reported TCB is above the current one',
    fault: report({
      currentTcb: encodeTcb(moved('Milan', 'microcode', -1), 'Milan'),
      committedTcb: encodeTcb(moved('Milan', 'microcode', -1), 'Milan'),
    }),
    check: 'snp.tcb.reported-within-current',
  },
  ...(['build', 'minor', 'major'] as const).map((part) => ({
    name: `the firmware's ${part} is not committed`,
    fault: report({ committed: { build: 40, minor: 55, major: 1, [part]: 0 } }),
    check: 'snp.tcb.provisional',
    waiver: { allowProvisionalFirmware: true },
  })),
  {
    name: 'a later build of an earlier minor version is what is committed',
    fault: report({ committed: { build: 41, minor: 54, major: 1 } }),
    check: 'snp.tcb.provisional',
    waiver: { allowProvisionalFirmware: true },
  },
  ...(['build', 'minor', 'major'] as const).map((part) => ({
    name: `the firmware's ${part} that is committed is above what runs, whatever is provisional`,
    fault: report({ committed: { build: 40, minor: 55, major: 1, [part]: 99 } }),
    policy: { allowProvisionalFirmware: true },
    check: 'snp.tcb.committed-within-current',
  })),
  {
    name: 'the build of the committed firmware is below its floor',
    fault: report({ committed: { build: 39, minor: 55, major: 1 } }),
    policy: {
      allowProvisionalFirmware: true,
      minimumFirmware: { major: 1, minor: 55, build: 40 },
    },
    check: 'snp.firmware.committed',
  },
  {
    name: 'the highest minor version and build are below the next major version',
    fault: report({
      current: { build: 0, minor: 0, major: 2 },
      committed: { build: 255, minor: 255, major: 1 },
    }),
    policy: { allowProvisionalFirmware: true, minimumFirmware: { major: 2, minor: 0 } },
    check: 'snp.firmware.committed',
  },
  {
    name: 'a launch mitigation is missing',
    fault: { product: 'Turin', report: { launchMitVector: 0x0fn } },
    policy: { mitigations: { launch: '0x1f' } },
    check: 'snp.mitigations.launch',
  },
  {
    name: 'a current mitigation is missing',
    fault: { product: 'Turin', report: { currentMitVector: 0n } },
    policy: { mitigations: { current: '0x1' } },
    check: 'snp.mitigations.current',
  },
  {
    name: 'version 3 states no mitigations',
    policy: { mitigations: { current: '0x0' } },
    check: 'snp.mitigations.current',
  },
];
