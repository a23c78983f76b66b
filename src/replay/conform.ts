import { equalBytes, toHex } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import type { ManifestModel } from '../../attestation/evidence/manifest-model.js';
import type { TestSet } from '../admission/test-sets.js';
import {
  type Agreement,
  type AnswerRelation,
  isSameAnswer,
  relateAnswers,
} from '../client/agreement.js';
import type { Session } from '../client/session.js';
import { findModel } from '../client/signature.js';
import type { Tensor } from '../client/tensor.js';
import { type ProfileSpread, profileSpreads } from './profile-difference.js';

/** What one attested node answered to every test set, each answer with a valid receipt. */
export interface NodeAnswers {
  readonly target: string;
  /** Of the enclave's boot, as its evidence states it: what tells two nodes from one with two names. */
  readonly epoch: Uint8Array;
  readonly model: ManifestModel;
  readonly simulated: boolean;
  readonly answers: readonly (readonly Tensor[])[];
  /** Proof file of each answer; each throws PROOF_SIZE where its tensors are more than a file of it may have. */
  readonly proofs: readonly (() => Uint8Array)[];
}

/**
 * How two nodes compare over all test sets: the worst of them, and in which. Of those of one kind that is the
 * one with the largest absolute difference of any output, and then with the most elements of other bits.
 */
export interface NodeRelation {
  readonly relation: AnswerRelation;
  /** Name of the test set that `relation` is of. */
  readonly testSet: string;
}

/** Nodes that gave the same bits for every output of every test set. */
interface ExecutionClass {
  readonly targets: readonly string[];
  /** Distinct execution digests: profiles that are known to agree for this model. */
  readonly executions: readonly string[];
}

/** How nodes compare, each with each and with the references. */
export interface Comparison {
  /** `matrix[i][j]`: node j against node i. */
  readonly matrix: readonly (readonly NodeRelation[])[];
  /** Each node against the outputs of the test sets, where they have any. */
  readonly reference: readonly (NodeRelation | null)[];
}

/** A comparison of nodes that execute one model. */
export interface Conformance extends Comparison {
  readonly nodes: readonly NodeAnswers[];
  /** The same for each output alone. */
  readonly outputs: readonly (Comparison & { readonly name: string })[];
  readonly classes: readonly ExecutionClass[];
  /** Members of the execution profile that are not the same on all nodes. */
  readonly profile: readonly ProfileSpread[];
  /** Nodes of one execution digest in different classes: one of them did not compute what it states. */
  readonly contradictions: readonly (readonly [string, string])[];
}

const ORDER = ['identical', 'within', 'apart', 'incomparable'] as const;

/** Sends every test set to a node; the answers are verified. Rejects as `Session.infer`. */
export async function answersOf(
  target: string,
  session: Session,
  name: string,
  version: string | undefined,
  sets: readonly TestSet[],
): Promise<NodeAnswers> {
  const model = findModel(session.manifest, name, version);
  const answers: (readonly Tensor[])[] = [];
  const proofs: (() => Uint8Array)[] = [];
  for (const { inputs } of sets) {
    const answer = await session.infer(name, inputs, { version: model.version });
    answers.push(answer.outputs);
    proofs.push(answer.proof);
  }
  const { epoch } = session.manifest;
  return { target, epoch, model, simulated: session.result.simulated, answers, proofs };
}

/** What tells the worse of two relations, the first number that differs deciding. */
function severity({ relation }: NodeRelation): readonly number[] {
  const outputs = 'outputs' in relation ? relation.outputs : [];
  const farthest = Math.max(0, ...outputs.map(({ numeric }) => numeric?.maxAbsolute ?? 0));
  const differing = outputs.reduce((sum, output) => sum + output.differing, 0);
  return [ORDER.indexOf(relation.kind), farthest, differing];
}

function isWorse(a: NodeRelation, b: NodeRelation): boolean {
  const [left, right] = [severity(a), severity(b)];
  const at = left.findIndex((value, i) => value !== right[i]);
  return (left[at] ?? 0) > (right[at] ?? 0);
}

function worst(relations: readonly NodeRelation[]): NodeRelation | null {
  return relations.reduce<NodeRelation | null>(
    (bad, next) => (bad === null || isWorse(next, bad) ? next : bad),
    null,
  );
}

function relate(
  a: readonly (readonly Tensor[])[],
  b: readonly (readonly Tensor[])[],
  sets: readonly TestSet[],
  agreement: Agreement | undefined,
): NodeRelation | null {
  return worst(
    sets.map(({ name }, i) => ({
      testSet: name,
      relation: relateAnswers(a[i] ?? [], b[i] ?? [], agreement),
    })),
  );
}

const NOTHING: NodeRelation = { testSet: '', relation: { kind: 'identical' } };

/**
 * Compares the outputs that are of interest; sets that expect none of them say nothing of it. Nodes of one class
 * answered alike, and are compared as one.
 */
function compareOn(
  classes: readonly (readonly NodeAnswers[])[],
  nodes: readonly NodeAnswers[],
  sets: readonly TestSet[],
  agreement: Agreement | undefined,
  isOf: (tensor: Tensor) => boolean,
): Comparison {
  const picked = classes.flatMap(([first]) =>
    first === undefined ? [] : [first.answers.map((outputs) => outputs.filter(isOf))],
  );
  const cases = sets.flatMap((set, i) => {
    const expected = set.outputs.filter(isOf);
    return expected.length > 0 ? [{ set, i, expected }] : [];
  });
  const answered = (answers: readonly (readonly Tensor[])[]) =>
    cases.map(({ i, expected }) =>
      (answers[i] ?? []).filter(({ name }) => expected.some((tensor) => tensor.name === name)),
    );
  const expected = cases.map((known) => known.expected);
  const known = cases.map(({ set }) => set);
  const matrix = picked.map((a) => picked.map((b) => relate(a, b, sets, agreement) ?? NOTHING));
  const reference = picked.map((own) => relate(expected, answered(own), known, agreement));
  const places = nodes.map((node) => classes.findIndex((members) => members.includes(node)));
  return {
    matrix: places.map((a) => places.map((b) => matrix[a]?.[b] ?? NOTHING)),
    reference: places.map((own) => reference[own] ?? null),
  };
}

function classesOf(nodes: readonly NodeAnswers[]): NodeAnswers[][] {
  const classes: NodeAnswers[][] = [];
  for (const node of nodes) {
    const own = classes.find(([first]) =>
      first?.answers.every((outputs, i) => isSameAnswer(outputs, node.answers[i] ?? [])),
    );
    if (own === undefined) classes.push([node]);
    else own.push(node);
  }
  return classes;
}

function contradictionsOf(classes: readonly (readonly NodeAnswers[])[]): [string, string][] {
  return classes.flatMap((members, i) =>
    members.flatMap((a) =>
      classes
        .slice(i + 1)
        .flat()
        .filter((b) => equalBytes(a.model.execution, b.model.execution))
        .map((b): [string, string] => [a.target, b.target]),
    ),
  );
}

/**
 * Compares nodes, each with each and with the references. Throws CLIENT_GRAPHS if they do not compute
 * one graph, and USAGE_VECTORS without a test set: then there is nothing to compare.
 */
export function compareNodes(
  nodes: readonly NodeAnswers[],
  sets: readonly TestSet[],
  agreement: Agreement | undefined,
): Conformance {
  const [first] = nodes;
  if (sets.length === 0 || first === undefined) {
    throw new AssayError('USAGE_VECTORS', 'expected at least one node and one test set');
  }
  const other = nodes.find(({ model }) => !equalBytes(model.graph, first.model.graph));
  if (other !== undefined) {
    throw new AssayError(
      'CLIENT_GRAPHS',
      `${other.target} computes graph ${toHex(other.model.graph)}, ${first.target} computes ${toHex(first.model.graph)}`,
    );
  }
  const names = first.model.outputs.map(({ name }) => name);
  const classes = classesOf(nodes);
  const profiled = classes.flatMap((members, executionClass) =>
    members.map(({ target, model: { profile } }) => ({ target, profile, executionClass })),
  );
  return {
    nodes,
    ...compareOn(classes, nodes, sets, agreement, () => true),
    outputs: names.map((name) => ({
      name,
      ...compareOn(classes, nodes, sets, agreement, (tensor) => tensor.name === name),
    })),
    classes: classes.map((members) => ({
      targets: members.map(({ target }) => target),
      executions: [...new Set(members.map(({ model }) => toHex(model.execution)))],
    })),
    profile: profileSpreads(profiled),
    contradictions: contradictionsOf(classes),
  };
}
