import type { AppraisalPolicy } from '../../attestation/appraisal/policy.js';
import { toHex } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { type Agreement, relateAnswers } from './agreement.js';
import type { AttestOptions } from './attest.js';
import { connect } from './connect.js';
import type { Inference, InferOptions, Session } from './session.js';
import { findModel } from './signature.js';
import type { Tensor } from './tensor.js';

/** How many nodes must agree, and on what. */
export interface QuorumOptions extends AttestOptions {
  /** Answers that must agree before `infer` returns; at least 1. */
  readonly agree: number;
  /** What counts as agreeing beside identical bits. */
  readonly agreement?: Agreement;
}

/** One node, attested. */
export interface QuorumNode {
  readonly target: string;
  readonly session: Session;
}

/** A node that takes no part, and why. */
export interface ExcludedNode {
  readonly target: string;
  readonly error: AssayError;
}

/** A verified answer of one node. Its receipt makes it evidence, for and against the node. */
export interface Vote {
  readonly target: string;
  readonly answer: Inference;
}

/** Every vote of one request, when all nodes have answered or failed. */
export interface Tally {
  readonly agreeing: readonly Vote[];
  /** Verified answers that do not agree: two receipts that contradict each other. */
  readonly dissenting: readonly Vote[];
  /** Nodes whose call failed, or whose answer had no valid receipt. */
  readonly failed: readonly ExcludedNode[];
}

/** What enough nodes agree on. */
export interface QuorumAnswer {
  /** Of the node that the others agree with. */
  readonly answer: Inference;
  readonly agreeing: readonly Vote[];
  /** Resolves when all nodes have answered or failed: the full report, late dissenters included. */
  readonly tally: Promise<Tally>;
}

/** Too few nodes agree. The tally holds every answer, with its receipt. */
export class NoQuorumError extends AssayError {
  readonly tally: Tally;

  constructor(agree: number, nodes: number, tally: Tally) {
    const { agreeing, dissenting, failed } = tally;
    super(
      'CLIENT_NO_QUORUM',
      `expected ${agree} of ${nodes} nodes to agree: at most ${agreeing.length} do, ${dissenting.length} answered otherwise, ${failed.length} failed`,
    );
    this.tally = tally;
  }
}

function asAssayError(error: unknown): AssayError {
  if (error instanceof AssayError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new AssayError('CLIENT_SERVICE', message, error);
}

/** The largest set of answers that agree with one of them, that one first. */
function largestAgreement(votes: readonly Vote[], agreement: Agreement | undefined): Vote[] {
  let best: Vote[] = [];
  for (const reference of votes) {
    const group = votes.filter((vote) => {
      const { kind } = relateAnswers(reference.answer.outputs, vote.answer.outputs, agreement);
      return kind === 'identical' || kind === 'within';
    });
    if (group.length > best.length) best = [reference, ...group.filter((v) => v !== reference)];
  }
  return best;
}

/** Sessions with several enclaves that answer together. */
export class Quorum {
  readonly nodes: readonly QuorumNode[];
  /** Nodes that were not reached or not affirmed, or that are one enclave with another target. */
  readonly excluded: readonly ExcludedNode[];
  readonly #agree: number;
  readonly #agreement: Agreement | undefined;

  /** For `connectAll`. */
  constructor(
    nodes: readonly QuorumNode[],
    excluded: readonly ExcludedNode[],
    options: QuorumOptions,
  ) {
    this.nodes = nodes;
    this.excluded = excluded;
    this.#agree = options.agree;
    this.#agreement = options.agreement;
  }

  /** One graph on all nodes: nodes that compute different things cannot confirm each other. */
  #requireOneGraph(name: string, version: string | undefined): void {
    const graphs = this.nodes.map(({ session }) =>
      toHex(findModel(session.manifest, name, version).graph),
    );
    if (new Set(graphs).size > 1) {
      throw new AssayError(
        'CLIENT_MODEL',
        `the nodes serve different computations as ${name}: ${[...new Set(graphs)].join(', ')}`,
      );
    }
  }

  /**
   * Sends the request to every node, verifies every answer, and returns when enough of them agree.
   * @throws NoQuorumError once all nodes have answered or failed and too few agree; AssayError
   *   CLIENT_MODEL if the nodes do not serve one graph under this name.
   */
  infer(
    name: string,
    inputs: readonly Tensor[],
    options: Omit<InferOptions, 'nonce'> = {},
  ): Promise<QuorumAnswer> {
    return new Promise((resolve, reject) => {
      this.#requireOneGraph(name, options.version);
      const votes: Vote[] = [];
      const failed: ExcludedNode[] = [];
      let settle: (tally: Tally) => void = () => {};
      const tally = new Promise<Tally>((settled) => {
        settle = settled;
      });
      const finish = (): void => {
        const agreeing = largestAgreement(votes, this.#agreement);
        if (agreeing.length >= this.#agree) {
          const [first] = agreeing;
          if (first !== undefined) resolve({ answer: first.answer, agreeing, tally });
        }
        if (votes.length + failed.length < this.nodes.length) return;
        const dissenting = votes.filter((vote) => !agreeing.includes(vote));
        const all = { agreeing, dissenting, failed };
        settle(all);
        reject(new NoQuorumError(this.#agree, this.nodes.length, all));
      };
      for (const { target, session } of this.nodes) {
        session
          .infer(name, inputs, options)
          .then(
            (answer) => votes.push({ target, answer }),
            (error: unknown) => failed.push({ target, error: asAssayError(error) }),
          )
          .then(finish, reject);
      }
    });
  }

  close(): void {
    for (const { session } of this.nodes) session.close();
  }
}

/**
 * Attests several nodes at once. Targets that lead to one enclave count once: nobody votes twice by
 * having two addresses. How many machines stand behind the enclaves is the policy's to say (chip ids,
 * PPIDs).
 * @throws AssayError USAGE_QUORUM if `agree` is no number of these targets, CLIENT_NO_QUORUM if fewer
 *   enclaves are affirmed than must agree.
 */
export async function connectAll(
  targets: readonly string[],
  policy: AppraisalPolicy,
  options: QuorumOptions,
): Promise<Quorum> {
  const { agree } = options;
  if (!Number.isInteger(agree) || agree < 1 || agree > targets.length) {
    throw new AssayError(
      'USAGE_QUORUM',
      `expected agree to be 1 to ${targets.length}, the number of targets, not ${agree}`,
    );
  }
  const outcomes = await Promise.allSettled(
    targets.map((target) => connect(target, policy, options)),
  );
  const nodes: QuorumNode[] = [];
  const excluded: ExcludedNode[] = [];
  const epochs = new Map<string, string>();
  outcomes.forEach((outcome, i) => {
    const target = targets[i] ?? '';
    if (outcome.status === 'rejected') {
      excluded.push({ target, error: asAssayError(outcome.reason) });
      return;
    }
    const session = outcome.value;
    const epoch = toHex(session.manifest.epoch);
    const known = epochs.get(epoch);
    if (known === undefined) {
      epochs.set(epoch, target);
      nodes.push({ target, session });
      return;
    }
    session.close();
    const message = `${target} is the same enclave as ${known}: it has one vote`;
    excluded.push({ target, error: new AssayError('CLIENT_DUPLICATE', message) });
  });
  const quorum = new Quorum(nodes, excluded, options);
  if (nodes.length >= agree) return quorum;
  quorum.close();
  const reasons = excluded.map(({ error }) => error.message).join('; ');
  throw new AssayError(
    'CLIENT_NO_QUORUM',
    `expected ${agree} affirmed enclaves, not ${nodes.length}: ${reasons}`,
  );
}
