import type { LoadedModel } from '../engine/engine.js';
import { assertStrings } from '../engine/framing.js';
import { joined, totalLength } from '../engine/pieces.js';
import {
  type Datatype,
  ELEMENT_BYTES,
  elementCount,
  formatShape,
  type InputTensor,
  isDatatype,
  isEmptiedBySender,
  type TensorSpec,
} from '../engine/tensor.js';
import type { ParameterValue, WireInput, WireRequest } from './codec/infer-request.js';
import { rawOf } from './codec/typed-contents.js';
import { invalid } from './rpc-error.js';

/**
 * base64url of a nonce's 32 bytes. Buffer's decoder skips
 * what is none of its alphabet, and stray bits at the end.
 */
const NONCE_CHARACTERS = 43;
const NONCE = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;

/** What onnxruntime-node takes, also where another dimension is 0. */
const MAX_DIMENSION = 2n ** 32n - 1n;

function list(names: readonly string[]): string {
  return names.join(', ') || 'none';
}

function shapeOf(input: WireInput, spec: TensorSpec): number[] {
  const shape = input.shape.map((dimension) => {
    if (dimension < 0n || dimension > MAX_DIMENSION) {
      throw invalid(
        `input ${spec.name}: expected dimensions from 0 to ${MAX_DIMENSION}, not ${dimension}`,
      );
    }
    return Number(dimension);
  });
  const fits =
    spec.shape === undefined ||
    (spec.shape.length === shape.length &&
      spec.shape.every((want, i) => typeof want === 'string' || want === shape[i]));
  if (!fits) {
    throw invalid(
      `input ${spec.name}: expected shape ${formatShape(spec.shape)}, not ${formatShape(shape)}`,
    );
  }
  return shape;
}

/** Checks what the length and the type say of the contents. */
function checkData(
  name: string,
  datatype: Datatype,
  shape: readonly number[],
  pieces: readonly Uint8Array[],
): void {
  const size = ELEMENT_BYTES[datatype];
  const count = elementCount(shape);
  if (size === undefined) {
    assertStrings(joined(pieces), count);
    return;
  }
  const length = totalLength(pieces);
  if (length !== count * size) {
    const what = `${datatype} ${formatShape(shape)}`;
    throw invalid(`input ${name}: expected ${count * size} bytes for ${what}, not ${length}`);
  }
  if (datatype === 'BOOL' && pieces.some((piece) => piece.some((value) => value > 1))) {
    throw invalid(`input ${name}: expected every BOOL to be 0 or 1`);
  }
}

function refuseSharedMemory(name: string, parameters: readonly string[]): void {
  const unsupported = parameters.find(
    (parameter) => parameter.startsWith('shared_memory_') || parameter === 'classification',
  );
  if (unsupported !== undefined) {
    throw invalid(`tensor ${name}: the parameter ${unsupported} is not supported`);
  }
}

/** Refuses a size of 0 that the caller chose, where the model's configuration does not allow it. */
function refuseEmpty({ name, shape: signature }: TensorSpec, shape: readonly number[]): void {
  if (!isEmptiedBySender(signature, shape)) return;
  throw invalid(
    `input ${name}: expected elements, shape ${formatShape(shape)} has none; the model is not configured with allowEmptyTensors`,
  );
}

/** Of a shape with a 0 too, ONNX Runtime multiplies the sizes, as integers of 64 bits. */
function refuseOverflow(name: string, shape: readonly number[]): void {
  if (!shape.includes(0)) return;
  const product = shape.reduce((others, size) => (size === 0 ? others : others * size), 1);
  if (product <= Number.MAX_SAFE_INTEGER) return;
  throw invalid(
    `input ${name}: expected the sizes beside 0 to be at most ${Number.MAX_SAFE_INTEGER}, multiplied, not ${formatShape(shape)}`,
  );
}

function toTensor(
  input: WireInput,
  spec: TensorSpec,
  raw: readonly Uint8Array[] | undefined,
  acceptsEmpty: boolean,
): InputTensor {
  const { name } = spec;
  refuseSharedMemory(name, input.parameters);
  if (!isDatatype(input.datatype) || input.datatype !== spec.datatype) {
    throw invalid(
      `input ${name}: expected datatype ${spec.datatype}, not ${input.datatype || '(empty)'}`,
    );
  }
  const shape = shapeOf(input, spec);
  if (!acceptsEmpty) refuseEmpty(spec, shape);
  refuseOverflow(name, shape);
  const { datatype } = spec;
  const data =
    raw ?? rawOf({ name, datatype, shape }, input.contents ?? { field: undefined, chunks: [] });
  checkData(name, datatype, shape, data);
  return { name, datatype, shape, data };
}

/** What of a request concerns its inputs. */
type InputsOfRequest = Pick<WireRequest, 'inputs' | 'raw'>;

/** Each input of the model once, in any order. */
function assertInputs({ inputs }: InputsOfRequest, model: LoadedModel): void {
  const names = inputs.map(({ name }) => name);
  if (new Set(names).size !== names.length) {
    throw invalid(`expected each input once, not ${list(names)}`);
  }
  const known = model.inputs.map(({ name }) => name);
  const missing = known.filter((name) => !names.includes(name));
  const unknown = names.filter((name) => !known.includes(name));
  if (missing.length > 0 || unknown.length > 0) {
    throw invalid(
      `model ${model.name} expects the inputs ${list(known)}; ` +
        `missing: ${list(missing)}, unknown: ${list(unknown)}`,
    );
  }
}

/**
 * The request's inputs in the order of the model's signature, each checked against it: ONNX Runtime
 * itself ignores unknown feeds. Tensors stay views of the message. Throws RpcError or AssayError
 * TENSOR_….
 */
export function validateInputs(request: InputsOfRequest, model: LoadedModel): InputTensor[] {
  const { inputs, raw } = request;
  const inOrder =
    inputs.length === model.inputs.length &&
    model.inputs.every(({ name }, index) => name === inputs[index]?.name);
  if (!inOrder) assertInputs(request, model);
  if (raw.length > 0 && inputs.some(({ contents }) => (contents?.chunks.length ?? 0) > 0)) {
    throw invalid('expected either raw_input_contents or contents, not both');
  }
  if (raw.length > 0 && raw.length !== inputs.length) {
    throw invalid(
      `expected one raw_input_contents for each of ${inputs.length} inputs, not ${raw.length}`,
    );
  }
  return model.inputs.map((spec, position) => {
    const index = inOrder ? position : inputs.findIndex(({ name }) => name === spec.name);
    const input = inputs[index];
    if (input === undefined) throw invalid(`input ${spec.name} is missing`);
    return toTensor(input, spec, raw[index], model.acceptsEmpty);
  });
}

/** The outputs to return, in the order of the signature; all where the request names none. */
export function validateOutputs(request: WireRequest, model: LoadedModel): string[] {
  const known = model.outputs.map(({ name }) => name);
  if (request.outputs.length === 0) return known;
  const names = request.outputs.map(({ name }) => name);
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0 || new Set(names).size !== names.length) {
    throw invalid(
      `model ${model.name} has the outputs ${list(known)}; expected some of them, each once, ` +
        `not ${list(names)}`,
    );
  }
  for (const { name, parameters } of request.outputs) refuseSharedMemory(name, parameters);
  return known.filter((name) => names.includes(name));
}

/** The request parameters that Assay reads; others are ignored, as Triton does. */
export interface RequestParameters {
  readonly nonce: Uint8Array | undefined;
  readonly priority: number;
  /** Microseconds; 0 for none. */
  readonly timeout: number;
}

/** What is larger than a safe integer counts as the largest: callers say so that there is no limit. */
function unsigned(name: string, value: ParameterValue | undefined): number {
  if (value === undefined) return 0;
  const number =
    typeof value === 'bigint' || typeof value === 'number'
      ? Math.min(Number(value), Number.MAX_SAFE_INTEGER)
      : -1;
  if (!Number.isSafeInteger(number) || number < 0) {
    throw invalid(`parameter ${name}: expected an integer that is not negative`);
  }
  return number;
}

/**
 * Triton's sequence extension: checked, then not used, as Triton does with models that it was not told to
 * batch by sequence. No model of Assay keeps anything from one request to the next.
 */
function checkSequence(parameters: WireRequest['parameters']): void {
  const id = parameters.get('sequence_id');
  if (id !== undefined && typeof id !== 'bigint' && typeof id !== 'string') {
    throw invalid('parameter sequence_id: expected an integer or a string');
  }
  for (const name of ['sequence_start', 'sequence_end']) {
    const flag = parameters.get(name);
    if (flag !== undefined && typeof flag !== 'boolean') {
      throw invalid(`parameter ${name}: expected a boolean`);
    }
  }
}

export function validateParameters({ parameters }: WireRequest): RequestParameters {
  const nonce = parameters.get('nonce');
  checkSequence(parameters);
  return {
    nonce: nonce === undefined ? undefined : decodeNonce(nonce),
    priority: unsigned('priority', parameters.get('priority')),
    timeout: unsigned('timeout', parameters.get('timeout')),
  };
}

function decodeNonce(value: ParameterValue): Uint8Array {
  if (typeof value !== 'string') throw invalid('parameter nonce: expected a string');
  if (value.length !== NONCE_CHARACTERS) {
    throw invalid(
      `parameter nonce: expected 32 bytes, ${NONCE_CHARACTERS} characters, not ${value.length}`,
    );
  }
  if (!NONCE.test(value)) {
    throw invalid('parameter nonce: expected base64url without padding');
  }
  return Buffer.from(value, 'base64url');
}
