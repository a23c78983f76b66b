import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ServiceError, status } from '@grpc/grpc-js';
import type { TestServer } from './inference-server.js';

/** The bytes of a typed array, and of these numbers as FP32. */
export const bytesOf = (array: ArrayBufferView): Buffer =>
  Buffer.from(array.buffer, array.byteOffset, array.byteLength);
export const floats = (...values: number[]): Buffer =>
  Buffer.from(Float32Array.from(values).buffer);

/** A good request for `arithmetic`, raw; tests break one thing of it. */
export function arithmetic(): {
  model_name: string;
  model_version: string;
  id: string;
  parameters: Record<string, object>;
  inputs: {
    name: string;
    datatype: string;
    shape: number[];
    contents?: object;
    parameters?: object;
  }[];
  outputs: { name: string; parameters?: object }[];
  raw_input_contents: Buffer[];
} {
  return {
    model_name: 'arithmetic',
    model_version: '',
    id: 'request 7',
    parameters: {},
    inputs: [
      { name: 'a', datatype: 'FP32', shape: [1, 3] },
      { name: 'b', datatype: 'FP32', shape: [1, 3] },
    ],
    outputs: [],
    raw_input_contents: [floats(1, 2, 3), floats(10, 20, 30)],
  };
}

/** A request with one fault, and what is said of it. */
export type RefusedRequest = readonly [
  what: string,
  fault: (request: ReturnType<typeof arithmetic>) => object,
  code: status,
  message: RegExp,
];

/** Registers a test for each case, and one that none of them counts as a failure of the server. */
export function refusedRequests(server: TestServer, cases: readonly RefusedRequest[]): void {
  for (const [what, fault, code, message] of cases) {
    test(`refused: ${what}`, async () => {
      const error = await server.call('ModelInfer', fault(arithmetic())).then(
        () => assert.fail('it was answered'),
        (reason: ServiceError) => reason,
      );
      assert.equal(status[error.code], status[code], error.details);
      assert.match(error.details, message);
      assert.doesNotMatch(error.details, /\.js:|node:|^\s+at /m);
    });
  }

  test('no refusal counted as a failure of the server', () => {
    assert.deepEqual(
      server.failures.filter((error) => error instanceof Error && /execution/.test(error.message)),
      [],
    );
  });

  test('none that was refused came to a worker, among the requests of others', async () => {
    const { model_stats } = await server.call<{
      readonly model_stats: readonly { readonly inference_stats: { readonly fail: object } }[];
    }>('ModelStatistics', {});
    const none = { count: '0', ns: '0' };
    for (const { inference_stats } of model_stats) assert.deepEqual(inference_stats.fail, none);
  });
}
