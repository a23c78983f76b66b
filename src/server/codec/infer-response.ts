import type { Tensor } from '../../engine/tensor.js';

/** `ModelInferResponse` as Assay sends it: outputs raw, parameters of type string. */
export interface WireResponse {
  readonly modelName: string;
  readonly modelVersion: string;
  readonly id: string;
  readonly parameters: readonly (readonly [name: string, value: string])[];
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
const textSize = (text: string): number => {
  const length = Buffer.byteLength(text);
  return length === 0 ? 0 : fieldSize(length);
};

class Writer {
  readonly bytes: Buffer;
  #offset = 0;

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafe(size);
  }

  varint(value: number): void {
    let rest = value;
    while (rest >= 128) {
      this.#offset = this.bytes.writeUInt8((rest % 128) + 128, this.#offset);
      rest = Math.floor(rest / 128);
    }
    this.#offset = this.bytes.writeUInt8(rest, this.#offset);
  }

  /** Tag and length of a length-delimited field. */
  head(field: number, length: number): void {
    this.varint(field * 8 + 2);
    this.varint(length);
  }

  text(field: number, text: string): void {
    const length = Buffer.byteLength(text);
    if (length === 0) return;
    this.head(field, length);
    this.#offset += this.bytes.write(text, this.#offset, 'utf8');
  }

  data(field: number, data: Uint8Array): void {
    this.head(field, data.length);
    this.bytes.set(data, this.#offset);
    this.#offset += data.length;
  }
}

function shapeSize(shape: readonly number[]): number {
  return shape.reduce((size, dimension) => size + varintSize(dimension), 0);
}

function outputSize({ name, datatype, shape }: Tensor): number {
  return (
    textSize(name) + textSize(datatype) + (shape.length === 0 ? 0 : fieldSize(shapeSize(shape)))
  );
}

/** Encodes a response into one allocation of exactly its size. */
export function encodeInferResponse(response: WireResponse): Buffer {
  const { modelName, modelVersion, id, parameters, outputs } = response;
  const entries = parameters.map(([name, value]) => {
    const inner = textSize(value);
    return { name, value, inner, size: textSize(name) + fieldSize(inner) };
  });
  const sizes = outputs.map(outputSize);
  let total = textSize(modelName) + textSize(modelVersion) + textSize(id);
  for (const { size } of entries) total += fieldSize(size);
  for (const size of sizes) total += fieldSize(size);
  for (const { data } of outputs) total += fieldSize(data.length);
  const writer = new Writer(total);
  writer.text(1, modelName);
  writer.text(2, modelVersion);
  writer.text(3, id);
  for (const { name, value, inner, size } of entries) {
    writer.head(4, size);
    writer.text(1, name);
    writer.head(2, inner);
    writer.text(3, value);
  }
  outputs.forEach(({ name, datatype, shape }, index) => {
    writer.head(5, sizes[index] ?? 0);
    writer.text(1, name);
    writer.text(2, datatype);
    if (shape.length > 0) {
      writer.head(3, shapeSize(shape));
      for (const dimension of shape) writer.varint(dimension);
    }
  });
  for (const { data } of outputs) writer.data(6, data);
  return writer.bytes;
}
