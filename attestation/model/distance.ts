import { equalBytes } from '../encoding/bytes.js';
import { streamElements } from './elements.js';
import type { ExternalFiles } from './external.js';
import { numberReader } from './number.js';
import type { TensorView } from './tensor.js';

/** How far two tensors of one type and shape are apart. */
export interface TensorDistance {
  readonly elements: number;
  /** Elements whose bits differ. */
  readonly changed: number;
  /** Largest absolute difference; null where the elements are no plain numbers. */
  readonly maxAbsolute: number | null;
  readonly meanAbsolute: number | null;
  /** Largest difference relative to the first tensor's element. */
  readonly maxRelative: number | null;
}

/** The canonical bytes of a tensor: a view where they lie in one piece, else a copy. */
export function elementBytes(tensor: TensorView, files: ExternalFiles): Uint8Array {
  const parts: Uint8Array[] = [];
  const copied = tensor.payload.kind === 'typed';
  streamElements(tensor, files, (bytes) => parts.push(copied ? new Uint8Array(bytes) : bytes));
  const [first] = parts;
  if (first !== undefined && parts.length === 1) return first;
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

function differs(a: Uint8Array, b: Uint8Array, from: number, width: number): boolean {
  for (let i = from; i < from + width; i++) if (a[i] !== b[i]) return true;
  return false;
}

/** Compares two tensors of one type and shape; null if their type or shape differs. */
export function tensorDistance(
  a: TensorView,
  b: TensorView,
  filesOfA: ExternalFiles,
  filesOfB: ExternalFiles,
): TensorDistance | null {
  const alike =
    a.type === b.type && a.dims.length === b.dims.length && a.dims.every((d, i) => d === b.dims[i]);
  if (!alike) return null;
  const [left, right] = [elementBytes(a, filesOfA), elementBytes(b, filesOfB)];
  const read = numberReader(a.type);
  const { elements } = a;
  const none = { maxAbsolute: null, meanAbsolute: null, maxRelative: null };
  if (read === null) {
    return { elements, changed: equalBytes(left, right) ? 0 : elements, ...none };
  }
  const width = a.type.bits / 8;
  const [x, y] = [left, right].map((s) => new DataView(s.buffer, s.byteOffset, s.length));
  if (x === undefined || y === undefined) return null;
  let [changed, maxAbsolute, sum, maxRelative] = [0, 0, 0, 0];
  for (let at = 0; at < left.length; at += width) {
    if (!differs(left, right, at, width)) continue;
    changed += 1;
    const [before, after] = [read(x, at), read(y, at)];
    const apart = Math.abs(after - before);
    sum += apart;
    maxAbsolute = apart > maxAbsolute || Number.isNaN(apart) ? apart : maxAbsolute;
    const relative = before === 0 ? Number.POSITIVE_INFINITY : apart / Math.abs(before);
    maxRelative = relative > maxRelative ? relative : maxRelative;
  }
  return { elements, changed, maxAbsolute, meanAbsolute: sum / elements, maxRelative };
}
