import type { Tensor } from '../../engine/tensor.js';
import { PREFIX } from './prefix.js';

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size += 1;
  return size;
}

/** Bytes of a length-delimited field with a field number below 16. */
const fieldSize = (length: number): number => 1 + varintSize(length) + length;

/** Proto3 leaves out empty strings. */
const textSize = (length: number): number => (length === 0 ? 0 : fieldSize(length));

/** More texts than the models of a server have names. */
const MAX_KNOWN = 4096;
const known = new Map<string, Buffer>();

/** UTF-8 of a text that responses repeat: names of models, versions and outputs, and datatypes. */
function repeated(text: string): Buffer {
  const bytes = known.get(text);
  if (bytes !== undefined) return bytes;
  if (known.size >= MAX_KNOWN) known.clear();
  const encoded = Buffer.from(text);
  known.set(text, encoded);
  return encoded;
}

class Writer {
  readonly bytes: Buffer;
  #offset: number;
  /** Offset behind what is in `#pieces` already. */
  #cut = 0;
  readonly #pieces: Uint8Array[] = [];

  /** @param room bytes to leave before what is written. */
  constructor(bytes: Buffer, room: number) {
    this.bytes = bytes;
    this.#offset = room;
  }

  /** Bytes written, and the room before them. */
  get offset(): number {
    return this.#offset;
  }

  /** All that was written, in pieces: what was `placed` where it lies. */
  finish(): Uint8Array[] {
    if (this.#pieces.length === 0) return [this.bytes];
    this.#end();
    return this.#pieces;
  }

  #end(): void {
    if (this.#offset === this.#cut) return;
    this.#pieces.push(this.bytes.subarray(this.#cut, this.#offset));
    this.#cut = this.#offset;
  }

  /** A field's data as a piece of its own. */
  placed(field: number, data: Uint8Array): void {
    this.head(field, data.length);
    this.#end();
    this.#pieces.push(data);
  }

  varint(value: number): void {
    let rest = value;
    while (rest >= 128) {
      this.bytes[this.#offset++] = (rest % 128) + 128;
      rest = Math.floor(rest / 128);
    }
    this.bytes[this.#offset++] = rest;
  }

  /** Tag and length of a length-delimited field. */
  head(field: number, length: number): void {
    this.varint(field * 8 + 2);
    this.varint(length);
  }

  text(field: number, bytes: Uint8Array): void {
    if (bytes.length > 0) this.data(field, bytes);
  }

  ascii(field: number, text: string): void {
    if (text.length === 0) return;
    this.head(field, text.length);
    this.#offset += this.bytes.write(text, this.#offset, 'latin1');
  }

  data(field: number, data: Uint8Array): void {
    this.head(field, data.length);
    this.raw(data);
  }

  /** Fields that are encoded already. */
  raw(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.#offset);
    this.#offset += bytes.length;
  }
}

function shapeSize(shape: readonly number[]): number {
  let size = 0;
  for (const dimension of shape) size += varintSize(dimension);
  return size;
}

const entrySize = (name: string, value: string): number =>
  textSize(name.length) + fieldSize(textSize(value.length));

const outputSize = (name: Buffer, datatype: Buffer, dimensions: number): number =>
  textSize(name.length) + textSize(datatype.length) + textSize(dimensions);

/** What `encodeHead` made, and parameters of type string to follow it; names and values are ASCII. */
export interface ParameterizedHead {
  readonly head: Uint8Array;
  readonly parameters: readonly (readonly [name: string, value: string])[];
}

/** Heads with their parameters, one after another in memory of their own, and where each ends. */
export function encodeParameterized(heads: readonly ParameterizedHead[]): {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly ends: readonly number[];
} {
  let total = 0;
  for (const { head, parameters } of heads) {
    total += head.length;
    for (const [name, value] of parameters) total += fieldSize(entrySize(name, value));
  }
  const bytes = Buffer.allocUnsafeSlow(total);
  const writer = new Writer(bytes, 0);
  const ends = heads.map(({ head, parameters }) => {
    writer.raw(head);
    for (const [name, value] of parameters) {
      writer.head(4, entrySize(name, value));
      writer.ascii(1, name);
      writer.head(2, textSize(value.length));
      writer.ascii(3, value);
    }
    return writer.offset;
  });
  return { bytes, ends };
}

/** Outputs that are shorter together are copied: that costs less than a piece for each. */
const LONG = 16 * 1024;

const isLong = (outputs: readonly Tensor[]): boolean => {
  let total = 0;
  for (const { data } of outputs) total += data.length;
  return total >= LONG;
};

/** Data stays where it is, unless it is a smaller part of memory that it would keep alive. */
function staysInPlace(data: Uint8Array): boolean {
  return data.length >= LONG && 2 * data.length >= data.buffer.byteLength;
}

/**
 * A `ModelInferResponse` but for its id, its parameters, which `encodeParameterized` has, and
 * what `encodeRest` has: the model's names and the outputs, with their contents where these are short.
 * @returns behind `PREFIX` bytes of room, so that it need not be copied behind a prefix.
 */
export function encodeHead(
  { name, version }: { readonly name: string; readonly version: string },
  outputs: readonly Tensor[],
): Buffer {
  const modelName = repeated(name);
  const modelVersion = repeated(version);
  const heads = outputs.map((output) => ({
    name: repeated(output.name),
    datatype: repeated(output.datatype),
    dimensions: shapeSize(output.shape),
  }));
  const contents = isLong(outputs) ? [] : outputs;
  let total = textSize(modelName.length) + textSize(modelVersion.length);
  for (const head of heads) {
    total += fieldSize(outputSize(head.name, head.datatype, head.dimensions));
  }
  for (const { data } of contents) total += fieldSize(data.length);
  const writer = new Writer(Buffer.allocUnsafe(PREFIX + total), PREFIX);
  writer.text(1, modelName);
  writer.text(2, modelVersion);
  heads.forEach((head, index) => {
    writer.head(5, outputSize(head.name, head.datatype, head.dimensions));
    writer.text(1, head.name);
    writer.text(2, head.datatype);
    if (head.dimensions === 0) return;
    writer.head(3, head.dimensions);
    for (const dimension of outputs[index]?.shape ?? []) writer.varint(dimension);
  });
  for (const { data } of contents) writer.data(6, data);
  return writer.bytes;
}

/** What of a `ModelInferResponse` follows its head: the request's id, and outputs that are long, not copied. */
export function encodeRest(id: string, outputs: readonly Tensor[]): Uint8Array[] {
  const contents = isLong(outputs) ? outputs : [];
  if (id === '' && contents.length === 0) return [];
  const text = Buffer.from(id);
  let total = textSize(text.length);
  for (const { data } of contents) {
    total += fieldSize(data.length) - (staysInPlace(data) ? data.length : 0);
  }
  const writer = new Writer(Buffer.allocUnsafe(total), 0);
  writer.text(3, text);
  for (const { data } of contents) {
    if (staysInPlace(data)) writer.placed(6, data);
    else writer.data(6, data);
  }
  return writer.finish();
}
