import { AssayError } from '../encoding/error.js';
import type { PckPlatform } from '../endorsements/pck.js';
import type {
  LevelStatement,
  QeIdentity,
  TcbInfo,
  TcbLevelStatus,
} from '../endorsements/tcb-info.js';
import type { QeReport } from '../evidence/qe-report.js';
import type { TdReport } from '../evidence/td-report.js';
import type { TcbShortfall } from './result.js';
import {
  type LevelMatch,
  levelName,
  matchModule,
  matchPlatform,
  matchQe,
  moduleIdentity,
} from './tcb-match.js';

/*
 * TCB status of a TDX platform, as Intel's quote verification library computes it
 * (Src/AttestationLibrary/src/Verifiers/Checks: TcbLevelCheck.cpp, TdxModuleCheck.cpp and
 * TDRelaunchCheck.cpp). Stricter in one thing: there a revoked SGX level above a TDX level that is out
 * of date gives OutOfDate, which a policy may accept; here the platform is revoked.
 */

/** Status of a whole platform: a level's, or advice to relaunch the TD. */
type TcbStatus = TcbLevelStatus | 'TDRelaunchAdvised' | 'TDRelaunchAdvisedConfigurationNeeded';

/** `OK`: the module is up to date, or of the first version, which has no levels of its own. */
type ModuleStatus = 'OK' | 'OutOfDate' | 'Revoked';

/** What was compared with Intel's levels, whatever came of it. */
export interface TcbComparison {
  /** tcbEvaluationDataNumber of the TCB info. */
  readonly evaluationDataNumber: number;
  /** Levels that matched, for people: `TDX level of 2024-11-13 (UpToDate)`. */
  readonly matched: readonly string[];
  /** For each level above the one that matched, the first component that fell short. */
  readonly missed: readonly TcbShortfall[];
}

/** What the platform, its module and its quoting enclave amount to. */
export interface TcbEvaluation extends TcbComparison {
  readonly status: TcbStatus;
  readonly sgx: TcbLevelStatus;
  readonly tdx: TcbLevelStatus;
  readonly module: ModuleStatus;
  readonly qe: TcbLevelStatus;
  /** Union over the levels that matched, sorted. */
  readonly advisories: readonly string[];
  /** TCB date of the TDX level. */
  readonly date: Date;
}

/** TDX_TCB_NOT_SUPPORTED: a part of the platform meets none of Intel's levels. */
export class TcbNotSupportedError extends AssayError {
  readonly comparison: TcbComparison;

  constructor(part: string, missed: readonly TcbShortfall[], comparison: TcbComparison) {
    const lowest = missed.at(-1);
    const why = lowest
      ? `even the ${lowest.level} needs ${lowest.component} ${lowest.required}, not ${lowest.actual}`
      : 'it states none';
    super(
      'TDX_TCB_NOT_SUPPORTED',
      `the platform meets no ${part} TCB level that Intel states: ${why}`,
    );
    this.comparison = comparison;
  }
}

/** What an enclave or module that is not up to date makes of the platform's status. */
function converge(status: TcbStatus, part: TcbLevelStatus | 'OK'): TcbStatus {
  if (part === 'Revoked' || status === 'Revoked') return 'Revoked';
  if (part !== 'OutOfDate') return status;
  if (status === 'UpToDate' || status === 'SWHardeningNeeded') return 'OutOfDate';
  const configure =
    status === 'ConfigurationNeeded' || status === 'ConfigurationAndSWHardeningNeeded';
  return configure ? 'OutOfDateConfigurationNeeded' : status;
}

/** Whether the loaded TCB (TEE_TCB_SVN2) is the latest, so that a relaunch would mend the status. */
function latestIsLoaded(info: TcbInfo, teeTcbSvn2: Uint8Array): boolean {
  const [isvSvn = 0, version = 0, microcode = 0] = teeTcbSvn2;
  const latest = info.levels[0]?.tdxComponents;
  const needed = version === 0 ? latest?.[0]?.svn : moduleIdentity(info, version).levels[0]?.isvSvn;
  return isvSvn >= (needed ?? 256) && microcode >= (latest?.[2]?.svn ?? 256);
}

interface Parts {
  readonly sgx: TcbLevelStatus;
  readonly module: ModuleStatus;
  readonly qe: TcbLevelStatus;
}

/** Advice to relaunch a TD 1.5 that was launched under an older module than runs now. */
function relaunch(status: TcbStatus, parts: Parts, info: TcbInfo, report: TdReport): TcbStatus {
  const advised =
    report.td15 !== undefined &&
    parts.qe === 'UpToDate' &&
    parts.module === 'OutOfDate' &&
    (status === 'OutOfDate' || status === 'OutOfDateConfigurationNeeded') &&
    !['OutOfDate', 'OutOfDateConfigurationNeeded', 'Revoked'].includes(parts.sgx) &&
    latestIsLoaded(info, report.td15.teeTcbSvn2);
  if (!advised) return status;
  return status === 'OutOfDateConfigurationNeeded' || parts.sgx.startsWith('Configuration')
    ? 'TDRelaunchAdvisedConfigurationNeeded'
    : 'TDRelaunchAdvised';
}

/** What `evaluateTcb` weighs: the first two come from the quote, the others from Intel. */
export interface TcbInputs {
  readonly report: TdReport;
  readonly qeReport: QeReport;
  readonly platform: PckPlatform;
  readonly tcbInfo: TcbInfo;
  readonly qeIdentity: QeIdentity;
}

/**
 * Computes the TCB status.
 * @throws TcbNotSupportedError where platform, module or QE meets no level at all;
 *   AssayError TDX_MODULE_MISMATCH or TDX_QE_IDENTITY where they are not what Intel states.
 */
export function evaluateTcb(inputs: TcbInputs): TcbEvaluation {
  const { report, tcbInfo } = inputs;
  const module = matchModule(tcbInfo, report);
  const qe = matchQe(inputs.qeIdentity, inputs.qeReport);
  const { sgx, tdx } = matchPlatform(tcbInfo, inputs.platform, report);
  const matches = [sgx, tdx, ...(module === undefined ? [] : [module]), qe];
  const comparison: TcbComparison = {
    evaluationDataNumber: tcbInfo.evaluationDataNumber,
    matched: matches.flatMap(({ part, level }) => (level ? [levelName(part, level)] : [])),
    missed: [...tdx.missed, ...(module?.missed ?? []), ...qe.missed],
  };
  const met = <Level extends LevelStatement>(match: LevelMatch<Level>): Level => {
    if (match.level !== undefined) return match.level;
    throw new TcbNotSupportedError(match.part, match.missed, comparison);
  };
  const [sgxLevel, tdxLevel] = [met(sgx), met(tdx)];
  const moduleLevel = module && met(module);
  const qeLevel = met(qe);
  const moduleStatus = moduleLevel?.tcbStatus ?? 'UpToDate';
  const parts: Parts = {
    sgx: sgxLevel.tcbStatus,
    module: moduleStatus === 'Revoked' || moduleStatus === 'OutOfDate' ? moduleStatus : 'OK',
    qe: qeLevel.tcbStatus,
  };
  const launched = converge(tdxLevel.tcbStatus, parts.module);
  const status = converge(relaunch(launched, parts, tcbInfo, report), parts.qe);
  const advisories = matches.flatMap(({ level }) => level?.advisoryIds ?? []);
  return {
    ...parts,
    ...comparison,
    status: parts.sgx === 'Revoked' ? 'Revoked' : status,
    tdx: tdxLevel.tcbStatus,
    advisories: [...new Set(advisories)].sort(),
    date: tdxLevel.tcbDate,
  };
}
