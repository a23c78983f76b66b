import type { Tensor } from '../../engine/tensor.js';

/** `ModelInferResponse` as Assay sends it: outputs raw, parameters of type string. */
export interface WireResponse {
  readonly modelName: string;
  readonly modelVersion: string;
  readonly id: string;
  /** `encodeParameters`; empty for none. */
  readonly parameters: Uint8Array;
  readonly outputs: readonly Tensor[];
}

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
  constructor(size: number, room: number) {
    this.bytes = Buffer.allocUnsafe(room + size);
    this.#offset = room;
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

/** Parameters of type string as the response carries them; names and values are ASCII. */
export function encodeParameters(
  parameters: readonly (readonly [name: string, value: string])[],
): Buffer {
  let total = 0;
  for (const [name, value] of parameters) total += fieldSize(entrySize(name, value));
  const writer = new Writer(total, 0);
  for (const [name, value] of parameters) {
    writer.head(4, entrySize(name, value));
    writer.ascii(1, name);
    writer.head(2, textSize(value.length));
    writer.ascii(3, value);
  }
  return writer.bytes;
}

/** Shorter data is copied: that costs less than a piece of its own. */
const LONG = 16 * 1024;

/** Data stays where it is, unless it is a smaller part of memory that it would keep alive. */
function staysInPlace(data: Uint8Array): boolean {
  return data.length >= LONG && 2 * data.length >= data.buffer.byteLength;
}

/**
 * Encodes a response; long outputs are pieces of it, not copied.
 * @param room bytes to leave before it, for a prefix: it need not be copied behind one.
 */
export function encodeInferResponse(response: WireResponse, room = 0): Uint8Array[] {
  const { parameters, outputs } = response;
  const modelName = repeated(response.modelName);
  const modelVersion = repeated(response.modelVersion);
  const id = Buffer.from(response.id);
  const heads = outputs.map(({ name, datatype, shape }) => ({
    name: repeated(name),
    datatype: repeated(datatype),
    dimensions: shapeSize(shape),
  }));
  let total = textSize(modelName.length) + textSize(modelVersion.length) + textSize(id.length);
  total += parameters.length;
  for (const { name, datatype, dimensions } of heads) {
    total += fieldSize(outputSize(name, datatype, dimensions));
  }
  for (const { data } of outputs) {
    total += fieldSize(data.length) - (staysInPlace(data) ? data.length : 0);
  }
  const writer = new Writer(total, room);
  writer.text(1, modelName);
  writer.text(2, modelVersion);
  writer.text(3, id);
  writer.raw(parameters);
  heads.forEach(({ name, datatype, dimensions }, index) => {
    writer.head(5, outputSize(name, datatype, dimensions));
    writer.text(1, name);
    writer.text(2, datatype);
    if (dimensions === 0) return;
    writer.head(3, dimensions);
    for (const dimension of outputs[index]?.shape ?? []) writer.varint(dimension);
  });
  for (const { data } of outputs) {
    if (staysInPlace(data)) writer.placed(6, data);
    else writer.data(6, data);
  }
  return writer.finish();
}
