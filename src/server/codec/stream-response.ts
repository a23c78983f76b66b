import { encodeInferResponse, type WireResponse } from './infer-response.js';

/** A length-delimited field with a number below 16. */
function field(number: number, bytes: Buffer): Buffer {
  const head = [number * 8 + 2];
  let rest = bytes.length;
  for (; rest >= 128; rest = Math.floor(rest / 128)) head.push((rest % 128) + 128);
  head.push(rest);
  return Buffer.concat([Buffer.from(head), bytes]);
}

/** `ModelStreamInferResponse` with an answer. */
export function encodeStreamAnswer(response: WireResponse): Buffer {
  return field(2, encodeInferResponse(response));
}

/** `ModelStreamInferResponse` with a failure; the id tells which request of the stream it was. */
export function encodeStreamError(message: string, id: string): Buffer {
  const answer = encodeInferResponse({
    modelName: '',
    modelVersion: '',
    id,
    parameters: [],
    outputs: [],
  });
  return Buffer.concat([field(1, Buffer.from(message)), field(2, answer)]);
}
