import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Tensor as WireTensor } from '../../src/engine/tensor.js';
import { servingModels } from '../bench/support/serving-models.js';
import { mlpModel } from '../forge/inference-models.js';
import { pseudoRandom } from '../forge/random.js';

/** A request, and the bytes that plain onnxruntime-node, run alone, answers. */
export interface Sample {
  readonly input: WireTensor;
  readonly expected: Uint8Array;
}

/** A model of the soak: one FP32 input, one FP32 output. */
export interface SoakModel {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly input: string;
  readonly shapes: readonly (readonly number[])[];
  /** How often it is asked for, among the others' shares. */
  readonly share: number;
}

function served(name: string): Uint8Array {
  const found = servingModels().find((model) => model.name === name);
  if (found === undefined) throw new RangeError(`no model ${name}`);
  return found.model;
}

/** Dense layers, whose requests share batches; a convolution net; a real detector of text. */
export const SOAK_MODELS: readonly SoakModel[] = [
  {
    name: 'small',
    bytes: mlpModel([16, 32, 8]),
    input: 'input',
    shapes: [1, 2, 3].map((rows) => [rows, 16]),
    share: 6,
  },
  {
    name: 'large',
    bytes: mlpModel([128, 256, 64]),
    input: 'input',
    shapes: [1, 2, 3].map((rows) => [rows, 128]),
    share: 6,
  },
  {
    name: 'convolution',
    bytes: served('resnet'),
    input: 'input',
    shapes: [1, 2].map((rows) => [rows, 3, 32, 32]),
    share: 2,
  },
  {
    name: 'detector',
    bytes: served('ocr-detector'),
    input: 'x',
    shapes: [
      [1, 3, 32, 32],
      [1, 3, 64, 32],
    ],
    share: 1,
  },
];

/** Samples of a model, their shapes in turn. */
export async function plainAnswers(model: SoakModel, count: number): Promise<readonly Sample[]> {
  const session = await InferenceSession.create(Buffer.from(model.bytes));
  const random = pseudoRandom(count);
  const samples: Sample[] = [];
  for (let i = 0; i < count; i++) {
    const shape = model.shapes[i % model.shapes.length] ?? [];
    const length = shape.reduce((product, dimension) => product * dimension, 1);
    const values = Float32Array.from({ length }, () => random() * 4);
    const results = await session.run({ [model.input]: new Tensor('float32', values, shape) });
    const [output] = Object.values(results);
    if (!(output?.data instanceof Float32Array)) throw new TypeError('expected FP32');
    const { buffer, byteOffset, byteLength } = output.data;
    const data = new Uint8Array(values.buffer);
    samples.push({
      input: { name: model.input, datatype: 'FP32', shape, data },
      expected: new Uint8Array(buffer, byteOffset, byteLength),
    });
  }
  await session.release();
  return samples;
}
