import type { ValueSignature } from '../../attestation/model/identity.js';
import { formatShape, isEmptiedBySender } from '../engine/tensor.js';
import { type AdmissionFinding, finding } from './finding.js';
import type { TestSet } from './test-sets.js';

/**
 * Whether a node takes the inputs of a model's own vectors, as far as their sizes go: it takes no others of
 * a caller.
 */
export function emptyInputFinding(
  sets: readonly TestSet[],
  signature: readonly ValueSignature[],
): AdmissionFinding {
  const dims = new Map(signature.map((value) => [value.name, value.dims]));
  const empty = sets.flatMap(({ name: set, inputs }) =>
    inputs
      .filter(({ name, shape }) => isEmptiedBySender(dims.get(name), shape))
      .map(({ name, shape }) => `${set}: ${name} ${formatShape(shape)}`),
  );
  return empty.length === 0
    ? finding('dynamic.empty', 'pass', 'every input of the vectors has elements')
    : finding(
        'dynamic.empty',
        'warn',
        'these inputs have no elements: with such vectors beside it, a node does not serve the model (MODEL_SELF_TEST) unless its configuration says allowEmptyTensors',
        empty,
      );
}
