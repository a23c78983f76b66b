import { fromHex, isZero, toHex } from '../encoding/bytes.js';
import { AssayError } from '../encoding/error.js';
import type { PckPlatform } from '../endorsements/pck.js';
import type {
  IsvLevel,
  QeIdentity,
  TcbComponent,
  TcbInfo,
  TcbLevel,
  TcbLevelStatus,
  TdxModuleIdentity,
} from '../endorsements/tcb-info.js';
import type { QeReport } from '../evidence/qe-report.js';
import type { TdReport } from '../evidence/td-report.js';
import type { TcbShortfall } from './result.js';

/*
 * TCB status of a TDX platform, as Intel's quote verification library computes it (source files of
 * Src/AttestationLibrary/src/Verifiers: Checks/TcbLevelCheck.cpp, TdxModuleCheck.cpp,
 * TDRelaunchCheck.cpp and EnclaveReportVerifier.cpp).
 */

/** Status of a whole platform: a level's, or advice to relaunch the TD. */
export type TcbStatus =
  | TcbLevelStatus
  | 'TDRelaunchAdvised'
  | 'TDRelaunchAdvisedConfigurationNeeded';

/** `OK`: the module is up to date, or of the first version, which has no levels of its own. */
export type ModuleStatus = 'OK' | 'OutOfDate' | 'Revoked';

/** What the platform, its module and its quoting enclave amount to. */
export interface TcbEvaluation {
  readonly status: TcbStatus;
  readonly sgx: TcbLevelStatus;
  readonly tdx: TcbLevelStatus;
  readonly module: ModuleStatus;
  readonly qe: TcbLevelStatus;
  /** Union over the levels that matched, sorted. */
  readonly advisories: readonly string[];
  readonly evaluationDataNumber: number;
  /** TCB date of the TDX level. */
  readonly date: Date;
  /** Levels that matched, for people: `TDX level of 2024-11-13`. */
  readonly matched: readonly string[];
  readonly missed: readonly TcbShortfall[];
}

/** Levels that a message names. */
const SHOWN_LEVELS = 8;

const day = (level: { readonly tcbDate: Date }): string => level.tcbDate.toISOString().slice(0, 10);

function fail(code: 'TDX_TCB_NOT_SUPPORTED' | 'TDX_MODULE_MISMATCH', message: string): never {
  throw new AssayError(code, message);
}

/** First of 16 components, from index `from`, below what a level requires. */
function componentShortfall(
  kind: 'sgx' | 'tdx',
  actual: readonly number[] | Uint8Array,
  required: readonly TcbComponent[],
  from: number,
): Omit<TcbShortfall, 'level'> | undefined {
  for (let i = from; i < 16; i++) {
    const [have, need] = [actual[i] ?? 0, required[i]?.svn ?? 256];
    if (have < need) {
      const name = required[i]?.name ?? '';
      const component = `${kind}tcbcomponents[${i}]${name === '' ? '' : ` (${name})`}`;
      return { component, required: need, actual: have };
    }
  }
  return undefined;
}

interface PlatformMatch {
  readonly sgx: TcbLevel;
  readonly tdx: TcbLevel;
  readonly missed: readonly TcbShortfall[];
}

function matchPlatform(info: TcbInfo, platform: PckPlatform, report: TdReport): PlatformMatch {
  // From module version 1 on, SVNs 0 and 1 belong to the module identities, not to these levels.
  const from = (report.teeTcbSvn[1] ?? 0) > 0 ? 2 : 0;
  const missed: TcbShortfall[] = [];
  let sgx: TcbLevel | undefined;
  for (const level of info.levels) {
    const pce = { component: 'pcesvn', required: level.pceSvn, actual: platform.pceSvn };
    const sgxShortfall =
      componentShortfall('sgx', platform.componentSvns, level.sgxComponents, 0) ??
      (pce.actual < pce.required ? pce : undefined);
    if (sgxShortfall !== undefined) {
      missed.push({ level: `platform level of ${day(level)}`, ...sgxShortfall });
      continue;
    }
    sgx ??= level;
    const shortfall = componentShortfall('tdx', report.teeTcbSvn, level.tdxComponents, from);
    if (shortfall === undefined) return { sgx, tdx: level, missed };
    missed.push({ level: `TDX level of ${day(level)}`, ...shortfall });
  }
  const shown = missed
    .slice(0, SHOWN_LEVELS)
    .map((m) => `the ${m.level} needs ${m.component} ${m.required}, not ${m.actual}`);
  return fail(
    'TDX_TCB_NOT_SUPPORTED',
    `the platform meets no ${sgx === undefined ? 'SGX' : 'TDX'} TCB level that Intel states: ${shown.join('; ')}`,
  );
}

function isvLevel(what: string, isvSvn: number, levels: readonly IsvLevel[]) {
  const missed = levels
    .filter((level) => level.isvSvn > isvSvn)
    .map((level) => ({
      level: `${what} level of ${day(level)}`,
      component: 'isvsvn',
      required: level.isvSvn,
      actual: isvSvn,
    }));
  const level = levels.find((candidate) => candidate.isvSvn <= isvSvn);
  if (level === undefined) {
    return fail('TDX_TCB_NOT_SUPPORTED', `the ${what} meets no TCB level with ISVSVN ${isvSvn}`);
  }
  return { level, missed };
}

function moduleIdentity(info: TcbInfo, version: number): TdxModuleIdentity {
  const id = `TDX_${version.toString(16).padStart(2, '0').toUpperCase()}`;
  const identity = info.moduleIdentities.find((candidate) => candidate.id === id);
  return identity ?? fail('TDX_MODULE_MISMATCH', `Intel states no TDX module identity ${id}`);
}

/**
 * Matches the SEAM fields of a report with the identity of its TDX module.
 * @returns the module's level, or undefined for a module of version 0.
 */
function matchModule(info: TcbInfo, report: TdReport) {
  const [isvSvn = 0, version = 0] = report.teeTcbSvn;
  const identity = version > 0 ? moduleIdentity(info, version) : undefined;
  const module = identity ?? info.module;
  if (toHex(report.mrSignerSeam) !== module.mrSigner) {
    fail('TDX_MODULE_MISMATCH', "expected MRSIGNERSEAM to be the TDX module signer's");
  }
  if (!isZero(report.seamAttributes) || toHex(report.seamAttributes) !== module.attributes) {
    fail('TDX_MODULE_MISMATCH', "expected SEAMATTRIBUTES to be zero and the TDX module's");
  }
  return identity && isvLevel(`TDX module ${identity.id}`, isvSvn, identity.levels);
}

function masked(actual: Uint8Array, mask: string, expected: string): boolean {
  const [maskBytes, expectedBytes] = [fromHex(mask), fromHex(expected)];
  return actual.every((byte, i) => (byte & (maskBytes[i] ?? 0)) === expectedBytes[i]);
}

/** Throws TDX_QE_IDENTITY unless the quoting enclave is the one that Intel names. */
function matchQe(identity: QeIdentity, qe: QeReport) {
  const wrong = [
    {
      name: 'MISCSELECT',
      ok: masked(qe.bytes.subarray(16, 20), identity.miscSelectMask, identity.miscSelect),
    },
    { name: 'ATTRIBUTES', ok: masked(qe.attributes, identity.attributesMask, identity.attributes) },
    { name: 'MRSIGNER', ok: toHex(qe.mrSigner) === identity.mrSigner },
    { name: 'ISVPRODID', ok: qe.isvProdId === identity.isvProdId },
  ].find(({ ok }) => !ok);
  if (wrong !== undefined) {
    throw new AssayError(
      'TDX_QE_IDENTITY',
      `expected ${wrong.name} of the quoting enclave to be as Intel's QE identity says`,
    );
  }
  return isvLevel('QE', qe.isvSvn, identity.levels);
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
 * @throws AssayError TDX_TCB_NOT_SUPPORTED where platform, module or QE meets no level at all,
 *   TDX_MODULE_MISMATCH or TDX_QE_IDENTITY where they are not what Intel states.
 */
export function evaluateTcb(inputs: TcbInputs): TcbEvaluation {
  const { report, tcbInfo } = inputs;
  const module = matchModule(tcbInfo, report);
  const qe = matchQe(inputs.qeIdentity, inputs.qeReport);
  const platform = matchPlatform(tcbInfo, inputs.platform, report);
  const moduleStatus = module?.level.tcbStatus ?? 'UpToDate';
  const parts: Parts = {
    sgx: platform.sgx.tcbStatus,
    module: moduleStatus === 'Revoked' || moduleStatus === 'OutOfDate' ? moduleStatus : 'OK',
    qe: qe.level.tcbStatus,
  };
  const launched = converge(platform.tdx.tcbStatus, parts.module);
  const status = converge(relaunch(launched, parts, tcbInfo, report), parts.qe);
  const levels = [platform.sgx, platform.tdx, ...(module ? [module.level] : []), qe.level];
  return {
    ...parts,
    status: parts.sgx === 'Revoked' ? 'Revoked' : status,
    tdx: platform.tdx.tcbStatus,
    advisories: [...new Set(levels.flatMap((level) => level.advisoryIds))].sort(),
    evaluationDataNumber: tcbInfo.evaluationDataNumber,
    date: platform.tdx.tcbDate,
    matched: [
      `SGX level of ${day(platform.sgx)} (${platform.sgx.tcbStatus})`,
      `TDX level of ${day(platform.tdx)} (${platform.tdx.tcbStatus})`,
      ...(module ? [`TDX module level of ${day(module.level)} (${module.level.tcbStatus})`] : []),
      `QE level of ${day(qe.level)} (${qe.level.tcbStatus})`,
    ],
    missed: [...platform.missed, ...(module?.missed ?? []), ...qe.missed],
  };
}
