import { stringsDistance, type TensorDistance, tensorDistance } from './distance.js';
import { elementBytes, stringElements } from './elements.js';
import type { ExternalFiles } from './external.js';
import { layoutOf } from './number.js';
import type { TensorView } from './tensor.js';

/** How far two tensors of models are apart; null if their type or shape differs. */
export function weightDistance(
  a: TensorView,
  b: TensorView,
  filesOfA: ExternalFiles,
  filesOfB: ExternalFiles,
): TensorDistance | null {
  const alike =
    a.type === b.type && a.dims.length === b.dims.length && a.dims.every((d, i) => d === b.dims[i]);
  if (!alike) return null;
  const [left, right] = [elementBytes(a, filesOfA), elementBytes(b, filesOfB)];
  const layout = layoutOf(a.type);
  return layout === null
    ? stringsDistance([...stringElements(left)], [...stringElements(right)])
    : tensorDistance(layout, a.elements, left, right);
}
