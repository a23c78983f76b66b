import { frame } from '../../engine/framing.js';
import { totalLength } from '../../engine/pieces.js';
import { PieceList } from '../piece-list.js';
import { FieldReader, malformed, WIRE } from './protobuf.js';

/** `InferParameter`. Numbers of 64 bits are bigint. */
export type ParameterValue = boolean | bigint | string | number;

/**
 * The repeated field of `InferTensorContents` that was used, as the bytes of its packed form: for
 * FP32 and FP64 exactly the tensor's raw bytes, so that typed contents cost what raw ones do. Those of
 * BYTES are its raw bytes too, each element behind its length. The last element is whole.
 */
export interface TypedContents {
  /** Field number in InferTensorContents; undefined where no field had a value. */
  readonly field: number | undefined;
  readonly chunks: readonly Buffer[];
}

export interface WireInput {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly bigint[];
  readonly contents: TypedContents | undefined;
  /** Names of the tensor's parameters. */
  readonly parameters: readonly string[];
}

interface WireOutput {
  readonly name: string;
  readonly parameters: readonly string[];
}

/** `ModelInferRequest`, decoded without copying tensors. */
export interface WireRequest {
  readonly modelName: string;
  readonly modelVersion: string;
  readonly id: string;
  readonly parameters: ReadonlyMap<string, ParameterValue>;
  readonly inputs: readonly WireInput[];
  readonly outputs: readonly WireOutput[];
  /** Each in the pieces that it came in. */
  readonly raw: readonly (readonly Uint8Array[])[];
  /** Bytes of the message. */
  readonly size: number;
}

/** Inputs, outputs or raw contents of a request. */
const MOST_TENSORS = 4096;

function append<T>(to: T[], what: string, item: T): void {
  if (to.length >= MOST_TENSORS) throw malformed(`it has more than ${MOST_TENSORS} ${what}`);
  to.push(item);
}

/** How the elements of each field of InferTensorContents are encoded. */
const CONTENTS_WIRE: ReadonlyMap<number, number> = new Map([
  [1, WIRE.varint],
  [2, WIRE.varint],
  [3, WIRE.varint],
  [4, WIRE.varint],
  [5, WIRE.varint],
  [6, WIRE.fixed32],
  [7, WIRE.fixed64],
  [8, WIRE.bytes],
]);

/** Merges a message into the value of those before it: one that says nothing leaves it. */
function decodeParameter(
  reader: FieldReader,
  before: ParameterValue | undefined,
): ParameterValue | undefined {
  let value = before;
  while (reader.next()) {
    if (reader.field === 1 && reader.wire === WIRE.varint) value = reader.varint64() !== 0n;
    else if (reader.field === 2 && reader.wire === WIRE.varint)
      value = BigInt.asIntN(64, reader.varint64());
    else if (reader.field === 3) value = reader.text();
    else if (reader.field === 4 && reader.wire === WIRE.fixed64) value = reader.double();
    else if (reader.field === 5 && reader.wire === WIRE.varint) value = reader.varint64();
    else reader.skip();
  }
  return value;
}

function decodeEntry(reader: FieldReader, into: Map<string, ParameterValue>): void {
  let key = '';
  let value: ParameterValue | undefined;
  while (reader.next()) {
    if (reader.field === 1) key = reader.text();
    else if (reader.field === 2) value = decodeParameter(reader.message(), value);
    else reader.skip();
  }
  if (value !== undefined) into.set(key, value);
}

/** What the messages of one tensor's contents hold together: protobuf merges them as they come. */
class MergedContents implements TypedContents {
  field: number | undefined;
  readonly #chunks = new PieceList();

  get chunks(): readonly Buffer[] {
    return this.#chunks.pieces;
  }

  merge(reader: FieldReader): void {
    while (reader.next()) {
      const wire = CONTENTS_WIRE.get(reader.field);
      if (wire === undefined) {
        reader.skip();
        continue;
      }
      const found =
        wire === WIRE.bytes ? [Buffer.from(frame([reader.bytes()]).buffer)] : reader.packed(wire);
      if (found.every(({ length }) => length === 0)) continue;
      if (this.field !== undefined && this.field !== reader.field) {
        throw malformed('a tensor has contents of two types');
      }
      this.field = reader.field;
      for (const chunk of found) this.#chunks.push(chunk);
    }
  }
}

/** Packed or not. */
function decodeShape(reader: FieldReader, into: bigint[]): void {
  if (reader.wire === WIRE.varint) {
    into.push(BigInt.asIntN(64, reader.varint64()));
    return;
  }
  const dimensions = reader.message();
  while (!dimensions.atEnd) {
    dimensions.countField();
    into.push(BigInt.asIntN(64, dimensions.varint64()));
  }
}

/** Most tensors have none, and no Map of them. */
function namesIn(parameters: ReadonlyMap<string, unknown> | undefined): readonly string[] {
  return [...(parameters?.keys() ?? [])];
}

function decodeInput(reader: FieldReader): WireInput {
  let name = '';
  let datatype = '';
  const shape: bigint[] = [];
  let parameters: Map<string, ParameterValue> | undefined;
  let contents: MergedContents | undefined;
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        name = reader.text();
        break;
      case 2:
        datatype = reader.text();
        break;
      case 3:
        decodeShape(reader, shape);
        break;
      case 4:
        parameters ??= new Map();
        decodeEntry(reader.message(), parameters);
        break;
      case 5:
        contents ??= new MergedContents();
        contents.merge(reader.message());
        break;
      default:
        reader.skip();
    }
  }
  return { name, datatype, shape, contents, parameters: namesIn(parameters) };
}

/**
 * Callers describe the same inputs again and again: most
 * such descriptions that are kept, and most bytes of each.
 */
const MOST_KNOWN = 1024;
const MOST_DESCRIBED = 256;
const known = new Map<string, WireInput>();

/** As `decodeInput`. A description without contents is decoded once. */
function inputOf(reader: FieldReader): WireInput {
  const key = reader.key(MOST_DESCRIBED);
  const there = key === undefined ? undefined : known.get(key);
  if (there !== undefined) {
    reader.skip();
    return there;
  }
  const input = decodeInput(reader.message());
  if (key !== undefined && input.contents === undefined) {
    if (known.size >= MOST_KNOWN) known.clear();
    known.set(key, input);
  }
  return input;
}

function decodeOutput(reader: FieldReader): WireOutput {
  let parameters: Map<string, ParameterValue> | undefined;
  let name = '';
  while (reader.next()) {
    if (reader.field === 1) name = reader.text();
    else if (reader.field === 2) {
      parameters ??= new Map();
      decodeEntry(reader.message(), parameters);
    } else reader.skip();
  }
  return { name, parameters: namesIn(parameters) };
}

/** Decodes a `ModelInferRequest`, whole or in pieces; throws TENSOR_WIRE. Tensors are views of it. */
export function decodeInferRequest(message: Buffer | readonly Buffer[]): WireRequest {
  const pieces = Buffer.isBuffer(message) ? [message] : message;
  const reader = FieldReader.over(pieces);
  let modelName = '';
  let modelVersion = '';
  let id = '';
  const parameters = new Map<string, ParameterValue>();
  const inputs: WireInput[] = [];
  const outputs: WireOutput[] = [];
  const raw: Buffer[][] = [];
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        modelName = reader.text();
        break;
      case 2:
        modelVersion = reader.text();
        break;
      case 3:
        id = reader.text();
        break;
      case 4:
        decodeEntry(reader.message(), parameters);
        break;
      case 5:
        append(inputs, 'inputs', inputOf(reader));
        break;
      case 6:
        append(outputs, 'outputs', decodeOutput(reader.message()));
        break;
      case 7:
        append(raw, 'raw_input_contents', reader.pieces());
        break;
      default:
        reader.skip();
    }
  }
  const size = totalLength(pieces);
  return { modelName, modelVersion, id, parameters, inputs, outputs, raw, size };
}
