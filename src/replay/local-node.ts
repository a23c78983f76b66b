import type { ExecutionProfile } from '../../attestation/evidence/execution-profile.js';
import type { ModelSource } from '../../attestation/model/identity.js';
import type { Tensor } from '../client/tensor.js';
import type { Engine, ExecutionOptions, LoadedModel } from '../engine/engine.js';
import { createEngine } from '../engine/onnx-engine.js';
import { executionProfile } from '../execution-profile.js';

/** One model on this machine's own runtime: nobody attests it but whoever runs it. */
export class LocalNode {
  readonly profile: ExecutionProfile;
  readonly #engine: Engine;
  readonly #model: LoadedModel;

  private constructor(profile: ExecutionProfile, engine: Engine, model: LoadedModel) {
    this.profile = profile;
    this.#engine = engine;
    this.#model = model;
  }

  /** Loads a model in one worker; rejects with EngineError. */
  static async open(source: ModelSource, options: ExecutionOptions): Promise<LocalNode> {
    const engine = await createEngine({ workers: 1 });
    try {
      const externalData = [...(source.external ?? [])].map(([path, data]) => ({ path, data }));
      const model = await engine.load(
        { name: source.path, version: '1', model: source.bytes, externalData },
        options,
      );
      return new LocalNode(await executionProfile(options), engine, model);
    } catch (error) {
      await engine.close();
      throw error;
    }
  }

  /** Executes a request alone; rejects with EngineError. */
  async infer(inputs: readonly Tensor[], outputs: readonly string[]): Promise<readonly Tensor[]> {
    return (await this.#model.infer({ inputs, outputs })).outputs;
  }

  close(): Promise<void> {
    return this.#engine.close();
  }
}
