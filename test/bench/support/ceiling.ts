import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { ServingModel } from './serving-models.js';

/** Inferences a second of plain onnxruntime-node in this process, one at a time, one thread. */
export async function ceiling({ model, inputs }: ServingModel, seconds: number): Promise<number> {
  const session = await InferenceSession.create(Buffer.from(model), { intraOpNumThreads: 1 });
  const feeds = Object.fromEntries(
    inputs.map(({ name, shape, data }) => [
      name,
      new Tensor('float32', new Float32Array(new Uint8Array(data).buffer), shape),
    ]),
  );
  let count = 0;
  const started = performance.now();
  while (performance.now() - started < seconds * 1000) {
    await session.run(feeds);
    count += 1;
  }
  const rate = count / ((performance.now() - started) / 1000);
  await session.release();
  return rate;
}
