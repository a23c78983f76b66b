import { compareBytes, utf8 } from '../encoding/bytes.js';
import { eachNode } from './functions.js';
import { type Constant, isSparse, type TensorView } from './tensor.js';
import type { ModelView, NodeView } from './views.js';
import { constantsOf } from './weights.js';

/** The external data files that a model refers to, in the order of its tensors. */
export function locationsOf(model: ModelView): Set<string> {
  const found = new Set<string>();
  const tensor = ({ payload }: TensorView): void => {
    if (payload.kind === 'external') found.add(payload.reference.location);
  };
  const addConstant = (constant: Constant): void => {
    const parts = isSparse(constant) ? [constant.values, constant.indices] : [constant];
    parts.forEach(tensor);
  };
  constantsOf(model).forEach(addConstant);
  const visit = (node: Pick<NodeView, 'attributes'>): void => {
    for (const { tensors, sparse } of node.attributes) {
      tensors.forEach(tensor);
      sparse.forEach(addConstant);
    }
  };
  eachNode(model.graph.nodes, visit);
  for (const body of model.functions) {
    eachNode(body.nodes, visit);
    visit({ attributes: body.defaults });
  }
  return found;
}

/**
 * The external data files that a model refers to, sorted: each a plain path relative to the model's
 * folder. The caller reads exactly these. Throws MODEL_EXTERNAL_PATH for any that leaves the folder.
 * @param model what `readModel` made of the model file.
 */
export function externalLocations(model: ModelView): string[] {
  return [...locationsOf(model)].sort((a, b) => compareBytes(utf8(a), utf8(b)));
}
