import { InferenceSession, Tensor } from 'onnxruntime-node';
import { pseudoRandom } from '../forge/inference-models.js';

/** A request and the bytes that plain onnxruntime-node, run alone, answers. */
export interface Sample {
  readonly shape: readonly number[];
  readonly data: Uint8Array;
  readonly expected: Uint8Array;
}

/** Samples of a model with the FP32 input `input` of [n, width] and the output `output`. */
export async function plainAnswers(
  model: Uint8Array,
  width: number,
  count: number,
): Promise<readonly Sample[]> {
  const session = await InferenceSession.create(Buffer.from(model));
  const random = pseudoRandom(width);
  const samples: Sample[] = [];
  for (let i = 0; i < count; i++) {
    const shape = [1 + (i % 3), width];
    const values = Float32Array.from({ length: (1 + (i % 3)) * width }, () => random() * 4);
    const { output } = await session.run({ input: new Tensor('float32', values, shape) });
    if (!(output?.data instanceof Float32Array)) throw new TypeError('expected FP32');
    const { buffer, byteOffset, byteLength } = output.data;
    samples.push({
      shape,
      data: new Uint8Array(values.buffer),
      expected: new Uint8Array(buffer, byteOffset, byteLength),
    });
  }
  await session.release();
  return samples;
}
