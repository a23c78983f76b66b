import { compareBytes, equalBytes, utf8 } from '../encoding/bytes.js';
import type { CborKey, CborValue } from '../encoding/cbor.js';
import { AssayError } from '../encoding/error.js';
import { CborFields } from '../encoding/fields.js';
import type { ManifestModel } from './manifest.js';

/** What running its test vectors must have shown before a model is served. */
interface RequiredSelfTest {
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
  if (name === '' || (name?.length ?? 0) > 128) {
    throw new AssayError(CODE, 'expected name to be a text of 1 to 128 UTF-16 code units');
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

/**
 * The entries that may speak of a model of this name: those that name it or, if none does, those that
 * name nobody. So a name that a policy gives to one graph cannot be put on another.
 */
export function entriesFor<Entry extends { readonly name?: string | undefined }>(
  entries: readonly Entry[],
  name: string,
): readonly Entry[] {
  const owners = entries.filter((entry) => entry.name === name);
  return owners.length > 0 ? owners : entries.filter((entry) => entry.name === undefined);
}

/** The first rule that a model breaks, by the entries that meet those before it. */
export type LaunchPolicyRule = 'model' | 'name' | 'execution' | 'vectors' | 'outputs';

/** A model of which it may not be known yet how its test vectors run. */
export type JudgedModel = Pick<ManifestModel, 'name' | 'graph' | 'execution'> &
  Partial<Pick<ManifestModel, 'selfTest'>>;

/**
 * Whether one entry allows a model in every respect; else the rule that no entry's demand on it meets.
 * Without `selfTest` what entries demand of it is left out.
 */
export function brokenRule(
  entries: readonly LaunchPolicyModel[],
  model: JudgedModel,
): LaunchPolicyRule | null {
  const { name, graph, execution, selfTest } = model;
  const computing = entries.filter((entry) => equalBytes(entry.graph, graph));
  if (computing.length === 0) return 'model';
  const speaking = entriesFor(entries, name);
  const named = computing.filter((entry) => speaking.includes(entry));
  if (named.length === 0) return 'name';
  const executed = named.filter((e) => e.execution === null || equalBytes(e.execution, execution));
  if (executed.length === 0) return 'execution';
  if (selfTest === undefined) return null;
  const tested = executed.filter(
    (e) =>
      e.selfTest === undefined ||
      (selfTest !== null && equalBytes(e.selfTest.vectors, selfTest.vectors)),
  );
  if (tested.length === 0) return 'vectors';
  const same = tested.some((e) => {
    const outputs = e.selfTest?.outputs ?? null;
    return outputs === null || (selfTest !== null && equalBytes(outputs, selfTest.outputs));
  });
  return same ? null : 'outputs';
}
