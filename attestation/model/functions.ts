import { AssayError } from '../encoding/error.js';
import { Computation, type FunctionDigest, functionKey } from './computation.js';
import type { ModelHasher } from './hashing.js';
import { Scope } from './scope.js';
import type { FunctionView, GraphView, NodeView, Opsets } from './views.js';

/** Calls `visit` for each node, those in subgraphs included. */
export function eachNode(
  nodes: readonly NodeView[],
  visit: (node: NodeView, graph: GraphView | null) => void,
  graph: GraphView | null = null,
): void {
  for (const node of nodes) {
    visit(node, graph);
    for (const attribute of node.attributes) {
      for (const inner of attribute.graphs) eachNode(inner.nodes, visit, inner);
    }
  }
}

interface Frame {
  readonly key: string;
  readonly calls: readonly string[];
  next: number;
}

/** Keys of functions so that each comes after those it calls; throws MODEL_RECURSION. */
function callOrder(functions: ReadonlyMap<string, FunctionView>): string[] {
  const calls = (key: string): string[] => {
    const found = new Set<string>();
    eachNode(functions.get(key)?.nodes ?? [], (node) => {
      const callee = functionKey({ ...node, name: node.op });
      if (functions.has(callee)) found.add(callee);
    });
    return [...found];
  };
  const order: string[] = [];
  const done = new Set<string>();
  const open = new Set<string>();
  for (const root of functions.keys()) {
    if (done.has(root)) continue;
    const stack: Frame[] = [{ key: root, calls: calls(root), next: 0 }];
    open.add(root);
    for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
      const callee = frame.calls[frame.next];
      frame.next += 1;
      if (callee === undefined) {
        order.push(frame.key);
        done.add(frame.key);
        open.delete(frame.key);
        stack.pop();
      } else if (open.has(callee)) {
        throw new AssayError('MODEL_RECURSION', 'a function calls itself');
      } else if (!done.has(callee)) {
        open.add(callee);
        stack.push({ key: callee, calls: calls(callee), next: 0 });
      }
    }
  }
  return order;
}

/**
 * Digests each model-local function once, callees first: its parameters count by position, its
 * outputs by what computes them, its attributes by name, its own name not at all.
 * @param opsets of the model.
 */
export function digestFunctions(
  functions: readonly FunctionView[],
  opsets: Opsets,
  hasher: ModelHasher,
): ReadonlyMap<string, FunctionDigest> {
  const byKey = new Map<string, FunctionView>();
  for (const body of functions) {
    const key = functionKey(body);
    if (byKey.has(key)) {
      throw new AssayError(
        'MODEL_DUPLICATE_NAME',
        `more than one function is called ${JSON.stringify(body.name.slice(0, 200))}`,
      );
    }
    byKey.set(key, body);
  }
  const digests = new Map<string, FunctionDigest>();
  for (const key of callOrder(byKey)) {
    const body = byKey.get(key);
    if (body === undefined) continue;
    const scope = Scope.ofFunction(body);
    const computation = new Computation(hasher, digests, opsets, null);
    const outputs = computation.outputs(scope);
    const draws = computation.draws > 0;
    const { apart } = computation;
    const defaults = computation.attributes(body.defaults, scope, false);
    computation.rest(scope);
    const digest = hasher.digest('function', [body.inputs.length, defaults, outputs]);
    digests.set(key, { digest, draws, apart, scope });
  }
  return digests;
}
