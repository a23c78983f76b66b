import type { ModelIdentity, ValueSignature } from '../../attestation/model/identity.js';
import { datatypeOfElements } from '../client/datatype.js';
import type { Tensor } from '../client/tensor.js';
import { Sample, sampler } from '../engine/sample-inputs.js';
import { IsolatedProcess } from '../system/isolated-process.js';
import type { TestSet } from './test-sets.js';
import type { TrialJob, TrialResult, TrialSetting } from './trial-messages.js';

/** Milliseconds after which a trial counts as hung. */
const DEADLINE = 120_000;

/** Sizes that are tried for dimensions that the model leaves open, one after the other. */
const OPEN_SIZES = [1, 32, 8, 64, 3, 128, 224, 512] as const;

/** The size that a made-up input has in a dimension that the model leaves open. */
type SizeOf = (value: ValueSignature, dim: string | null, axis: number) => number;

function sampleOf(value: ValueSignature, sizeOf: SizeOf): Tensor {
  const datatype = datatypeOfElements(value.elementType ?? '');
  const shape = (value.dims ?? [1]).map((dim, axis) =>
    typeof dim === 'number' ? dim : sizeOf(value, dim, axis),
  );
  const count = shape.reduce((product, size) => product * size, 1);
  const ordinary = new Sample(datatype, count, 'ordinary', sampler(20261121));
  return datatype === 'BYTES'
    ? { name: value.name, datatype, shape, data: new Uint8Array(4 * count) }
    : { name: value.name, datatype, shape, data: ordinary.fill() };
}

/**
 * Inputs of the model's own signature where it brings none: small pseudo-random numbers, with each
 * open dimension at one of a few usual sizes; a first dimension, and what has its name, is 1. Where
 * later inputs have open dimensions without a name, which may be the batch (a recurrent state) or not,
 * both are tried. What they give means nothing, but it is computed.
 */
export function sampleSets({ inputs }: ModelIdentity): TestSet[] {
  const required = inputs.filter(({ optional }) => !optional);
  const [first, ...later] = required;
  const open = required.some(({ dims }) => dims?.slice(1).some((dim) => typeof dim !== 'number'));
  const batches = new Set(required.flatMap(({ dims }) => dims?.[0] ?? []));
  const set = (name: string, sizeOf: SizeOf): TestSet => ({
    name,
    inputs: required.map((value) => sampleOf(value, sizeOf)),
    outputs: [],
  });
  const doubtful = later.some(({ dims }) => dims?.slice(1).includes(null));
  return (open ? OPEN_SIZES : OPEN_SIZES.slice(0, 1)).flatMap((size) => {
    const usual: SizeOf = (_, dim, axis) =>
      axis === 0 || (dim !== null && batches.has(dim)) ? 1 : size;
    const plain = set(`samples of ${size}`, usual);
    if (!doubtful || size === 1) return [plain];
    const batched: SizeOf = (value, dim, axis) =>
      dim === null && value !== first ? 1 : usual(value, dim, axis);
    return [plain, set(`samples of ${size}, later inputs of 1`, batched)];
  });
}

/** Loads a model and runs it in a process of its own. Never throws: a crash is a result. */
export async function tryModel(
  model: string,
  sets: readonly TestSet[],
  setting: TrialSetting,
  budget: number,
): Promise<TrialResult> {
  const job: TrialJob = { model, sets: sets.map(({ inputs }) => inputs), budget, ...setting };
  const trial = new IsolatedProcess<TrialJob, TrialResult>(
    new URL('./trial-process.js', import.meta.url),
  );
  const reply = await trial.ask(job, DEADLINE);
  await trial.close();
  return 'answer' in reply ? reply.answer : { kind: 'failed', reason: reply.ended };
}
