import type { ModelSource } from '../../attestation/model/identity.js';
import type { Tensor } from '../client/tensor.js';
import type { Engine, ExecutionOptions, LoadedModel } from '../engine/engine.js';
import { createEngine } from '../engine/onnx-engine.js';
import { executionProfile } from '../execution-profile.js';
import type { Executed } from './executor.js';

/** Who asks for an execution gives it up, and this process with it, long before the engine does. */
const MAX_RUN = 2 * 86_400_000;

/** One model on this machine's own runtime: nobody attests it but whoever runs it. */
export class LocalNode {
  readonly #source: ModelSource;
  readonly #engine: Promise<Engine> = createEngine({ workers: 1 });
  readonly #models = new Map<string, Promise<LoadedModel>>();

  /** @param source without annotations: they can change what is executed. */
  constructor(source: ModelSource) {
    this.#source = source;
  }

  /** Executes a request alone, and loads the model before the first with these options; rejects with EngineError. */
  async run(
    options: ExecutionOptions,
    inputs: readonly Tensor[],
    outputs: readonly string[],
  ): Promise<Executed> {
    const key = JSON.stringify(options);
    const loading = this.#models.get(key) ?? this.#load(options);
    this.#models.set(key, loading);
    const model = await loading;
    const result = await model.infer({ inputs, outputs });
    return { outputs: result.outputs, profile: await executionProfile(options) };
  }

  async #load(options: ExecutionOptions): Promise<LoadedModel> {
    const { path, bytes, external = [] } = this.#source;
    const externalData = [...external].map(([location, data]) => ({ path: location, data }));
    const source = { name: path, version: '1', model: bytes, externalData };
    return (await this.#engine).load(source, { ...options, maxRun: MAX_RUN });
  }
}
