import { compareBytes, utf8 } from '../encoding/bytes.js';
import { AssayError } from '../encoding/error.js';
import type { ExternalReference } from './external.js';
import { eachNode } from './functions.js';
import { type Constant, isSparse, type TensorView } from './tensor.js';
import type { ModelView, NodeView } from './views.js';
import { constantsOf } from './weights.js';

/**
 * Where a runtime takes external data from what it is given: dense initializers of the model's graph,
 * and its Constant nodes, which become such. For every other tensor (of a subgraph, a function, any
 * other attribute, or sparse) ONNX Runtime opens the file by itself, relative to the folder that the
 * process happens to run in: bytes that nobody measured.
 */
function suppliedReferences({ graph }: ModelView): ReadonlySet<ExternalReference> {
  const constants = graph.nodes.flatMap(({ constant }) => constant ?? []);
  const dense = [...graph.initializers, ...constants].filter(
    (constant): constant is TensorView => !isSparse(constant),
  );
  return new Set(
    dense.flatMap(({ payload }) => (payload.kind === 'external' ? payload.reference : [])),
  );
}

function eachExternal(
  model: ModelView,
  add: (reference: ExternalReference, tensor: TensorView) => void,
): void {
  const tensor = (view: TensorView): void => {
    if (view.payload.kind === 'external') add(view.payload.reference, view);
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
}

/** The external data files that a model refers to, in the order of its tensors. */
export function locationsOf(model: ModelView): Set<string> {
  const found = new Set<string>();
  eachExternal(model, ({ location }) => found.add(location));
  return found;
}

/**
 * To be called before a model is executed. Throws MODEL_EXTERNAL_PLACE for a tensor that a runtime
 * would read from disk by itself, instead of the bytes that were identified.
 */
export function assertExternalSupplied(model: ModelView): void {
  const supplied = suppliedReferences(model);
  eachExternal(model, (reference, { name }) => {
    if (supplied.has(reference)) return;
    throw new AssayError(
      'MODEL_EXTERNAL_PLACE',
      `tensor ${JSON.stringify(name.slice(0, 200))}: to be executed, expected external data for dense initializers and constants of the model's graph alone`,
    );
  });
}

/**
 * The external data files that a model refers to, sorted: each a plain path relative to the model's
 * folder. The caller reads exactly these. Throws MODEL_EXTERNAL_PATH for any that leaves the folder.
 * @param model what `readModel` made of the model file.
 */
export function externalLocations(model: ModelView): string[] {
  return [...locationsOf(model)].sort((a, b) => compareBytes(utf8(a), utf8(b)));
}
