import { fromHex, isZero, toHex } from '../encoding/bytes.js';
import { AssayError } from '../encoding/error.js';
import type { PckPlatform } from '../endorsements/pck.js';
import type {
  IsvLevel,
  LevelStatement,
  QeIdentity,
  TcbComponent,
  TcbInfo,
  TcbLevel,
  TdxModuleIdentity,
} from '../endorsements/tcb-info.js';
import type { QeReport } from '../evidence/qe-report.js';
import type { TdReport } from '../evidence/td-report.js';
import type { TcbShortfall } from './result.js';

/*
 * Which TCB levels a platform, its TDX module and its quoting enclave meet, as Intel's quote
 * verification library finds them (Src/AttestationLibrary/src/Verifiers: Checks/TcbLevelCheck.cpp,
 * TdxModuleCheck.cpp, QuoteVerifier.cpp and EnclaveReportVerifier.cpp).
 */

type Shortfall = Omit<TcbShortfall, 'level'>;

/** The highest level that a part meets, if any, and what kept it from each one above. */
export interface LevelMatch<Level extends LevelStatement> {
  /** Name of the part. */
  readonly part: string;
  readonly level: Level | undefined;
  readonly missed: readonly TcbShortfall[];
}

/** A level for people: `TDX level of 2024-11-13 (UpToDate)`. */
export function levelName(what: string, { tcbDate, tcbStatus }: LevelStatement): string {
  return `${what} level of ${tcbDate.toISOString().slice(0, 10)} (${tcbStatus})`;
}

/** First of 16 components, from index `from`, below what a level requires. */
function componentShortfall(
  kind: 'sgx' | 'tdx',
  actual: readonly number[] | Uint8Array,
  required: readonly TcbComponent[],
  from: number,
): Shortfall | undefined {
  for (let i = from; i < 16; i++) {
    const have = actual[i] ?? 0;
    const need = required[i]?.svn ?? 256;
    if (have < need) {
      const { category = '', type = '' } = required[i] ?? {};
      const name = `${category} ${type}`.trim();
      const component = `${kind}tcbcomponents[${i}]${name === '' ? '' : ` (${name})`}`;
      return { component, required: need, actual: have };
    }
  }
  return undefined;
}

/**
 * Matches a platform's levels, highest first. The first whose SGX components and PCESVN are met is
 * the SGX level; the first that TEE_TCB_SVN meets as well is the TDX level.
 */
export function matchPlatform(
  info: TcbInfo,
  platform: PckPlatform,
  report: TdReport,
): { readonly sgx: LevelMatch<TcbLevel>; readonly tdx: LevelMatch<TcbLevel> } {
  // From module version 1 on, SVNs 0 and 1 belong to the module identities, not to these levels.
  const from = (report.teeTcbSvn[1] ?? 0) > 0 ? 2 : 0;
  const missed: TcbShortfall[] = [];
  let sgx: TcbLevel | undefined;
  let tdx: TcbLevel | undefined;
  for (const level of info.levels) {
    const pce = { component: 'pcesvn', required: level.pceSvn, actual: platform.pceSvn };
    const sgxShortfall =
      componentShortfall('sgx', platform.componentSvns, level.sgxComponents, 0) ??
      (pce.actual < pce.required ? pce : undefined);
    if (sgxShortfall !== undefined) {
      missed.push({ level: levelName('SGX', level), ...sgxShortfall });
      continue;
    }
    sgx ??= level;
    const shortfall = componentShortfall('tdx', report.teeTcbSvn, level.tdxComponents, from);
    if (shortfall === undefined) {
      tdx = level;
      break;
    }
    missed.push({ level: levelName('TDX', level), ...shortfall });
  }
  return { sgx: { part: 'SGX', level: sgx, missed }, tdx: { part: 'TDX', level: tdx, missed } };
}

function matchIsv(part: string, isvSvn: number, levels: readonly IsvLevel[]): LevelMatch<IsvLevel> {
  const missed = levels
    .filter((level) => level.isvSvn > isvSvn)
    .map((level) => ({
      level: levelName(part, level),
      component: 'isvsvn',
      required: level.isvSvn,
      actual: isvSvn,
    }));
  return { part, level: levels.find((candidate) => candidate.isvSvn <= isvSvn), missed };
}

function mismatch(message: string): never {
  throw new AssayError('TDX_MODULE_MISMATCH', message);
}

/** The identity of a TDX module of this version; throws TDX_MODULE_MISMATCH where there is none. */
export function moduleIdentity(info: TcbInfo, version: number): TdxModuleIdentity {
  const id = `TDX_${version.toString(16).padStart(2, '0').toUpperCase()}`;
  const identity = info.moduleIdentities.find((candidate) => candidate.id === id);
  return identity ?? mismatch(`Intel states no TDX module identity ${id}`);
}

/**
 * Matches the SEAM fields of a report with the identity of its TDX module; throws
 * TDX_MODULE_MISMATCH.
 * @returns the module's level, or undefined for a module of version 0, which has none of its own.
 */
export function matchModule(info: TcbInfo, report: TdReport): LevelMatch<IsvLevel> | undefined {
  const [isvSvn = 0, version = 0] = report.teeTcbSvn;
  const identity = version > 0 ? moduleIdentity(info, version) : undefined;
  const module = identity ?? info.module;
  const [signer, attributes] = [toHex(report.mrSignerSeam), toHex(report.seamAttributes)];
  if (signer !== module.mrSigner) {
    mismatch(
      `expected MRSIGNERSEAM to be the TDX module signer's, ${module.mrSigner}, not ${signer}`,
    );
  }
  if (!isZero(report.seamAttributes) || attributes !== module.attributes) {
    mismatch(
      `expected SEAMATTRIBUTES to be zero and the TDX module's, ${module.attributes}, not ${attributes}`,
    );
  }
  return identity && matchIsv(`TDX module ${identity.id}`, isvSvn, identity.levels);
}

/** The bits that count, hexadecimal. */
function masked(actual: Uint8Array, mask: string): string {
  return toHex(fromHex(mask).map((bits, i) => bits & (actual[i] ?? 0)));
}

/** Throws TDX_QE_IDENTITY unless the quoting enclave is the one that Intel names. */
export function matchQe(identity: QeIdentity, qe: QeReport): LevelMatch<IsvLevel> {
  const { miscSelect, miscSelectMask, attributes, attributesMask, mrSigner, isvProdId } = identity;
  for (const [name, actual, expected] of [
    ['MISCSELECT', masked(qe.miscSelect, miscSelectMask), miscSelect],
    ['ATTRIBUTES', masked(qe.attributes, attributesMask), attributes],
    ['MRSIGNER', toHex(qe.mrSigner), mrSigner],
    ['ISVPRODID', qe.isvProdId, isvProdId],
  ] as const) {
    if (actual !== expected) {
      throw new AssayError(
        'TDX_QE_IDENTITY',
        `expected ${name} of the quoting enclave to be as Intel's QE identity says, ${expected}, not ${actual}`,
      );
    }
  }
  return matchIsv('QE', qe.isvSvn, identity.levels);
}
