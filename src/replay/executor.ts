import { createHash } from 'node:crypto';
import { equalBytes, toHex } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import type { ExecutionProfile } from '../../attestation/evidence/execution-profile.js';
import type { ManifestModel } from '../../attestation/evidence/manifest.js';
import { strikeAnnotations } from '../../attestation/model/annotations.js';
import {
  assertExternalSupplied,
  identifyModel,
  type ModelSource,
} from '../../attestation/model/identity.js';
import type { Session } from '../client/session.js';
import type { Tensor } from '../client/tensor.js';
import type { GraphOptimizationLevel } from '../engine/engine.js';
import type { LocalNode } from './local-node.js';

/** Outputs, and how they were computed. */
export interface Executed {
  readonly outputs: readonly Tensor[];
  readonly profile: ExecutionProfile;
}

/** Something that executes an attested computation again. */
export interface Executor {
  /** Rejects with PROOF_MODEL if it does not have this graph. */
  run(
    model: ManifestModel,
    inputs: readonly Tensor[],
    outputs: readonly string[],
  ): Promise<Executed>;
  close(): Promise<void>;
}

function isLevel(level: string): level is GraphOptimizationLevel {
  return ['disabled', 'basic', 'extended', 'layout', 'all'].includes(level);
}

/** This machine's runtime, with the options of the attested profile as far as it has them. */
export class LocalExecutor implements Executor {
  readonly #source: ModelSource;
  readonly #graph: Uint8Array;
  readonly #nodes = new Map<string, Promise<LocalNode>>();

  /** Strikes the source's `value_info`, as an enclave does; throws what `identifyModel` throws. */
  constructor(source: ModelSource) {
    this.#source = source;
    this.#graph = identifyModel(source, { sha256: () => createHash('sha256') }).graph;
    assertExternalSupplied(source.bytes);
    strikeAnnotations(source.bytes);
  }

  async run(
    model: ManifestModel,
    inputs: readonly Tensor[],
    outputs: readonly string[],
  ): Promise<Executed> {
    if (!equalBytes(this.#graph, model.graph)) {
      throw new AssayError(
        'PROOF_MODEL',
        `${this.#source.path} computes ${toHex(this.#graph)}, the proof is of ${toHex(model.graph)}`,
      );
    }
    const { graphOptimizationLevel: level, intraOpThreads } = model.profile;
    const options = {
      intraOpThreads,
      ...(isLevel(level) ? { graphOptimizationLevel: level } : {}),
    };
    const key = JSON.stringify(options);
    const { LocalNode } = await import('./local-node.js');
    const opened = this.#nodes.get(key) ?? LocalNode.open(this.#source, options);
    this.#nodes.set(key, opened);
    const node = await opened;
    return { outputs: await node.infer(inputs, outputs), profile: node.profile };
  }

  async close(): Promise<void> {
    for (const node of this.#nodes.values()) await (await node).close();
  }
}

/** Another enclave, attested under the same policy. */
export class RemoteExecutor implements Executor {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async run(
    model: ManifestModel,
    inputs: readonly Tensor[],
    outputs: readonly string[],
  ): Promise<Executed> {
    const own = this.#session.models().find(({ graph }) => equalBytes(graph, model.graph));
    if (own === undefined) {
      throw new AssayError('PROOF_MODEL', `the node does not serve ${toHex(model.graph)}`);
    }
    const answer = await this.#session.infer(own.name, inputs, { version: own.version, outputs });
    return { outputs: answer.outputs, profile: own.profile };
  }

  async close(): Promise<void> {
    this.#session.close();
  }
}

/** Several executors as one: whichever has the graph executes. */
export class ExecutorSet implements Executor {
  readonly #executors: readonly Executor[];

  constructor(executors: readonly Executor[]) {
    this.#executors = executors;
  }

  async run(
    model: ManifestModel,
    inputs: readonly Tensor[],
    outputs: readonly string[],
  ): Promise<Executed> {
    let none: unknown = new AssayError('PROOF_MODEL', `nothing here has ${toHex(model.graph)}`);
    for (const executor of this.#executors) {
      try {
        return await executor.run(model, inputs, outputs);
      } catch (error) {
        if (!(error instanceof AssayError && error.code === 'PROOF_MODEL')) throw error;
        none = error;
      }
    }
    throw none;
  }

  async close(): Promise<void> {
    for (const executor of this.#executors) await executor.close();
  }
}
