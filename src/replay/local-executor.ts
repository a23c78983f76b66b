import { basename, dirname } from 'node:path';
import { equalBytes, toHex } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import type { ManifestModel } from '../../attestation/evidence/manifest-model.js';
import type { Tensor } from '../client/tensor.js';
import { GRAPH_OPTIMIZATION_LEVELS, type GraphOptimizationLevel } from '../engine/engine.js';
import { IsolatedProcess } from '../system/isolated-process.js';
import {
  type DeclaredTolerances,
  declaredTolerances,
  type Executed,
  type Executor,
  notExecuted,
} from './executor.js';
import type { LocalAnswer, LocalQuestion } from './local-messages.js';

type ModelProcess = IsolatedProcess<LocalQuestion, LocalAnswer>;

/** A process that has read the model, the graph that this computes, and its outputs. */
interface Opened extends Pick<Executor, 'outputs'> {
  readonly process: ModelProcess;
  readonly graph: Uint8Array;
}

function isLevel(level: string): level is GraphOptimizationLevel {
  return GRAPH_OPTIMIZATION_LEVELS.some((known) => known === level);
}

async function openModel(path: string): Promise<Opened> {
  const process: ModelProcess = new IsolatedProcess(new URL('./local-process.js', import.meta.url));
  const reply = await process.ask({ kind: 'open', path });
  if ('answer' in reply && reply.answer.kind === 'opened') {
    const { graph, outputs } = reply.answer;
    return { process, graph, outputs };
  }
  await process.close();
  if ('ended' in reply) throw notExecuted(`${basename(path)}: ${reply.ended}`);
  const { answer } = reply;
  throw answer.kind === 'refused'
    ? new AssayError(answer.code, answer.message)
    : new Error(`${basename(path)} was answered with ${answer.kind}`);
}

/**
 * This machine's runtime, with the options of the attested profile as far as it has them. One model in
 * a process of its own, which executes all requests, and is started again after one that ended it.
 */
export class LocalExecutor implements Executor {
  readonly outputs: Executor['outputs'];
  readonly #path: string;
  readonly #deadlineMs: number;
  readonly #tolerances: DeclaredTolerances | undefined;
  #opened: Opened | undefined;

  private constructor(
    path: string,
    maxRun: number,
    opened: Opened,
    tolerances: DeclaredTolerances | undefined,
  ) {
    this.outputs = opened.outputs;
    this.#path = path;
    this.#deadlineMs = maxRun;
    this.#tolerances = tolerances;
    this.#opened = opened;
  }

  /**
   * Rejects as `readModelSource` and `identifyModel` do, and with HUB_TOLERANCES.
   * @param path of the model file; it is read again after a request that ended the process.
   * @param maxRun milliseconds that one execution may take, with the load before it.
   * @param declared whether answers are held to the `tolerances.json` beside the model, where there is one.
   */
  static async open(path: string, maxRun: number, declared: boolean): Promise<LocalExecutor> {
    const opened = await openModel(path);
    try {
      const tolerances = declared
        ? await declaredTolerances(dirname(path), opened.outputs)
        : undefined;
      return new LocalExecutor(path, maxRun, opened, tolerances);
    } catch (error) {
      await opened.process.close();
      throw error;
    }
  }

  async run(
    model: ManifestModel,
    inputs: readonly Tensor[],
    outputs: readonly string[],
  ): Promise<Executed> {
    this.#opened ??= await openModel(this.#path);
    const { process, graph } = this.#opened;
    if (!equalBytes(graph, model.graph)) {
      throw new AssayError(
        'PROOF_MODEL',
        `${basename(this.#path)} computes ${toHex(graph)}, the proof is of ${toHex(model.graph)}`,
      );
    }
    const { graphOptimizationLevel: level, intraOpThreads } = model.profile;
    const options = {
      intraOpThreads,
      ...(isLevel(level) ? { graphOptimizationLevel: level } : {}),
    };
    const reply = await process.ask({ kind: 'run', options, inputs, outputs }, this.#deadlineMs);
    if ('ended' in reply) {
      this.#opened = undefined;
      throw notExecuted(reply.ended);
    }
    const { answer } = reply;
    if (answer.kind === 'executed') return { ...answer.executed, tolerances: this.#tolerances };
    throw notExecuted(answer.kind === 'failed' ? answer.reason : `it is ${answer.kind}`);
  }

  async close(): Promise<void> {
    await this.#opened?.process.close();
  }
}
