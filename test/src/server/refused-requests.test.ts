import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ServiceError, status } from '@grpc/grpc-js';
import { arithmeticModel, mlpModel } from '../../forge/inference-models.js';
import { floats, type RefusedRequest, refusedRequests } from '../../forge/inference-requests.js';
import { startTestServer } from '../../forge/inference-server.js';

const server = await startTestServer({
  models: {
    arithmetic: arithmeticModel(),
    mlp: mlpModel([8, 16, 4]),
  },
  maxReceiveBytes: 64 * 1024,
});

/** Each request has one fault, beside its inputs. */
const REQUESTS: readonly RefusedRequest[] = [
  [
    'unknown model',
    (r) => ({ ...r, model_name: 'other' }),
    status.NOT_FOUND,
    /no model other; served are: arithmetic, mlp/,
  ],
  ['no model', (r) => ({ ...r, model_name: '' }), status.NOT_FOUND, /no model \(empty name\)/],
  [
    'unknown version',
    (r) => ({ ...r, model_version: '2' }),
    status.NOT_FOUND,
    /model arithmetic has no version 2; served are: 1/,
  ],
  [
    'unknown output',
    (r) => ({ ...r, outputs: [{ name: 'product' }] }),
    status.INVALID_ARGUMENT,
    /has the outputs sum, difference; expected some of them, each once, not product/,
  ],
  [
    'output twice',
    (r) => ({ ...r, outputs: [{ name: 'sum' }, { name: 'sum' }] }),
    status.INVALID_ARGUMENT,
    /each once, not sum, sum/,
  ],
  [
    'shared memory',
    (r) => ({
      ...r,
      inputs: [
        { ...r.inputs[0], parameters: { shared_memory_region: { string_param: 'x' } } },
        r.inputs[1],
      ],
    }),
    status.INVALID_ARGUMENT,
    /tensor a: the parameter shared_memory_region is not supported/,
  ],
  [
    'classification',
    (r) => ({
      ...r,
      outputs: [{ name: 'sum', parameters: { classification: { int64_param: 3 } } }],
    }),
    status.INVALID_ARGUMENT,
    /tensor sum: the parameter classification is not supported/,
  ],
  [
    'a nonce that is not a string',
    (r) => ({ ...r, parameters: { nonce: { int64_param: 1 } } }),
    status.INVALID_ARGUMENT,
    /parameter nonce: expected a string/,
  ],
  [
    'a nonce of 31 bytes',
    (r) => ({
      ...r,
      parameters: { nonce: { string_param: Buffer.alloc(31).toString('base64url') } },
    }),
    status.INVALID_ARGUMENT,
    /parameter nonce: expected 32 bytes, 43 characters, not 42/,
  ],
  [
    'a nonce with padding',
    (r) => ({ ...r, parameters: { nonce: { string_param: `${'A'.repeat(42)}=` } } }),
    status.INVALID_ARGUMENT,
    /parameter nonce: expected base64url without padding/,
  ],
  [
    'a nonce whose last character has bits that no byte holds',
    (r) => ({ ...r, parameters: { nonce: { string_param: `${'A'.repeat(42)}B` } } }),
    status.INVALID_ARGUMENT,
    /parameter nonce: expected base64url without padding/,
  ],
  [
    'a negative timeout',
    (r) => ({ ...r, parameters: { timeout: { int64_param: -1 } } }),
    status.INVALID_ARGUMENT,
    /parameter timeout: expected an integer that is not negative/,
  ],
  [
    'a priority that is no integer',
    (r) => ({ ...r, parameters: { priority: { double_param: 1.5 } } }),
    status.INVALID_ARGUMENT,
    /parameter priority: expected an integer that is not negative/,
  ],
  [
    'a priority that is a string',
    (r) => ({ ...r, parameters: { priority: { string_param: '1' } } }),
    status.INVALID_ARGUMENT,
    /parameter priority: expected an integer that is not negative/,
  ],
  [
    'a sequence identifier that is neither an integer nor a string',
    (r) => ({ ...r, parameters: { sequence_id: { bool_param: true } } }),
    status.INVALID_ARGUMENT,
    /parameter sequence_id: expected an integer or a string/,
  ],
  [
    'a sequence flag that is not a boolean',
    (r) => ({ ...r, parameters: { sequence_end: { int64_param: 1 } } }),
    status.INVALID_ARGUMENT,
    /parameter sequence_end: expected a boolean/,
  ],
  [
    'a message above the limit',
    (r) => ({ ...r, raw_input_contents: [Buffer.alloc(70_000), floats(1, 2, 3)] }),
    status.RESOURCE_EXHAUSTED,
    /larger than max|65536/,
  ],
];

refusedRequests(server, REQUESTS);

const MALFORMED: readonly (readonly [what: string, bytes: number[]])[] = [
  ['a field past the end', [0x0a, 0x7f, 0x41]],
  ['an endless varint', [0x0a, ...Array.from({ length: 11 }, () => 0xff)]],
  ['an endless length of an unknown field', [0x7a, ...Array.from({ length: 10 }, () => 0xff)]],
  ['an endless varint of an unknown field', [0x78, ...Array.from({ length: 10 }, () => 0xff)]],
  ['a group', [0x0b, 0x0c]],
  ['field number 0', [0x02, 0x00]],
  ['a model name that is not UTF-8', [0x0a, 0x01, 0xff]],
  ['a model name as a varint', [0x08, 0x01]],
];

for (const [what, bytes] of MALFORMED) {
  test(`refused: not protobuf, ${what}`, async () => {
    await assert.rejects(server.callBytes('ModelInfer', Buffer.from(bytes)), (error) => {
      assert.equal((error as ServiceError).code, status.INVALID_ARGUMENT);
      assert.match((error as ServiceError).details, /not well-formed protobuf/);
      return true;
    });
  });
}
