import { toBase64 } from '../../attestation/encoding/bytes.js';
import type { Element } from '../client/datatype.js';
import { elementsOf, type Tensor } from '../client/tensor.js';
import type { Json } from './io.js';

const SHOWN = 16;

/** JSON has no 64-bit integers, no infinities and no bytes: digits, words and base64 stand for them. */
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
  return typeof element === 'number' && !Number.isFinite(element) ? String(element) : element;
}

/** A tensor with all its elements, in the form that `--input NAME=FILE.json` reads back. */
export function tensorToJson(tensor: Tensor): Json {
  const { name, datatype, shape } = tensor;
  return { name, datatype, shape: [...shape], data: elementsOf(tensor).map(toJson) };
}

/** The first elements of a tensor, for people. */
export function tensorToText(tensor: Tensor): string {
  const elements = elementsOf(tensor);
  const shown = elements.slice(0, SHOWN).map((element) => JSON.stringify(toJson(element)));
  const rest = elements.length > SHOWN ? `, … ${elements.length - SHOWN} more` : '';
  return `${shown.join(', ')}${rest}`;
}
