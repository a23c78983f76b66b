import { createHash } from 'node:crypto';
import { InferenceSession } from 'onnxruntime-node';
import { EngineError } from './error.js';
import { fromOrt, toOrt } from './ort-tensor.js';
import { PROBE_INPUTS, PROBE_OUTPUTS, type ProbeTensor, probeModel } from './probe-model.js';
import { sampler } from './sample-inputs.js';
import { sessionOptions } from './session-options.js';

/** Whatever the options of the models: the answers stand for all of them. */
const PROBED = { intraOpThreads: 1, graphOptimizationLevel: 'all' } as const;
const SEED = 20261121;
/** Numbers are multiples of this, so that they are exact: only the kernels round. */
const STEP = 2 ** -20;

/** Small numbers of both signs, whole bytes for integers: those reach the saturation of 16-bit sums. */
function sampleOf({ element, dims }: ProbeTensor, random: () => number): Uint8Array<ArrayBuffer> {
  const count = dims.reduce((product, dim) => product * dim, 1);
  const numbers = Array.from({ length: count }, random);
  if (element !== 'float') return Uint8Array.from(numbers, (unit) => Math.floor(unit * 256));
  const values = Float32Array.from(numbers, (unit) => Math.round((unit * 4 - 2) / STEP) * STEP);
  return new Uint8Array(values.buffer);
}

/**
 * The answers of ONNX Runtime on this processor to the probe, by output. Rejects with EngineError. The
 * process has to have set ORT_DISABLE_TELEMETRY on its main thread: a worker's environment is a copy.
 */
export async function probeKernels(): Promise<ReadonlyMap<string, Uint8Array>> {
  const random = sampler(SEED);
  const model = probeModel((weight) => sampleOf(weight, random));
  const feeds = Object.fromEntries(
    PROBE_INPUTS.map((input) => {
      const { buffer, length } = sampleOf(input, random);
      const datatype = input.element === 'float' ? 'FP32' : 'UINT8';
      return [input.name, toOrt(datatype, input.dims, buffer, 0, length)];
    }),
  );
  try {
    const session = await InferenceSession.create(model, sessionOptions(PROBED));
    const results = await session.run(feeds);
    await session.release();
    return new Map(
      PROBE_OUTPUTS.map((name) => {
        const result = results[name];
        if (result === undefined) throw new EngineError('load', `the probe gave no ${name}`);
        return [name, fromOrt(result).data];
      }),
    );
  } catch (cause) {
    throw new EngineError('load', 'expected ONNX Runtime to execute the kernel probe', cause);
  }
}

/** SHA-256 of `assay/kernels/v1`, a zero byte and the answers in the probe's order. */
export async function kernelDigest(): Promise<Uint8Array> {
  const hash = createHash('sha256').update('assay/kernels/v1\0');
  for (const data of (await probeKernels()).values()) hash.update(data);
  return hash.digest();
}
