import assert from 'node:assert/strict';
import { connect } from 'node:http2';
import { after, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { MethodDefinition } from '@grpc/grpc-js';
import { AssayError } from '../../../attestation/encoding/error.js';
import type { Tensor } from '../../../src/engine/tensor.js';
import { decodeInferRequest } from '../../../src/server/codec/infer-request.js';
import { encodeHead, encodeRest } from '../../../src/server/codec/infer-response.js';
import { PREFIX } from '../../../src/server/codec/prefix.js';
import { rawOf } from '../../../src/server/codec/typed-contents.js';
import { INFERENCE_SERVICE, loadInference } from '../../../src/server/protocol.js';
import { arithmeticModel } from '../../forge/inference-models.js';
import { arithmetic, bytesOf } from '../../forge/inference-requests.js';
import { type InferAnswer, startTestServer } from '../../forge/inference-server.js';
import { framed, replyTo, send } from '../../forge/raw-grpc.js';
import { fc } from '../../property.js';

const { ModelInfer } = loadInference()[INFERENCE_SERVICE] as unknown as {
  readonly ModelInfer: MethodDefinition<object, InferAnswer>;
};
const server = await startTestServer({ models: { arithmetic: arithmeticModel() } });

/** Inputs of so many rows, and the sum and the difference that the model makes of them. */
function rows(count: number) {
  const a = Float32Array.from({ length: 3 * count }, (_, i) => 1 + (i % 1021));
  const b = a.map((value) => 3 * value);
  const [sum, difference] = [a.map((value) => 4 * value), a.map((value) => -2 * value)];
  const shape = [count, 3];
  const inputs = [
    { name: 'a', datatype: 'FP32', shape },
    { name: 'b', datatype: 'FP32', shape },
  ];
  return {
    raw: { ...arithmetic(), inputs, raw_input_contents: [bytesOf(a), bytesOf(b)] },
    typed: {
      ...arithmetic(),
      inputs: inputs.map((input, i) => ({
        ...input,
        contents: { fp32_contents: Array.from(i === 0 ? a : b) },
      })),
      raw_input_contents: [],
    },
    outputs: [bytesOf(sum), bytesOf(difference)],
  };
}

for (const count of [1, 1365, 1366, 30_000]) {
  test(`tensors of ${12 * count} bytes arrive and leave whole, raw and typed, alone and side by side`, async () => {
    const { raw, typed, outputs } = rows(count);
    const answers = await Promise.all(
      [raw, typed, raw, raw].map((request) => server.call<InferAnswer>('ModelInfer', request)),
    );
    for (const answer of answers) assert.deepEqual(answer.raw_output_contents, outputs);
    const [streamed] = await server.stream([raw]);
    assert.deepEqual(streamed?.infer_response.raw_output_contents, outputs);
  });

  test(`tensors of ${12 * count} bytes come whole of a compressed message`, async () => {
    const session = connect(`https://localhost:${server.port}`, { ca: server.certificatePem });
    after(() => session.destroy());
    const { raw, outputs } = rows(count);
    const message = framed(gzipSync(ModelInfer.requestSerialize(raw)), 1);
    const path = `/${INFERENCE_SERVICE}/ModelInfer`;
    const stream = send(session, path, [message], { 'grpc-encoding': 'gzip' });
    stream.end();
    const { body } = await replyTo(stream);
    const answer = ModelInfer.responseDeserialize(body.subarray(5));
    assert.deepEqual(answer.raw_output_contents, outputs);
  });
}

test('a request is the same in whatever pieces it lies', () => {
  const { raw, typed } = rows(40);
  const parameters = { nonce: { string_param: 'AA' }, timeout: { int64_param: 7 } };
  const messages = [raw, typed].map((request) =>
    ModelInfer.requestSerialize({ ...request, parameters, outputs: [{ name: 'sum' }] }),
  );
  const target = { name: 'x', datatype: 'FP32', shape: [40] } as const;
  const flat = (message: Buffer | readonly Buffer[]) => {
    const { raw: contents, inputs, ...rest } = decodeInferRequest(message);
    return {
      ...rest,
      raw: contents.map((pieces) => Buffer.concat(pieces)),
      inputs: inputs.map((input) => ({
        ...input,
        contents: input.contents && Buffer.concat(rawOf(target, input.contents)),
      })),
    };
  };
  const cuts = fc.array(fc.nat(Math.max(...messages.map(({ length }) => length))), {
    maxLength: 60,
  });
  fc.assert(
    fc.property(fc.constantFrom(...messages), cuts, (message, offsets) => {
      const at = [0, ...offsets.sort((a, b) => a - b), message.length];
      const pieces = at.map((offset, i) => message.subarray(offset, at[i + 1] ?? offset));
      assert.deepEqual(flat(pieces), flat(message));
    }),
  );
});

test('a request in pieces that ends within a field is refused, wherever it is cut', () => {
  const message = ModelInfer.requestSerialize(rows(2).raw);
  const readable = (from: Buffer | readonly Buffer[]): boolean => {
    try {
      decodeInferRequest(from);
      return true;
    } catch (error) {
      assert.ok(error instanceof AssayError && error.code === 'TENSOR_WIRE');
      return false;
    }
  };
  fc.assert(
    fc.property(fc.integer({ min: 1, max: message.length - 1 }), (end) => {
      const whole = message.subarray(0, end);
      const pieces = Array.from(whole, (_, i) => whole.subarray(i, i + 1));
      assert.equal(readable(pieces), readable(whole));
    }),
  );
  assert.equal(readable([message.subarray(0, -1)]), false);
});

test('a long output stays where it is in a response, unless it is the smaller part of its memory', () => {
  const output = (length: number, memory: number): Tensor => ({
    name: 'y',
    datatype: 'UINT8',
    shape: [length],
    data: new Uint8Array(memory).subarray(0, length).fill(length % 251),
  });
  const cases = [
    ['a short one', output(16_383, 16_383), false],
    ['a long one', output(16_384, 16_384), true],
    ['half of its memory', output(20_000, 40_000), true],
    ['less than half', output(20_000, 40_001), false],
  ] as const;
  const pieces = (outputs: readonly Tensor[]): Uint8Array[] => [
    encodeHead({ name: 'm', version: '1' }, outputs),
    ...encodeRest('i', outputs),
  ];
  for (const [name, tensor, inPlace] of cases) {
    assert.equal(pieces([tensor]).includes(tensor.data), inPlace, name);
  }
  const outputs = cases.map(([, tensor]) => tensor);
  const answer = ModelInfer.responseDeserialize(Buffer.concat(pieces(outputs)).subarray(PREFIX));
  assert.equal(answer.id, 'i');
  assert.deepEqual(
    answer.raw_output_contents,
    outputs.map(({ data }) => bytesOf(data)),
  );
});
