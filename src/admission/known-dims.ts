import { elementBytes } from '../../attestation/model/elements.js';
import type { ExternalFiles } from '../../attestation/model/external.js';
import type { Definition, NodeState } from '../../attestation/model/scope.js';
import { isSparse } from '../../attestation/model/tensor.js';
import { intAttribute } from './attributes.js';
import { INT64 } from './element-range.js';

/** Sizes, as far as they are known; of one that is not known: null. */
export type Dims = readonly (number | null)[];

/** No tensor of a signature has more axes. */
const MAX_RANK = 256;
/** So many definitions at most are followed from one to another: each takes some of the stack. */
const MOST_DEEP = 200;

const ELEMENTWISE: ReadonlySet<string> = new Set(
  'Abs Cast Clip Dropout Identity Neg Relu Sigmoid Sqrt Tanh'.split(' '),
);
/** Of these as many axes are known, and no sizes. */
const RESIZING: ReadonlySet<string> = new Set('Pad Slice Transpose'.split(' '));
const BROADCASTING: ReadonlySet<string> = new Set('Add Div Max Min Mul Sub Sum'.split(' '));

/** The elements of a short constant vector of 64-bit integers; undefined where it is none. */
function constantIntegers(
  definition: Definition | undefined,
  files: ExternalFiles,
): readonly number[] | undefined {
  if (definition?.kind !== 'constant' || isSparse(definition.constant)) return undefined;
  const { elements, type } = definition.constant;
  if (type.code !== INT64 || elements > MAX_RANK) return undefined;
  const bytes = elementBytes(definition.constant, files);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: bytes.length / 8 }, (_, i) => Number(view.getBigInt64(i * 8, true)));
}

/** What can be told of the sizes of values before anything is executed, through operators that are common. */
export class KnownDims {
  readonly #files: ExternalFiles;
  readonly #known = new Map<Definition, Dims | undefined>();

  constructor(files: ExternalFiles) {
    this.#files = files;
  }

  /** undefined: not even how many axes it has. */
  of(definition: Definition | undefined, depth = 0): Dims | undefined {
    if (definition === undefined || depth > MOST_DEEP) return undefined;
    if (!this.#known.has(definition)) {
      const found = this.#find(definition, depth);
      this.#known.set(
        definition,
        found !== undefined && found.length > MAX_RANK ? undefined : found,
      );
    }
    return this.#known.get(definition);
  }

  #find(definition: Definition, depth: number): Dims | undefined {
    if (definition.kind === 'constant') {
      return isSparse(definition.constant) ? undefined : definition.constant.dims;
    }
    if (definition.kind === 'output') {
      return definition.index === 0 ? this.#made(definition.state, depth + 1) : undefined;
    }
    const { scope, value } = definition;
    if (scope.isFunction || scope.parent !== null || value.type?.kind !== 'tensor')
      return undefined;
    return value.type.dims?.map((dim) => (typeof dim === 'number' ? dim : null));
  }

  #made(state: NodeState, depth: number): Dims | undefined {
    const { node, scope } = state;
    if (node.domain !== '') return undefined;
    const operand = (index: number): Definition | undefined => {
      const name = node.inputs[index] ?? '';
      return name === '' ? undefined : scope.resolve(name);
    };
    const first = this.of(operand(0), depth);
    if (ELEMENTWISE.has(node.op)) return first;
    if (BROADCASTING.has(node.op)) {
      return broadcast(node.inputs.map((_, index) => this.of(operand(index), depth)));
    }
    if (node.op === 'Reshape') return this.#reshaped(operand(1), depth);
    if (first === undefined) return undefined;
    const integers = constantIntegers(operand(1), this.#files);
    if (RESIZING.has(node.op)) return first.map(() => null);
    if (node.op === 'Shape') return [first.length];
    if (node.op === 'Unsqueeze') return unsqueezed(first, integers);
    if (node.op === 'Squeeze') return squeezed(first, integers);
    if (node.op === 'MatMul') return multiplied(first, this.of(operand(1), depth));
    if (node.op !== 'Concat') return undefined;
    const axis = Number(intAttribute(node, 'axis') ?? 0n);
    return first.map((size, at) => (at === axis || at === axis + first.length ? null : size));
  }

  /** By constants, or by a vector that is put together and ends in one. */
  #reshaped(shape: Definition | undefined, depth: number): Dims | undefined {
    const sizes = constantIntegers(shape, this.#files);
    if (sizes !== undefined) return sizes.map((size) => (size > 0 ? size : null));
    if (shape?.kind !== 'output' || shape.state.node.domain !== '') return undefined;
    const { node, scope } = shape.state;
    if (node.op !== 'Concat') return undefined;
    const parts = node.inputs.map((name): Dims | undefined => {
      const part = scope.resolve(name);
      const constant = constantIntegers(part, this.#files);
      if (constant !== undefined) return constant.map((size) => (size > 0 ? size : null));
      const [length, ...others] = this.of(part, depth) ?? [];
      return others.length > 0 || length === undefined || length === null || length > MAX_RANK
        ? undefined
        : Array.from({ length }, () => null);
    });
    return parts.some((part) => part === undefined)
      ? undefined
      : parts.flatMap((part) => part ?? []);
  }
}

/** Where one size is known to be more than 1, the others are the same or 1. */
function broadcast(all: readonly (Dims | undefined)[]): Dims | undefined {
  const known = all.flatMap((dims) => (dims === undefined ? [] : [dims]));
  if (known.length < all.length) return undefined;
  const rank = Math.max(0, ...known.map(({ length }) => length));
  return Array.from({ length: rank }, (_, at) => {
    const sizes = known.map((dims) => dims.at(at < rank - dims.length ? dims.length : at - rank));
    return (
      sizes.find((size) => typeof size === 'number' && size > 1) ??
      (sizes.includes(null) ? null : 1)
    );
  });
}

function multiplied(a: Dims, b: Dims | undefined): Dims | undefined {
  if (b === undefined || a.length < 2 || b.length < 2) return undefined;
  const batch = Array.from({ length: Math.max(a.length, b.length) - 2 }, () => null);
  return [...batch, a.at(-2) ?? null, b.at(-1) ?? null];
}

function unsqueezed(dims: Dims, axes: readonly number[] | undefined): Dims | undefined {
  if (axes === undefined) return undefined;
  const rank = dims.length + axes.length;
  const added = new Set(axes.map((axis) => (axis < 0 ? axis + rank : axis)));
  const left = [...dims];
  return Array.from({ length: rank }, (_, at) => (added.has(at) ? 1 : (left.shift() ?? null)));
}

function squeezed(dims: Dims, axes: readonly number[] | undefined): Dims | undefined {
  if (axes === undefined) return undefined;
  const removed = new Set(axes.map((axis) => (axis < 0 ? axis + dims.length : axis)));
  return dims.filter((_, at) => !removed.has(at));
}
