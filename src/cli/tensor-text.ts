import { toBase64 } from '../../attestation/encoding/bytes.js';
import type { Element } from '../client/datatype.js';
import { elementCount, elementsOf, type Tensor } from '../client/tensor.js';
import { formatJson, type Json } from './io.js';
import { type Style, section } from './output.js';

const SHOWN = 16;

/** JSON has no 64-bit integers and no bytes: digits and base64 stand for them. */
function toJson(element: Exclude<Element, string>): Json {
  if (typeof element === 'bigint') {
    const near = Number(element);
    return Number.isSafeInteger(near) ? near : String(element);
  }
  if (element instanceof Uint8Array) {
    const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(element);
    const exact = Buffer.from(text, 'utf8').equals(element);
    return exact ? text : { base64: toBase64(element) };
  }
  return element;
}

/** The shortest decimal that reads back as the same FP32; a double's own digits would be noise. */
function shortest(value: number): number {
  // A zero may have a sign, which no comparison tells.
  if (value === 0) return value;
  for (let digits = 6; digits < 9; digits++) {
    const rounded = Number(value.toPrecision(digits));
    if (Math.fround(rounded) === value) return rounded;
  }
  return Number(value.toPrecision(9));
}

function shownElements(tensor: Tensor, count: number): Json[] {
  return elementsOf(tensor)
    .slice(0, count)
    .map((element) =>
      tensor.datatype === 'FP32' && typeof element === 'number' && Number.isFinite(element)
        ? shortest(element)
        : toJson(element),
    );
}

/**
 * A tensor with all its elements, in the form that `--input NAME=FILE.json` reads back: to the bit, but for
 * the payload of a NaN, which JSON does not carry.
 */
export function tensorToJson(tensor: Tensor): Json {
  const { name, datatype, shape } = tensor;
  return {
    name,
    datatype,
    shape: [...shape],
    data: shownElements(tensor, Number.POSITIVE_INFINITY),
  };
}

/** A tensor's name, datatype, shape and first elements, for people. */
export function tensorSection(style: Style, tensor: Tensor): string {
  const { name, datatype, shape } = tensor;
  const shown = shownElements(tensor, SHOWN).map((element) => formatJson(element));
  const left = elementCount(shape, name) - shown.length;
  const text = left > 0 ? `${shown.join(', ')}, … ${left} more` : shown.join(', ');
  return section(style, `${name} ${datatype} [${shape.join(', ')}]`, [[text]]);
}
