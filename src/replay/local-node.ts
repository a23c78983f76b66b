import type { ExecutionProfile } from '../../attestation/evidence/execution-profile.js';
import type { ModelSource } from '../../attestation/model/identity.js';
import type { Tensor } from '../client/tensor.js';
import type { Engine, ExecutionOptions, LoadedModel } from '../engine/engine.js';
import { EngineError } from '../engine/error.js';
import { executionFacts } from '../engine/profile.js';
import type { Executed } from './executor.js';

/** Who asks for an execution gives it up, and this process with it, long before the engine does. */
const MAX_RUN = 2 * 86_400_000;

/** The model as it was loaded with some options. */
interface Loaded {
  readonly model: LoadedModel;
  readonly profile: ExecutionProfile;
}

/** One model on this machine's own runtime: nobody attests it but whoever runs it. */
export class LocalNode {
  readonly #engine: Engine;
  readonly #source: ModelSource;
  readonly #loaded = new Map<string, Loaded>();

  /**
   * @param engine of one worker.
   * @param source with what `executableModel` gave.
   */
  constructor(engine: Engine, source: ModelSource) {
    this.#engine = engine;
    this.#source = source;
  }

  /**
   * Executes a request alone, one at a time; the model is loaded before the first with these options.
   * Rejects with EngineError.
   */
  async run(
    options: ExecutionOptions,
    inputs: readonly Tensor[],
    outputs: readonly string[],
  ): Promise<Executed> {
    const key = JSON.stringify(options);
    const loaded = this.#loaded.get(key) ?? (await this.#load(options));
    this.#loaded.set(key, loaded);
    const result = await loaded.model.infer({ inputs, outputs });
    return { outputs: result.outputs, profile: loaded.profile };
  }

  /** Where memory has no room, other options make it: how many there are is the proofs' to say. */
  async #load(options: ExecutionOptions): Promise<Loaded> {
    const profile = await executionFacts(options);
    try {
      return { model: await this.#session(options), profile };
    } catch (error) {
      if (!(error instanceof EngineError && error.reason === 'memory')) throw error;
      for (const { model } of this.#loaded.values()) await model.drain();
      this.#loaded.clear();
      return { model: await this.#session(options), profile };
    }
  }

  #session(options: ExecutionOptions): Promise<LoadedModel> {
    const { path, bytes, external = [] } = this.#source;
    const externalData = [...external].map(([location, data]) => ({ path: location, data }));
    const source = { name: path, version: '1', model: bytes, externalData };
    return this.#engine.load(source, { ...options, maxRun: MAX_RUN });
  }
}
