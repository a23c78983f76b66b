import { utf8 } from '../encoding/bytes.js';
import { AssayError } from '../encoding/error.js';
import { JsonFields, parseStrictJson } from '../encoding/json.js';

/** Status of one TCB level, in Intel's words (PCS API v4, TCB Info V3 and Enclave Identity V2). */
export type TcbLevelStatus =
  | 'UpToDate'
  | 'SWHardeningNeeded'
  | 'ConfigurationNeeded'
  | 'ConfigurationAndSWHardeningNeeded'
  | 'OutOfDate'
  | 'OutOfDateConfigurationNeeded'
  | 'Revoked';

/** Security version number of one of 16 components, and what it is the version of. */
export interface TcbComponent {
  readonly svn: number;
  /** For example `BIOS`; empty where Intel names none. */
  readonly category: string;
  /** For example `Early Microcode Update`; empty where Intel names none. */
  readonly type: string;
}

/** What each kind of TCB level says of itself. */
export interface LevelStatement {
  readonly tcbDate: Date;
  readonly tcbStatus: TcbLevelStatus;
  readonly advisoryIds: readonly string[];
}

/** A TCB level of a platform. */
export interface TcbLevel extends LevelStatement {
  readonly sgxComponents: readonly TcbComponent[];
  readonly pceSvn: number;
  readonly tdxComponents: readonly TcbComponent[];
}

/** A TCB level of an enclave or of a TDX module. */
export interface IsvLevel extends LevelStatement {
  readonly isvSvn: number;
}

/** What a TDX module must be; hexadecimal, lower case. */
interface TdxModule {
  readonly mrSigner: string;
  readonly attributes: string;
}

/** A TDX module of one major version, `TDX_01` and so on. */
export interface TdxModuleIdentity extends TdxModule {
  readonly id: string;
  /** Highest ISVSVN first. */
  readonly levels: readonly IsvLevel[];
}

/** TCB Info V3 for TDX: what Intel states of the platforms of one FMSPC. */
export interface TcbInfo {
  readonly issueDate: Date;
  readonly nextUpdate: Date;
  /** 6 bytes, hexadecimal, lower case. */
  readonly fmspc: string;
  /** 2 bytes, hexadecimal, lower case. */
  readonly pceId: string;
  readonly evaluationDataNumber: number;
  readonly module: TdxModule;
  readonly moduleIdentities: readonly TdxModuleIdentity[];
  /** Highest first: by SGX components, then PCESVN, then TDX components. */
  readonly levels: readonly TcbLevel[];
}

/** Enclave Identity V2 of the TD quoting enclave. Hexadecimal, lower case. */
export interface QeIdentity {
  readonly issueDate: Date;
  readonly nextUpdate: Date;
  readonly evaluationDataNumber: number;
  readonly miscSelect: string;
  readonly miscSelectMask: string;
  readonly attributes: string;
  readonly attributesMask: string;
  readonly mrSigner: string;
  readonly isvProdId: number;
  /** Highest ISVSVN first. */
  readonly levels: readonly IsvLevel[];
}

/** A document of Intel's, and the bytes that its signature covers. */
export interface Signed<T> {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** ECDSA P-256 r‖s. */
  readonly signature: Uint8Array<ArrayBuffer>;
  readonly value: T;
}

const CODE = 'COLLATERAL_FORMAT';
const STATUSES: ReadonlySet<string> = new Set<TcbLevelStatus>([
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
  'Revoked',
]);
const ISV_STATUSES: ReadonlySet<TcbLevelStatus> = new Set([
  'UpToDate',
  'OutOfDate',
  'Revoked',
] as const);
const isStatus = (text: string): text is TcbLevelStatus => STATUSES.has(text);

function statement(level: JsonFields): LevelStatement {
  const tcbStatus = level.text('tcbStatus');
  if (!isStatus(tcbStatus)) {
    throw new AssayError(CODE, 'expected tcbStatus to be one of the statuses of PCS API v4');
  }
  return { tcbDate: level.time('tcbDate'), tcbStatus, advisoryIds: level.texts('advisoryIDs') };
}

function component(item: unknown): TcbComponent {
  if (typeof item === 'object' && item !== null) {
    const { svn, category = '', type = '' } = item as { readonly [member: string]: unknown };
    const isSvn = Number.isInteger(svn) && Number(svn) >= 0 && Number(svn) <= 255;
    if (isSvn && typeof category === 'string' && typeof type === 'string') {
      return { svn: Number(svn), category, type };
    }
  }
  throw new AssayError(CODE, 'expected a TCB component to have an SVN from 0 to 255, and texts');
}

function components(tcb: JsonFields, name: string): TcbComponent[] {
  const items = tcb.list(name);
  if (items.length !== 16) {
    throw new AssayError(CODE, `expected ${name} to have 16 components, not ${items.length}`);
  }
  return items.map(component);
}

function compareComponents(a: readonly TcbComponent[], b: readonly TcbComponent[]): number {
  for (let i = 0; i < 16; i++) {
    const difference = (b[i]?.svn ?? 0) - (a[i]?.svn ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Levels, highest first. Of two for one TCB, which of the statuses holds would be anyone's choice. */
function descending<Level>(levels: Level[], compare: (a: Level, b: Level) => number): Level[] {
  levels.sort(compare);
  const repeated = levels.some((level, i) => {
    const next = levels[i + 1];
    return next !== undefined && compare(level, next) === 0;
  });
  if (repeated) throw new AssayError(CODE, 'expected tcbLevels to have each TCB once');
  return levels;
}

/** Levels of a module or an enclave, which know no configuration: PCS API v4 has three statuses. */
function isvLevels(document: JsonFields): IsvLevel[] {
  const levels = document.objects('tcbLevels').map((level) => ({
    isvSvn: level.object('tcb').unsigned('isvsvn', 0xffff),
    ...statement(level),
  }));
  if (levels.some(({ tcbStatus }) => !ISV_STATUSES.has(tcbStatus))) {
    throw new AssayError(
      CODE,
      'expected an enclave or module to be UpToDate, OutOfDate or Revoked',
    );
  }
  return descending(levels, (a, b) => b.isvSvn - a.isvSvn);
}

/** Its attributesMask masks nothing: all of SEAMATTRIBUTES has to be zero. */
function tdxModule(member: JsonFields): TdxModule {
  member.hex('attributesMask', 8);
  return { mrSigner: member.hex('mrsigner', 48), attributes: member.hex('attributes', 8) };
}

/** The modules' identities. Of two for one module, which of them holds would be anyone's choice. */
function identities(document: JsonFields): TdxModuleIdentity[] {
  const found = document.objects('tdxModuleIdentities').map((identity) => ({
    id: identity.text('id').toUpperCase(),
    ...tdxModule(identity),
    levels: isvLevels(identity),
  }));
  if (new Set(found.map(({ id }) => id)).size < found.length) {
    throw new AssayError(CODE, 'expected tdxModuleIdentities to have each id once');
  }
  return found;
}

/** Common head of both documents: id and version tell them apart, and from those for SGX. */
function open(text: string, what: string, id: string, version: number): JsonFields {
  const document = new JsonFields(parseStrictJson(text, what, 'COLLATERAL_JSON'), what, CODE);
  const [actualId, actualVersion] = [document.text('id'), document.unsigned('version')];
  if (actualId !== id) {
    throw new AssayError('COLLATERAL_ID', `expected ${what} to have id ${id}`);
  }
  if (actualVersion !== version) {
    throw new AssayError(
      'COLLATERAL_VERSION',
      `expected ${what} to have version ${version}, not ${actualVersion}`,
    );
  }
  return document;
}

/**
 * Parses the exact text of a TCB Info. Its signature is the caller's to check.
 * @throws AssayError COLLATERAL_JSON, COLLATERAL_ID, COLLATERAL_VERSION or COLLATERAL_FORMAT.
 */
export function parseTcbInfo(text: string, signature: Uint8Array<ArrayBuffer>): Signed<TcbInfo> {
  const document = open(text, 'the TCB info', 'TDX', 3);
  if (document.unsigned('tcbType') !== 0) {
    throw new AssayError(CODE, 'expected tcbType 0, the only one whose comparison is defined');
  }
  const moduleIdentities = document.has('tdxModuleIdentities') ? identities(document) : [];
  const levels = document.objects('tcbLevels').map((level) => {
    const tcb = level.object('tcb');
    return {
      sgxComponents: components(tcb, 'sgxtcbcomponents'),
      pceSvn: tcb.unsigned('pcesvn', 0xffff),
      tdxComponents: components(tcb, 'tdxtcbcomponents'),
      ...statement(level),
    };
  });
  const value = {
    issueDate: document.time('issueDate'),
    nextUpdate: document.time('nextUpdate'),
    fmspc: document.hex('fmspc', 6),
    pceId: document.hex('pceId', 2),
    evaluationDataNumber: document.unsigned('tcbEvaluationDataNumber'),
    module: tdxModule(document.object('tdxModule')),
    moduleIdentities,
    levels: descending(
      levels,
      (a, b) =>
        compareComponents(a.sgxComponents, b.sgxComponents) ||
        b.pceSvn - a.pceSvn ||
        compareComponents(a.tdxComponents, b.tdxComponents),
    ),
  };
  return { bytes: utf8(text), signature, value };
}

/**
 * Parses the exact text of the TD quoting enclave's identity. Its signature is the caller's to check.
 * @throws AssayError COLLATERAL_JSON, COLLATERAL_ID, COLLATERAL_VERSION or COLLATERAL_FORMAT.
 */
export function parseQeIdentity(
  text: string,
  signature: Uint8Array<ArrayBuffer>,
): Signed<QeIdentity> {
  const document = open(text, 'the QE identity', 'TD_QE', 2);
  const value = {
    issueDate: document.time('issueDate'),
    nextUpdate: document.time('nextUpdate'),
    evaluationDataNumber: document.unsigned('tcbEvaluationDataNumber'),
    miscSelect: document.hex('miscselect', 4),
    miscSelectMask: document.hex('miscselectMask', 4),
    attributes: document.hex('attributes', 16),
    attributesMask: document.hex('attributesMask', 16),
    mrSigner: document.hex('mrsigner', 32),
    isvProdId: document.unsigned('isvprodid', 0xffff),
    levels: isvLevels(document),
  };
  return { bytes: utf8(text), signature, value };
}
