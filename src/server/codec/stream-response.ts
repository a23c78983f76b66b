import { fieldHead } from './field-head.js';
import { encodeRest } from './infer-response.js';
import { PREFIX } from './prefix.js';

/** A length-delimited field with a number below 16. */
function field(number: number, bytes: Buffer): Buffer {
  return Buffer.concat([fieldHead(number, bytes.length), bytes]);
}

/** The boolean `true` as an InferParameter under a name: an entry of ModelInferResponse's parameters. */
const trueParameter = (name: string): Buffer =>
  field(4, Buffer.concat([field(1, Buffer.from(name)), field(2, Buffer.of(8, 1))]));

/** Triton says it of the last response to a request, and clients of streams wait for it: each is here. */
const FINAL = trueParameter('triton_final_response');

/**
 * `ModelStreamInferResponse` with an answer.
 * @param response behind `PREFIX` bytes of room.
 */
export function encodeStreamAnswer(response: readonly Uint8Array[]): Buffer {
  return field(2, Buffer.concat([...response, FINAL]).subarray(PREFIX));
}

/** `ModelStreamInferResponse` with a failure; the id tells which request of the stream it was. */
export function encodeStreamError(message: string, id: string): Buffer {
  const answer = field(2, Buffer.concat([...encodeRest(id, []), FINAL]));
  return Buffer.concat([field(1, Buffer.from(message)), answer]);
}
