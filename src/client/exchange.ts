import { fromBase64Url, toBase64Url } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { decodeSalt } from '../../attestation/receipt/commitment.js';
import { datatypeOf } from './datatype.js';
import { assertTensor, type Tensor } from './tensor.js';

/** Largest message that is sent, or received in answer to an inference, bytes. */
export const MAX_MESSAGE = 256 * 1024 * 1024;

/** inference.InferParameter, as far as Assay's parameters use it. */
interface InferParameter {
  readonly string_param?: string;
  readonly int64_param?: number;
}

/** How a request waits, in Triton's words. */
export interface Queueing {
  /** 1 is the most urgent, larger is later; 0 or absent: the model's default. */
  readonly priority?: number;
  /** Triton's `timeout`: microseconds to wait in the enclave, if less than the model's; 0 or absent: that. */
  readonly queueTimeout?: number;
}

interface TensorMessage {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
}

/** inference.ModelInferRequest in the form that proto-loader takes. */
export interface InferRequest {
  readonly model_name: string;
  readonly model_version: string;
  readonly id: string;
  readonly parameters: { readonly [name: string]: InferParameter };
  readonly inputs: readonly TensorMessage[];
  readonly outputs: readonly { readonly name: string }[];
  readonly raw_input_contents: readonly Uint8Array[];
}

/** inference.ModelInferResponse in the form that proto-loader gives. */
export interface InferResponse {
  readonly model_name: string;
  readonly model_version: string;
  readonly id: string;
  readonly parameters: { readonly [name: string]: InferParameter };
  readonly outputs: readonly TensorMessage[];
  readonly raw_output_contents: readonly Uint8Array[];
}

/** What a response says that the caller did not know. */
export interface ReceivedInference {
  readonly outputs: readonly Tensor[];
  /** `encodeInferenceReceipt`. */
  readonly receipt: Uint8Array;
  readonly salt: Uint8Array;
}

/** A parameter unless it is 0, which means none; throws USAGE_OPTION. */
function counted(name: string, value = 0): { readonly [name: string]: InferParameter } {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new AssayError(
      'USAGE_OPTION',
      `expected ${name} to be an integer from 0 on, not ${value}`,
    );
  }
  return value === 0 ? {} : { [name]: { int64_param: value } };
}

/** A request with raw contents and the nonce that its receipt must carry. Throws USAGE_OPTION. */
export function inferRequest(
  model: { readonly name: string; readonly version: string },
  inputs: readonly Tensor[],
  outputs: readonly string[],
  nonce: Uint8Array,
  { priority, queueTimeout }: Queueing = {},
): InferRequest {
  return {
    model_name: model.name,
    model_version: model.version,
    id: '',
    parameters: {
      nonce: { string_param: toBase64Url(nonce) },
      ...counted('priority', priority),
      ...counted('timeout', queueTimeout),
    },
    inputs: inputs.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
    outputs: outputs.map((name) => ({ name })),
    raw_input_contents: inputs.map(({ data }) => data),
  };
}

function parameter(response: InferResponse, name: string): Uint8Array {
  const value = response.parameters[name]?.string_param;
  if (value === undefined || value === '') {
    throw new AssayError(
      'RECEIPT_MISSING',
      `the answer has no parameter ${name}: an answer without proof does not count`,
    );
  }
  try {
    return fromBase64Url(value);
  } catch (cause) {
    throw new AssayError('RECEIPT_ENCODING', `the parameter ${name} is not base64url`, cause);
  }
}

function receivedTensor(
  { name, datatype, shape }: TensorMessage,
  raw: Uint8Array = new Uint8Array(),
): Tensor {
  try {
    const made = {
      name,
      datatype: datatypeOf(datatype),
      shape: [...shape],
      data: new Uint8Array(raw),
    };
    assertTensor(made);
    return made;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'malformed';
    throw new AssayError('CLIENT_ANSWER', `the answer's output is no tensor: ${reason}`, cause);
  }
}

/**
 * Why these are not exactly the outputs that were asked
 * for, in the order of the signature; null where they are.
 */
export function unaskedOutputs(
  outputs: readonly Tensor[],
  expected: readonly string[],
): string | null {
  const names = outputs.map(({ name }) => name);
  if (names.length === expected.length && names.every((name, i) => name === expected[i]))
    return null;
  return `expected the outputs ${expected.join(', ')}, not ${names.join(', ') || 'none'}`;
}

/**
 * Reads a response, whatever outputs it has: raw, each as long as it says. Throws CLIENT_ANSWER,
 * RECEIPT_MISSING or RECEIPT_ENCODING.
 */
export function receivedInference(response: InferResponse): ReceivedInference {
  const raw = response.raw_output_contents;
  const count = response.outputs.length;
  if (raw.length !== count) {
    throw new AssayError(
      'CLIENT_ANSWER',
      `expected ${count} outputs with raw contents, not with ${raw.length} of them`,
    );
  }
  const outputs = response.outputs.map((output, i) => receivedTensor(output, raw[i]));
  return {
    outputs,
    receipt: parameter(response, 'receipt'),
    salt: decodeSalt(parameter(response, 'receipt_salt')),
  };
}
