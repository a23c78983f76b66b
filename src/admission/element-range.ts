import { elementBytes } from '../../attestation/model/elements.js';
import type { ExternalFiles } from '../../attestation/model/external.js';
import { type Constant, isSparse, type TensorView } from '../../attestation/model/tensor.js';
import type { ValueType } from '../../attestation/model/type.js';

/** TensorProto.DataType. */
export const INT32 = 6;
export const INT64 = 7;
export const BOOL = 9;

/** The type of what operators give that are not ONNX's own: unknown, and no integers unless others say so. */
export const FOREIGN = -1;

/** What is known of a value's elements before anything is executed. */
export interface Elements {
  /** TensorProto.DataType; 0: any of them; FOREIGN. Of a sequence or optional: that of what it holds. */
  readonly type: number;
  /** Integers and booleans: no element is smaller. */
  readonly least: bigint;
  /** Integers and booleans: no element is larger. */
  readonly most: bigint;
  /** Whether what callers send decides elements, and not only sizes of tensors and constants. */
  readonly chosen: boolean;
}

const signed = (bits: bigint): readonly [bigint, bigint] => [
  -(2n ** (bits - 1n)),
  2n ** (bits - 1n) - 1n,
];
const unsigned = (bits: bigint): readonly [bigint, bigint] => [0n, 2n ** bits - 1n];

const LIMITS: ReadonlyMap<number, readonly [least: bigint, most: bigint]> = new Map([
  [2, unsigned(8n)],
  [3, signed(8n)],
  [4, unsigned(16n)],
  [5, signed(16n)],
  [INT32, signed(32n)],
  [INT64, signed(64n)],
  [BOOL, unsigned(1n)],
  [12, unsigned(32n)],
  [13, unsigned(64n)],
]);

export const UNKNOWN: Elements = { type: 0, least: 0n, most: 0n, chosen: true };

/** Whatever the type can hold. */
export function anyOf(type: number, chosen = true): Elements {
  const [least, most] = LIMITS.get(type) ?? [0n, 0n];
  return { type, least, most, chosen };
}

export function isInteger({ type }: Elements): boolean {
  return LIMITS.has(type);
}

/** Elements between two numbers; any of the type where these are beyond it, since integers wrap. */
export function between(type: number, least: bigint, most: bigint, chosen: boolean): Elements {
  const any = anyOf(type, chosen);
  return least < any.least || most > any.most ? any : { type, least, most, chosen };
}

export function isTyped({ type }: Elements): boolean {
  return type > 0;
}

/** Values that must agree in their type, with what is known of it. */
export function alike(values: readonly Elements[]): readonly Elements[] {
  const foreign = values.every(({ type }) => type === FOREIGN);
  const type = values.find(isTyped)?.type ?? (foreign ? FOREIGN : 0);
  return values.map((value) => (isTyped(value) ? value : anyOf(type)));
}

/** The elements of all of them. */
export function hull(values: readonly Elements[]): Elements {
  const [first, ...others] = alike(values);
  if (first === undefined || others.some(({ type }) => type !== first.type)) return UNKNOWN;
  return others.reduce(
    (all, { least, most, chosen }) => ({
      type: all.type,
      least: least < all.least ? least : all.least,
      most: most > all.most ? most : all.most,
      chosen: all.chosen || chosen,
    }),
    first,
  );
}

/** What a caller may send for, or a subgraph is given as, a value of a declared type. */
export function declared(type: ValueType | null): Elements {
  if (type?.kind === 'tensor' || type?.kind === 'sparse_tensor') return anyOf(type.element);
  if (type?.kind === 'seq' || type?.kind === 'optional') return declared(type.of);
  return UNKNOWN;
}

/** The wide integers of a tensor are read; of others the type says enough. */
function ofTensor(tensor: TensorView, files: ExternalFiles): Elements {
  const { code, bits } = tensor.type;
  if ((code !== INT32 && code !== INT64) || tensor.elements === 0) return anyOf(code, false);
  const bytes = elementBytes(tensor, files);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const at = (offset: number): bigint =>
    bits === 64 ? view.getBigInt64(offset, true) : BigInt(view.getInt32(offset, true));
  let [least, most] = [at(0), at(0)];
  for (let offset = 0; offset < bytes.length; offset += bits / 8) {
    const element = at(offset);
    if (element < least) least = element;
    if (element > most) most = element;
  }
  return { type: code, least, most, chosen: false };
}

export function ofConstant(constant: Constant, files: ExternalFiles): Elements {
  if (!isSparse(constant)) return ofTensor(constant, files);
  const values = ofTensor(constant.values, files);
  return hull([values, { ...values, least: 0n, most: 0n }]);
}
