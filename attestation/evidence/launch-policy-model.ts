import { compareBytes, toHex, utf8 } from '../encoding/bytes.js';
import type { CborKey, CborValue } from '../encoding/cbor.js';
import { AssayError } from '../encoding/error.js';
import { CborFields } from '../encoding/fields.js';
import type { ManifestModel } from './manifest-model.js';

/** What running its test vectors must have shown before a model is served. */
export interface RequiredSelfTest {
  /** `vectorsDigest`, 32 bytes: these inputs, these reference outputs, these tolerances. */
  readonly vectors: Uint8Array;
  /** `outputsDigest`, 32 bytes: the very bits that the node must compute; null: any in tolerance. */
  readonly outputs: Uint8Array | null;
}

/** A model that may be served. */
export interface LaunchPolicyModel {
  /** Graph digest, 32 bytes. */
  readonly graph: Uint8Array;
  /** Execution digest, 32 bytes; null: executed in any way. */
  readonly execution: Uint8Array | null;
  /** The only graph that may be served under this name; absent: under any name that no entry has. */
  readonly name?: string;
  /** Absent: served with any test vectors, or without. */
  readonly selfTest?: RequiredSelfTest;
}

const CODE = 'LAUNCH_POLICY_ENCODING';
const NONE = new Uint8Array();
/** Characters of the name of an entry. */
export const MAX_ENTRY_NAME = 128;

/** By graph, execution, name, vectors, outputs; what is absent sorts first. */
export function compareEntries(a: LaunchPolicyModel, b: LaunchPolicyModel): number {
  const keys = ({ graph, execution, name, selfTest }: LaunchPolicyModel): Uint8Array[] => [
    graph,
    execution ?? NONE,
    utf8(name ?? ''),
    selfTest?.vectors ?? NONE,
    selfTest?.outputs ?? NONE,
  ];
  const [left, right] = [keys(a), keys(b)];
  return left.reduce((order, key, i) => order || compareBytes(key, right[i] ?? NONE), 0);
}

/**
 * An entry as a CBOR map. `execution` is null where any is accepted; `name` and `selfTest` are absent where
 * nothing is demanded of them. There is one map for each entry, and so one digest.
 */
export function entryToCbor({ graph, execution, name, selfTest }: LaunchPolicyModel): CborValue {
  return new Map<CborKey, CborValue>([
    ['graph', graph],
    ['execution', execution],
    ...(name === undefined ? [] : [['name', name] as const]),
    ...(selfTest === undefined
      ? []
      : [
          [
            'selfTest',
            new Map<CborKey, CborValue>([
              ['vectors', selfTest.vectors],
              ['outputs', selfTest.outputs],
            ]),
          ] as const,
        ]),
  ]);
}

function digestOrNull(fields: CborFields, key: string): Uint8Array | null {
  const value = fields.take(key);
  if (value === null || (value instanceof Uint8Array && value.length === 32)) return value;
  throw new AssayError(CODE, `expected ${key} to be null or 32 bytes`);
}

/** Reads what `entryToCbor` writes and nothing else; throws LAUNCH_POLICY_ENCODING. */
export function entryFromCbor(item: CborValue): LaunchPolicyModel {
  const fields = new CborFields(item, 'a model of the launch policy', CODE);
  const entry = {
    graph: fields.bytes('graph', 32),
    execution: digestOrNull(fields, 'execution'),
  };
  const name = fields.has('name') ? fields.text('name') : undefined;
  if (name === '' || (name?.length ?? 0) > MAX_ENTRY_NAME) {
    throw new AssayError(
      CODE,
      `expected name to be a text of 1 to ${MAX_ENTRY_NAME} UTF-16 code units`,
    );
  }
  const required = fields.has('selfTest') ? fields.map('selfTest') : undefined;
  const selfTest = required && {
    vectors: required.bytes('vectors', 32),
    outputs: digestOrNull(required, 'outputs'),
  };
  required?.end();
  fields.end();
  return {
    ...entry,
    ...(name === undefined ? {} : { name }),
    ...(selfTest === undefined ? {} : { selfTest }),
  };
}

/** What entries demand of a model, in the order in which it is asked. */
const RULES = ['model', 'name', 'execution', 'vectors', 'outputs'] as const;
export type LaunchPolicyRule = (typeof RULES)[number];

/** The first rule that a model breaks; values are names, or digests in hexadecimal. */
interface BrokenRule {
  readonly rule: LaunchPolicyRule;
  /** What the entries that the rules before it left demand; by `name` it may be `NO_NAME`. */
  readonly demanded: Iterable<string>;
  /** What the model has; empty for no test vectors. */
  readonly found: string;
}

/** A model of which it may not be known yet how its test vectors run. */
export type JudgedModel = Pick<ManifestModel, 'name' | 'graph' | 'execution'> &
  Partial<Pick<ManifestModel, 'selfTest'>>;

/** Stands for an entry's missing demand; no name and no digest is empty. */
const ANY = '';
/** The demand of an entry without a name, which speaks of names alone that no entry has. */
export const NO_NAME = ANY;

const hexOf = (bytes: Uint8Array | null | undefined): string => (bytes ? toHex(bytes) : ANY);

/** Demands that are alike, by their text, and what the entries that make each demand further. */
type Demands = Map<string, Demands>;

function* demandsIn(left: readonly Demands[]): Generator<string> {
  for (const demands of left) yield* demands.keys();
}

/**
 * The entries of a launch policy, ordered by rule: a model is not held to one after another, since evidence
 * brings as many models and entries as its maker likes.
 */
export class LaunchRules {
  readonly #demands: Demands = new Map();
  readonly #names = new Set<string>();

  constructor(entries: readonly LaunchPolicyModel[]) {
    for (const { graph, name = NO_NAME, execution, selfTest } of entries) {
      this.#names.add(name);
      let demands = this.#demands;
      const { vectors, outputs } = selfTest ?? {};
      for (const demand of [toHex(graph), name, ...[execution, vectors, outputs].map(hexOf)]) {
        const further = demands.get(demand) ?? new Map<string, Demands>();
        demands.set(demand, further);
        demands = further;
      }
    }
  }

  /**
   * Null where one entry allows the model in every respect; else the first rule that leaves no entry, of those
   * that the rules before it left. A name that an entry has is for that entry's graph alone: so it cannot be
   * put on another. Without `selfTest` what entries demand of it is left out.
   */
  broken({ name, graph, execution, selfTest }: JudgedModel): BrokenRule | null {
    const tested = selfTest === undefined ? [] : [selfTest?.vectors, selfTest?.outputs];
    const found = [toHex(graph), name, ...[execution, ...tested].map(hexOf)];
    let left: readonly Demands[] = [this.#demands];
    for (const [i, value] of found.entries()) {
      const rule = RULES[i] ?? 'outputs';
      const met = this.#meeting(rule, value);
      const further = left.flatMap((demands) => met.flatMap((demand) => demands.get(demand) ?? []));
      if (further.length === 0) {
        return { rule, demanded: demandsIn(left), found: value };
      }
      left = further;
    }
    return null;
  }

  /** The demands that this value of a model meets. */
  #meeting(rule: LaunchPolicyRule, value: string): readonly string[] {
    if (rule === 'name') return [this.#names.has(value) ? value : NO_NAME];
    return value === ANY ? [value] : [value, ANY];
  }
}
