import { toHex } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import {
  type NumericDistance,
  stringsDistance,
  type TensorDistance,
  tensorDistance,
} from '../../attestation/model/distance.js';
import { layoutOf, type Numeric } from '../../attestation/model/number.js';
import { elementTypeOf, fixedType } from './datatype.js';
import { assertTensor, elementsOf, type Tensor, unpackBytes } from './tensor.js';

/** The first element whose bits differ. */
export interface FirstDifference {
  /** Position in row-major order. */
  readonly index: number;
  readonly reference: string;
  readonly actual: string;
}

/** How far an output is from its reference. */
export interface OutputDistance {
  readonly name: string;
  readonly elements: number;
  /** Elements whose bits differ; 0 means identical bits. */
  readonly differing: number;
  readonly first: FirstDifference | null;
  /** Null where the datatype has no distance (BOOL, BYTES). */
  readonly numeric: NumericDistance | null;
}

/** The elements of a tensor as numbers; empty for BYTES. */
export function numbersOf(tensor: Tensor): readonly Numeric[] {
  if (tensor.datatype === 'BYTES') return [];
  return elementsOf(tensor).map((element) =>
    typeof element === 'bigint' ? element : Number(element),
  );
}

function hex(bytes: Uint8Array): string {
  return `0x${toHex(bytes.slice().reverse())}`;
}

/** Text that is no UTF-8 is told by its bytes. */
function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return `bytes ${toHex(bytes)}`;
  }
}

/** Elements of other bits that read alike, as NaNs do, are told with their bits. */
function firstDifference(reference: Tensor, actual: Tensor, index: number): FirstDifference {
  const type = fixedType(reference.datatype);
  const bits = ({ data }: Tensor): Uint8Array =>
    type === undefined
      ? (unpackBytes(data, 'output')[index] ?? new Uint8Array())
      : data.subarray(index * type.size, (index + 1) * type.size);
  const [left, right] = [bits(reference), bits(actual)];
  const shown = (bytes: Uint8Array): string => {
    if (type === undefined) return textOf(bytes);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const element = type.read(view, 0);
    return Object.is(element, -0) ? '-0' : String(element);
  };
  const [a, b] = [shown(left), shown(right)];
  return a === b
    ? { index, reference: `${a} (${hex(left)})`, actual: `${b} (${hex(right)})` }
    : { index, reference: a, actual: b };
}

function bareDistance(reference: Tensor, actual: Tensor): TensorDistance {
  const type = fixedType(reference.datatype);
  const layout = type && layoutOf({ name: elementTypeOf(reference.datatype), bits: type.size * 8 });
  if (type === undefined || !layout) {
    const strings = ({ data, name }: Tensor) => unpackBytes(data, name);
    return stringsDistance(strings(reference), strings(actual));
  }
  return tensorDistance(layout, reference.data.length / type.size, reference.data, actual.data);
}

/**
 * Compares an output with its reference. Throws TENSOR_SHAPE if they are not of one name, datatype and
 * shape: then there is no distance.
 */
export function outputDistance(reference: Tensor, actual: Tensor): OutputDistance {
  const form = ({ name, datatype, shape }: Tensor): string => `${name} ${datatype} [${shape}]`;
  if (form(reference) !== form(actual)) {
    throw new AssayError('TENSOR_SHAPE', `expected ${form(reference)}, not ${form(actual)}`);
  }
  for (const tensor of [reference, actual]) assertTensor(tensor);
  const { first, ...distance } = bareDistance(reference, actual);
  return {
    name: reference.name,
    ...distance,
    first: first === null ? null : firstDifference(reference, actual, first),
  };
}
