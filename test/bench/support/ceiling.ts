import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { ServingModel } from './serving-models.js';

/** One model in plain onnxruntime-node, in this process. */
export interface Ceiling {
  /** The bytes of its answer. */
  readonly answer: Buffer;
  /** Inferences a second, one at a time, one thread; at least one is done. */
  readonly measure: (seconds: number) => Promise<number>;
  readonly release: () => Promise<void>;
}

export async function openCeiling({ model, inputs }: ServingModel): Promise<Ceiling> {
  const session = await InferenceSession.create(Buffer.from(model), { intraOpNumThreads: 1 });
  const feeds = Object.fromEntries(
    inputs.map(({ name, shape, data }) => [
      name,
      new Tensor('float32', new Float32Array(new Uint8Array(data).buffer), shape),
    ]),
  );
  const results = await session.run(feeds);
  const answer = Buffer.concat(
    session.outputNames.map((name) => {
      const data = results[name]?.data;
      if (!(data instanceof Float32Array)) throw new TypeError('expected FP32');
      return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    }),
  );
  return {
    answer,
    measure: async (seconds) => {
      let count = 0;
      const started = performance.now();
      do {
        await session.run(feeds);
        count += 1;
      } while (performance.now() - started < seconds * 1000);
      return count / ((performance.now() - started) / 1000);
    },
    release: () => session.release(),
  };
}
