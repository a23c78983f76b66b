import type { TensorSpec } from './tensor.js';

/** The dimensions after the first of each input, in the order of the signature. */
export type Tails = readonly (readonly number[])[];

/** Shapes of one model for which batches are proven; each takes a proof at load. */
const MAX_SHAPES = 16;

/** Tells shapes apart: requests with equal keys differ in the number of rows alone. */
export function tailsKey(tails: Tails): string {
  return tails.map((tail) => tail.join('x')).join(',');
}

/** A shape as messages show it. */
export const describeTails = (tails: Tails): string =>
  tails.map((tail) => `[n${tail.map((size) => `,${size}`).join('')}]`).join(' ');

/** Dimensions after the first that may vary; undefined where the first may not. */
function symbolsOf({ shape }: TensorSpec): readonly string[] | undefined {
  const [first, ...tail] = shape ?? [];
  if (typeof first !== 'string') return undefined;
  const symbols = tail.filter((dimension) => typeof dimension === 'string');
  return symbols.some((symbol) => symbol === '' || symbol === first) ? undefined : symbols;
}

function assignments(
  symbols: readonly string[],
  dimensions: Readonly<Record<string, readonly number[]>>,
): readonly ReadonlyMap<string, number>[] {
  let all: readonly ReadonlyMap<string, number>[] = [new Map()];
  for (const symbol of symbols) {
    const sizes = new Set(dimensions[symbol]);
    all = all.flatMap((chosen) => [...sizes].map((size) => new Map([...chosen, [symbol, size]])));
  }
  return all;
}

/**
 * The shapes whose requests may share executions if the model proves it: all that the signature
 * allows where only the number of rows may vary, else those that the operator names. A string says
 * why there are none.
 */
export function batchShapes(
  inputs: readonly TensorSpec[],
  dimensions: Readonly<Record<string, readonly number[]>>,
): readonly Tails[] | string {
  const symbols = new Set<string>();
  for (const spec of inputs) {
    const own = symbolsOf(spec);
    const missing =
      own === undefined ? '' : own.find((symbol) => !Object.hasOwn(dimensions, symbol));
    if (missing !== undefined) {
      const named = missing === '' ? '' : `, and batching names no sizes of ${missing}`;
      return `input ${spec.name} does not have a first dimension that alone may vary${named}`;
    }
    for (const symbol of own ?? []) symbols.add(symbol);
  }
  const chosen = assignments([...symbols], dimensions);
  if (chosen.length > MAX_SHAPES) {
    return `batching names ${chosen.length} shapes, at most ${MAX_SHAPES} are proven`;
  }
  return chosen.map((sizes) =>
    inputs.map(({ shape = [] }) =>
      shape.slice(1).map((size) => (typeof size === 'number' ? size : (sizes.get(size) ?? 0))),
    ),
  );
}
