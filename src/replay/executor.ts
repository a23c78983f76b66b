import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { equalBytes, toHex } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import type { ExecutionProfile } from '../../attestation/evidence/execution-profile.js';
import type { ManifestModel } from '../../attestation/evidence/manifest-model.js';
import { readTolerances } from '../admission/package-vectors.js';
import type { Agreement } from '../client/agreement.js';
import { serviceStatus } from '../client/service-status.js';
import type { Session } from '../client/session.js';
import type { Tensor } from '../client/tensor.js';

/** What a model's publisher declares to be near enough. */
export interface DeclaredTolerances {
  readonly agreement: Agreement;
  /** The `tolerances.json` that says so. */
  readonly path: string;
}

/**
 * What the `tolerances.json` in a model's folder says of its outputs, where it says whose it is; undefined where
 * there is none. Rejects with HUB_TOLERANCES.
 */
export async function declaredTolerances(
  folder: string,
  outputs: readonly { readonly name: string }[],
): Promise<DeclaredTolerances | undefined> {
  const names = outputs.map(({ name }) => name);
  const agreement = await readTolerances(folder, names);
  return agreement === null ? undefined : { agreement, path: join(folder, 'tolerances.json') };
}

/** Outputs, and how they were computed. */
export interface Executed {
  readonly outputs: readonly Tensor[];
  readonly profile: ExecutionProfile;
  /** Of the model, where it has some at hand. */
  readonly tolerances?: DeclaredTolerances | undefined;
}

/** Something that executes an attested computation again. */
export interface Executor {
  /** Of every model that it has. */
  readonly outputs: readonly { readonly name: string }[];
  /**
   * Rejects with PROOF_MODEL if it does not have this graph, PROOF_EXECUTION if this request cannot be
   * executed.
   */
  run(
    model: ManifestModel,
    inputs: readonly Tensor[],
    outputs: readonly string[],
  ): Promise<Executed>;
  close(): Promise<void>;
}

/** A request that nobody could execute, although the model is here: that decides nothing. */
export function notExecuted(reason: string, cause?: unknown): AssayError {
  return new AssayError('PROOF_EXECUTION', reason, cause);
}

/** Whether a node, or its client, refused a request for what is in it. */
function isRefusedRequest(error: unknown): error is AssayError {
  if (!(error instanceof AssayError)) return false;
  return (
    error.code === 'CLIENT_INPUT' ||
    error.code === 'CLIENT_OUTPUT' ||
    serviceStatus(error) === status.INVALID_ARGUMENT
  );
}

/** Another enclave, attested under the same policy. */
export class RemoteExecutor implements Executor {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  get outputs(): Executor['outputs'] {
    return this.#session.models().flatMap(({ outputs }) => outputs);
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
    const answer = await this.#session
      .infer(own.name, inputs, { version: own.version, outputs })
      .catch((error: unknown) => {
        throw isRefusedRequest(error) ? notExecuted(error.message, error) : error;
      });
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

  get outputs(): Executor['outputs'] {
    return this.#executors.flatMap(({ outputs }) => outputs);
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
