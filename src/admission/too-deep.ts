import { equalBytes } from '../../attestation/encoding/bytes.js';
import { executedNodes } from '../../attestation/model/called-functions.js';
import { functionKey } from '../../attestation/model/computation.js';
import type { ModelAnalysis } from '../../attestation/model/identity.js';
import { type Scope, topOf } from '../../attestation/model/scope.js';
import type { AttributeView, NodeView } from '../../attestation/model/views.js';
import { attributeOf, eachText, integersOf } from './attributes.js';

/*
 * ONNX Runtime (1.30) calls itself for each level of a tree and for each call within a call as it loads a model,
 * and its threads' stacks, of 4 MB, end somewhere between 4000 and 6000 levels, and beyond 1000 calls.
 */
const MOST_LEVELS = 3000;
const MOST_CALLS = 500;

const LEAF = new TextEncoder().encode('LEAF');

/** Walks as ONNX Runtime does: each of so many nodes once, from the first root on, what is false before what is true. */
function isDeep(
  nodes: number,
  roots: readonly number[],
  below: (node: number) => readonly number[],
): boolean {
  const unseen = new Uint8Array(nodes).fill(1);
  const left = roots.toReversed().map((node) => ({ node, level: 1 }));
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { node, level } = next;
    if (unseen[node] !== 1) continue;
    if (level > MOST_LEVELS) return true;
    unseen[node] = 0;
    for (const child of below(node)) left.push({ node: child, level: level + 1 });
  }
  return false;
}

/** Which nodes of trees are leaves: what they name as children is nothing. */
function leavesOf(node: NodeView): readonly boolean[] {
  const modes = attributeOf(node, 'nodes_modes');
  const leaves: boolean[] = [];
  if (modes !== undefined) eachText(modes, (mode) => leaves.push(equalBytes(mode, LEAF)));
  return leaves;
}

/** Whether trees have more levels than a stack has room for, or lists that a call gives. */
export function hasDeepTree(node: NodeView): boolean {
  const called = ({ name, reference }: AttributeView): boolean =>
    reference !== '' && (name.startsWith('nodes_') || name === 'tree_roots');
  if (node.attributes.some(called)) return true;
  const list = (name: string): Float64Array => {
    const found = attributeOf(node, name);
    return found === undefined ? new Float64Array() : integersOf(found);
  };
  const [whenTrue, whenFalse] = [list('nodes_truenodeids'), list('nodes_falsenodeids')];
  const nodes = whenTrue.length;
  if (nodes <= MOST_LEVELS) return false;
  if (node.op === 'TreeEnsemble') {
    const [trueEnds, falseEnds] = [list('nodes_trueleafs'), list('nodes_falseleafs')];
    return isDeep(nodes, [...list('tree_roots')], (at) => [
      trueEnds[at] === 0 ? (whenTrue[at] ?? -1) : -1,
      falseEnds[at] === 0 ? (whenFalse[at] ?? -1) : -1,
    ]);
  }
  const [trees, ids] = [list('nodes_treeids'), list('nodes_nodeids')];
  const roots: number[] = [];
  const places = new Map<number, Map<number, number>>();
  trees.forEach((tree, at) => {
    if (tree !== trees[at - 1]) roots.push(at);
    const own = places.get(tree) ?? new Map<number, number>();
    places.set(tree, own.set(ids[at] ?? -1, at));
  });
  if ([...places.values()].every(({ size }) => size <= MOST_LEVELS)) return false;
  const place = (id: number | undefined, at: number): number =>
    places.get(trees[at] ?? -1)?.get(id ?? -1) ?? -1;
  const leaves = leavesOf(node);
  return isDeep(nodes, roots, (at) =>
    leaves[at] === true ? [] : [place(whenTrue[at], at), place(whenFalse[at], at)],
  );
}

/** The calls of functions that are deeper within other calls than a stack has room for. */
export function deepCalls(analysis: ModelAnalysis): readonly NodeView[] {
  const { functions, scope: root } = analysis;
  if (functions.size <= MOST_CALLS) return [];
  const calls = new Map<Scope, Map<Scope, NodeView>>();
  for (const { node, scope } of executedNodes(analysis)) {
    const callee = functions.get(functionKey({ ...node, name: node.op }))?.scope;
    if (callee === undefined) continue;
    const caller = topOf(scope);
    const own = calls.get(caller) ?? new Map<Scope, NodeView>();
    calls.set(caller, own.set(callee, node));
  }
  const within = (callers: ReadonlySet<Scope>): readonly (readonly [Scope, NodeView])[] =>
    [...callers].flatMap((caller) => [...(calls.get(caller) ?? [])]);
  let callers: ReadonlySet<Scope> = new Set([root]);
  for (let depth = 0; depth < MOST_CALLS && callers.size > 0; depth++) {
    callers = new Set(within(callers).map(([callee]) => callee));
  }
  return [...new Set(within(callers).map(([, node]) => node))];
}
