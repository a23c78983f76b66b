import type { AppraisalPolicy } from '../../attestation/appraisal/policy.js';
import { toHex } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import type { ManifestModel } from '../../attestation/evidence/manifest-model.js';
import { type Agreement, assertAgreement, assertLimitsOfOutputs } from './agreement.js';
import type { AttestOptions } from './attest.js';
import { Ballot } from './ballot.js';
import { connect } from './connect.js';
import { type Inference, type InferOptions, type Session, UnaskedAnswerError } from './session.js';
import { findModel, modelOf } from './signature.js';
import type { Tensor } from './tensor.js';

/** How many nodes must agree, and on what. */
export interface QuorumOptions extends AttestOptions {
  /** Answers that must agree before `infer` returns; at least 1. */
  readonly agree: number;
  /** What counts as agreeing beside identical bits: limits for outputs of the model that is asked, no others. */
  readonly agreement?: Agreement;
}

/** Choices for one request to all nodes. */
export interface QuorumInferOptions extends Omit<InferOptions, 'nonce'> {
  /**
   * Gives up calls under way once enough nodes agree: `tally` then has those nodes among the failed, with
   * CLIENT_CANCELLED, and late dissenters are not heard. False unless given.
   */
  readonly cancelRest?: boolean;
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

/** Every vote of one request, when all nodes have answered, failed or were given up. */
export interface Tally {
  /** Those who agree with the answer that was returned or, without one, the largest set that agrees. */
  readonly agreeing: readonly Vote[];
  /**
   * Answers with a valid receipt that do not agree: two receipts that contradict each other, or one over other
   * outputs than were asked for.
   */
  readonly dissenting: readonly Vote[];
  /** Nodes that do not serve the model, whose call failed, or whose answer had no valid receipt or no tensors. */
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

/** Too few nodes agree, or are affirmed at all. The tally holds every answer, with its receipt. */
export class NoQuorumError extends AssayError {
  readonly tally: Tally;

  constructor(message: string, tally: Tally) {
    super('CLIENT_NO_QUORUM', message);
    this.tally = tally;
  }
}

/** Why a node takes no part. What the caller's signal ended is no answer of the service. */
function asAssayError(error: unknown, signal?: AbortSignal): AssayError {
  if (error instanceof AssayError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (signal?.aborted === true && error === signal.reason) {
    return new AssayError('CLIENT_CANCELLED', `the caller gave it up: ${message}`, error);
  }
  return new AssayError('CLIENT_SERVICE', message, error);
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

  /**
   * The model as the first node that serves it states it. Nodes that do not serve it do not matter. Throws
   * CLIENT_MODEL if none does, or if those that do have more than one graph under this name: nodes that
   * compute different things cannot confirm each other.
   */
  model(name: string, version: string | undefined): ManifestModel {
    const [node] = this.nodes;
    if (node === undefined) throw new AssayError('USAGE_QUORUM', 'no node is affirmed');
    const models = this.nodes.flatMap(
      ({ session }) => modelOf(session.manifest, name, version) ?? [],
    );
    const graphs = new Set(models.map(({ graph }) => toHex(graph)));
    if (graphs.size > 1) {
      throw new AssayError(
        'CLIENT_MODEL',
        `the nodes serve different computations as ${name}: ${[...graphs].join(', ')}`,
      );
    }
    return models[0] ?? findModel(node.session.manifest, name, version);
  }

  /**
   * Sends the request to every node, verifies every answer, and returns when enough of them agree. Where
   * no more than half of the nodes must agree, others may agree on another answer: `tally` shows them. A
   * node that does not serve the model is among the failed, and so is with CLIENT_CANCELLED whoever has not answered
   * when `options.signal` aborts.
   * @throws NoQuorumError once all nodes have answered or failed and too few agree; AssayError
   *   CLIENT_MODEL if no node serves the model, or those that do have more than one graph under its name;
   *   CLIENT_OUTPUT if the agreement has limits for what is no output of the model.
   */
  async infer(
    name: string,
    inputs: readonly Tensor[],
    options: QuorumInferOptions = {},
  ): Promise<QuorumAnswer> {
    const { cancelRest = false, signal, ...call } = options;
    const outputs = this.model(name, options.version).outputs.map((output) => output.name);
    assertLimitsOfOutputs(this.#agreement ?? {}, outputs, 'CLIENT_OUTPUT', 'the agreement');
    const rest = new AbortController();
    const signals = [rest.signal, ...(signal === undefined ? [] : [signal])];
    const ballot = new Ballot<Vote>(this.#agreement);
    const unasked: Vote[] = [];
    const failed: ExcludedNode[] = [];
    let chosen: Vote | undefined;
    let settle: (tally: Tally) => void = () => {};
    const tally = new Promise<Tally>((settled) => {
      settle = settled;
    });
    const ask = async ({ target, session }: QuorumNode): Promise<void> => {
      try {
        const bounds = { ...call, signal: AbortSignal.any(signals) };
        ballot.cast({ target, answer: await session.infer(name, inputs, bounds) });
      } catch (error) {
        if (error instanceof UnaskedAnswerError) unasked.push({ target, answer: error.answer });
        else failed.push({ target, error: asAssayError(error, signal) });
      }
    };
    return new Promise((resolve, reject) => {
      const count = (): void => {
        const agreeing = chosen === undefined ? ballot.largest() : ballot.agreeingWith(chosen);
        const [first] = agreeing;
        if (chosen === undefined && first !== undefined && agreeing.length >= this.#agree) {
          chosen = first;
          resolve({ answer: first.answer, agreeing, tally });
          if (cancelRest) {
            const message = `${agreeing.length} nodes agreed before this one answered`;
            rest.abort(new AssayError('CLIENT_CANCELLED', message));
          }
        }
        if (ballot.size + unasked.length + failed.length < this.nodes.length) return;
        const dissenting = [
          ...ballot.votes().filter((vote) => !agreeing.includes(vote)),
          ...unasked,
        ];
        const all = { agreeing, dissenting, failed };
        settle(all);
        if (chosen !== undefined) return;
        const message = `expected ${this.#agree} of ${this.nodes.length} nodes to agree: at most ${agreeing.length} do, ${dissenting.length} answered otherwise, ${failed.length} failed`;
        reject(new NoQuorumError(message, all));
      };
      for (const node of this.nodes) ask(node).then(count).catch(reject);
    });
  }

  close(): void {
    for (const { session } of this.nodes) session.close();
  }
}

/** A node that is an enclave with another name, and why it takes no part. */
interface Duplicate<T> {
  readonly node: T;
  readonly error: AssayError;
}

/**
 * The first node of each enclave, told by the epoch that its evidence vouches for, and the others with
 * CLIENT_DUPLICATE: neither two addresses nor two names make two nodes of one.
 */
export function distinctEnclaves<T extends { readonly target: string }>(
  all: readonly T[],
  epochOf: (node: T) => Uint8Array,
): { readonly nodes: readonly T[]; readonly duplicates: readonly Duplicate<T>[] } {
  const nodes = new Map<string, T>();
  const duplicates: Duplicate<T>[] = [];
  for (const node of all) {
    const epoch = toHex(epochOf(node));
    const known = nodes.get(epoch);
    if (known === undefined) nodes.set(epoch, node);
    else {
      const message = `${node.target} is the same enclave as ${known.target}: it counts once`;
      duplicates.push({ node, error: new AssayError('CLIENT_DUPLICATE', message) });
    }
  }
  return { nodes: [...nodes.values()], duplicates };
}

/**
 * Attests several nodes at once. Targets that lead to one enclave count once: nobody votes twice by
 * having two addresses. How many machines stand behind the enclaves is the policy's to say (chip ids,
 * PPIDs).
 * @throws AssayError USAGE_QUORUM if `agree` is no number of these targets, or the agreement is none that a
 *   `tolerances.json` could declare; NoQuorumError if fewer enclaves are affirmed than must agree; the signal's
 *   own reason where `options.signal` aborts. A node that hangs is given up after `options.timeout`.
 */
export async function connectAll(
  targets: readonly string[],
  policy: AppraisalPolicy,
  options: QuorumOptions,
): Promise<Quorum> {
  const { agree, signal } = options;
  if (!Number.isInteger(agree) || agree < 1 || agree > targets.length) {
    throw new AssayError(
      'USAGE_QUORUM',
      `expected agree to be 1 to ${targets.length}, the number of targets, not ${agree}`,
    );
  }
  assertAgreement(options.agreement ?? {}, 'USAGE_QUORUM', 'the agreement');
  const outcomes = await Promise.allSettled(
    targets.map((target) => connect(target, policy, options)),
  );
  const reached: QuorumNode[] = [];
  const excluded: ExcludedNode[] = [];
  outcomes.forEach((outcome, i) => {
    const target = targets[i] ?? '';
    if (outcome.status === 'fulfilled') reached.push({ target, session: outcome.value });
    else excluded.push({ target, error: asAssayError(outcome.reason) });
  });
  const { nodes, duplicates } = distinctEnclaves(reached, ({ session }) => session.manifest.epoch);
  for (const { node, error } of duplicates) {
    node.session.close();
    excluded.push({ target: node.target, error });
  }
  const quorum = new Quorum(nodes, excluded, options);
  if (nodes.length >= agree && signal?.aborted !== true) return quorum;
  quorum.close();
  signal?.throwIfAborted();
  const reasons = excluded.map(({ error }) => error.message).join('; ');
  const tally = { agreeing: [], dissenting: [], failed: excluded };
  throw new NoQuorumError(
    `expected ${agree} affirmed enclaves, not ${nodes.length}: ${reasons}`,
    tally,
  );
}
