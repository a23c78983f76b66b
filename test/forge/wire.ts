/** One encoded protobuf field: its number, and its bytes with the tag. */
export interface Field {
  readonly number: number;
  readonly bytes: Uint8Array;
}

/** The liberties that protobuf gives an encoder; none of them changes what a message means. */
export interface WireStyle {
  /** Reorders the fields of every message; must keep the order among fields of one number. */
  readonly order?: (fields: readonly Field[]) => readonly Field[];
  /** Whether repeated numbers are packed (default true). */
  readonly packed?: boolean;
}

const text = new TextEncoder();

/** Base-128 varint of an unsigned 64-bit value; negatives are taken modulo 2^64 as int64 is. */
export function varint(value: number | bigint): Uint8Array {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest === 0n ? low : low | 0x80);
  } while (rest !== 0n);
  return Uint8Array.from(bytes);
}

function tag(number: number, wireType: number): Uint8Array {
  return varint(number * 8 + wireType);
}

function fixed(width: 4 | 8, value: number): Uint8Array {
  const bytes = new Uint8Array(width);
  const view = new DataView(bytes.buffer);
  if (width === 4) view.setFloat32(0, value, true);
  else view.setFloat64(0, value, true);
  return bytes;
}

/** An int32, int64, uint64 or enum field. */
export function int(number: number, value: number | bigint): Field {
  return { number, bytes: Buffer.concat([tag(number, 0), varint(value)]) };
}

/** A float field. */
export function float(number: number, value: number): Field {
  return { number, bytes: Buffer.concat([tag(number, 5), fixed(4, value)]) };
}

/** A bytes, string or sub-message field. */
export function bytes(number: number, value: Uint8Array | string): Field {
  const content = typeof value === 'string' ? text.encode(value) : value;
  return { number, bytes: Buffer.concat([tag(number, 2), varint(content.length), content]) };
}

/** A repeated number, packed or not. Floats are float32, doubles float64. */
export function repeated(
  number: number,
  kind: 'int' | 'float' | 'double',
  values: readonly (number | bigint)[],
  style: WireStyle,
): Field[] {
  const one = (value: number | bigint): Uint8Array =>
    kind === 'int' ? varint(value) : fixed(kind === 'float' ? 4 : 8, Number(value));
  if (style.packed !== false) {
    return values.length === 0 ? [] : [bytes(number, Buffer.concat(values.map(one)))];
  }
  const wireType = kind === 'int' ? 0 : kind === 'float' ? 5 : 1;
  return values.map((value) => ({
    number,
    bytes: Buffer.concat([tag(number, wireType), one(value)]),
  }));
}

/** The message with these fields, in the order that the style makes of them. */
export function message(fields: readonly Field[], style: WireStyle = {}): Uint8Array<ArrayBuffer> {
  const ordered = style.order === undefined ? fields : style.order(fields);
  return new Uint8Array(Buffer.concat(ordered.map((field) => field.bytes)));
}
