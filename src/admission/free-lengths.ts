import type { ModelAnalysis } from '../../attestation/model/identity.js';
import type { Definition, NodeState } from '../../attestation/model/scope.js';
import type { NodeView } from '../../attestation/model/views.js';
import { DELICATE_OPERANDS } from './delicate-inputs.js';
import { Origins } from './origins.js';

/** Operands of which the values, beside those that say sizes, decide how large an output is. */
const COUNTED_OPERANDS: ReadonlyMap<string, readonly number[]> = new Map(
  Object.entries<readonly number[]>({
    Compress: [1],
    Loop: [0, 1],
    NonMaxSuppression: [0, 1, 2, 3, 4],
    NonZero: [0],
    Reshape: [1],
    SequenceAt: [1],
    Slice: [1, 2, 3, 4],
    Split: [1],
    SplitToSequence: [1],
    Squeeze: [1],
    StringSplit: [0],
    TopK: [1],
    Unique: [0],
  }),
);

/** Operands that decide how many axes an output has. */
const RANKING_OPERANDS: ReadonlyMap<string, readonly number[]> = new Map(
  Object.entries<readonly number[]>({
    ConstantOfShape: [0],
    Expand: [1],
    Reshape: [1],
    Unsqueeze: [1],
  }),
);

function sizingOperands({ domain, op, inputs }: NodeView): readonly number[] {
  if (domain !== '') return [...inputs.keys()];
  return [...(DELICATE_OPERANDS.get(op) ?? []), ...(COUNTED_OPERANDS.get(op) ?? [])];
}

function operands(
  seen: Iterable<Definition>,
  places: (node: NodeView) => readonly number[],
): readonly Definition[] {
  const states = [...seen].flatMap((each) => (each.kind === 'output' ? each.state : []));
  return [...new Set(states)].flatMap(({ node, scope }) =>
    places(node).flatMap((place) => {
      const name = node.inputs[place] ?? '';
      return name === '' ? [] : scope.resolve(name);
    }),
  );
}

/**
 * Whether callers may choose how many elements any of these vectors has, as far as it can be told: they are made
 * of an input of free size, or of values of an input that decide a size. Takes time in what is executed.
 */
export function lengthIsFree(
  analysis: ModelAnalysis,
  executed: ReadonlySet<NodeState>,
  vectors: readonly Definition[],
): boolean {
  const { inputs } = analysis.identity;
  const among = (origins: Origins) => inputs.filter(({ name }) => origins.inputs.has(name));
  const behind = (definitions: readonly Definition[]): Origins => {
    const origins = new Origins(analysis, executed);
    for (const definition of definitions) origins.follow(definition);
    return origins;
  };
  const isFree = (origins: Origins): boolean =>
    among(origins).some(({ dims }) => dims?.every((dim) => typeof dim === 'number') !== true);
  const made = behind(vectors);
  if (isFree(made) || behind(operands(made.seen, sizingOperands)).inputs.size > 0) return true;
  // What Shape gives is as long as its operand has axes.
  const shaped = behind(operands(made.seen, ({ op }) => (op === 'Shape' ? [0] : [])));
  const ranking = operands(shaped.seen, ({ op }) => RANKING_OPERANDS.get(op) ?? []);
  return among(shaped).some(({ dims }) => dims === null) || isFree(behind(ranking));
}
