import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type MethodDefinition,
  type ServiceDefinition,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { FieldReader } from '../../../src/server/codec/protobuf.js';
import { loadInference } from '../../../src/server/protocol.js';
import { identityModel } from '../../forge/inference-models.js';
import { bytesOf, floats } from '../../forge/inference-requests.js';
import { type InferAnswer, startTestServer } from '../../forge/inference-server.js';
import { bytes, type Field, float, int, message, repeated } from '../../forge/wire.js';

const DATATYPES = [
  'BOOL',
  'INT8',
  'INT16',
  'INT32',
  'UINT16',
  'UINT32',
  'INT64',
  'FP32',
  'FP64',
] as const;
type Datatype = (typeof DATATYPES)[number];

const server = await startTestServer({
  models: Object.fromEntries(DATATYPES.map((type) => [`identity-${type}`, identityModel(type)])),
});
const service = loadInference()['inference.GRPCInferenceService'] as ServiceDefinition;
const { responseDeserialize } = service['ModelInfer'] as MethodDefinition<object, InferAnswer>;

/** A request of one input with two elements, whose contents come in these messages. */
function request(
  datatype: Datatype,
  contents: readonly (readonly Field[])[],
  ...more: readonly Field[]
): Buffer {
  const input = message([
    bytes(1, 'input'),
    bytes(2, datatype),
    ...repeated(3, 'int', [1, 2], {}),
    ...contents.map((fields) => bytes(5, message(fields))),
  ]);
  return Buffer.from(message([bytes(1, `identity-${datatype}`), bytes(5, input), ...more]));
}

const infer = (sent: Buffer): Promise<Buffer> => server.callBytes('ModelInfer', sent);

async function assertRefused(sent: Buffer, reason: RegExp): Promise<void> {
  await assert.rejects(infer(sent), (error: ServiceError) => {
    assert.equal(error.code, status.INVALID_ARGUMENT);
    assert.match(error.details, reason);
    return true;
  });
}

/** A varint field of any bytes. */
const varints = (number: number, hex: string): Field => ({
  number,
  bytes: Buffer.concat([Buffer.of(number * 8), Buffer.from(hex, 'hex')]),
});

const MINUS_ONE = 'ffffffff0f';

describe('typed contents that protobuf’s rules allow', () => {
  const allowed: readonly (readonly [string, Datatype, Field[][], Buffer])[] = [
    [
      '−1 in five bytes',
      'INT32',
      [[varints(2, MINUS_ONE), int(2, 1)]],
      bytesOf(Int32Array.of(-1, 1)),
    ],
    [
      '−1 in five bytes, packed',
      'INT8',
      [[bytes(2, Buffer.from(`${MINUS_ONE}01`, 'hex'))]],
      bytesOf(Int8Array.of(-1, 1)),
    ],
    [
      'bits above the 32nd',
      'UINT32',
      [[varints(4, 'ffffffffff01'), int(4, 1)]],
      bytesOf(Uint32Array.of(2 ** 32 - 1, 1)),
    ],
    ['true as 2', 'BOOL', [[int(1, 2), int(1, 0)]], Buffer.of(1, 0)],
    ['true above the 32nd bit', 'BOOL', [[varints(1, '8080808010'), int(1, 0)]], Buffer.of(1, 0)],
    ['contents twice', 'FP32', [[float(6, 1)], [bytes(6, floats(2))]], floats(1, 2)],
    ['contents that end empty', 'FP32', [[bytes(6, floats(1, 2))], []], floats(1, 2)],
    ['runs of whole elements', 'FP32', [[bytes(6, floats(1)), bytes(6, floats(2))]], floats(1, 2)],
  ];
  for (const [name, datatype, contents, raw] of allowed) {
    test(`${datatype}: ${name}`, async () => {
      const answer = responseDeserialize(await infer(request(datatype, contents)));
      assert.deepEqual(answer.raw_output_contents, [raw]);
    });
  }
});

describe('typed contents that protobuf’s rules or the datatype do not allow', () => {
  const cut = /not well-formed protobuf: a packed field ends within an element/;
  const torn = (number: number, whole: Buffer, at: number): Field[] => [
    bytes(number, whole.subarray(0, at)),
    bytes(number, whole.subarray(at)),
  ];
  const refused: readonly (readonly [string, Datatype, Field[][], RegExp])[] = [
    ['an element in two runs', 'FP32', [torn(6, floats(1, 2), 6)], cut],
    ['an element in two runs', 'FP64', [torn(7, bytesOf(Float64Array.of(1, 2)), 4)], cut],
    ['a varint in two runs', 'INT64', [torn(3, Buffer.of(1, 0x80, 1), 2)], cut],
    ['an element in two contents', 'FP32', torn(6, floats(1, 2), 6).map((run) => [run]), cut],
    ['a last element without its end', 'FP32', [[bytes(6, floats(1, 2).subarray(2))]], cut],
    ['a last varint without its end', 'INT32', [[bytes(2, Buffer.of(1, 0x80))]], cut],
    [
      'two types in two contents',
      'INT8',
      [[int(2, 1), int(2, 1)], [int(4, 1)]],
      /contents of two types/,
    ],
    [
      '−129 in five bytes',
      'INT8',
      [[varints(2, 'fffeffff0f'), int(2, 1)]],
      /element 0 is out of the range of INT8/,
    ],
    [
      'eleven bytes in a run',
      'INT64',
      [[bytes(3, Buffer.from(`${'80'.repeat(10)}0101`, 'hex'))]],
      /a varint is longer than 10 bytes/,
    ],
    [
      'floats as varints',
      'FP32',
      [[varints(6, 'ffffff7f'), varints(6, 'ffffff7f')]],
      /field 6 has wire type 0/,
    ],
    ['32768', 'INT16', [[int(2, 32768), int(2, 1)]], /element 0 is out of the range of INT16/],
    ['65536', 'UINT16', [[int(4, 65536), int(4, 1)]], /element 0 is out of the range of UINT16/],
  ];
  for (const [name, datatype, contents, reason] of refused) {
    test(`${datatype}: ${name}`, () => assertRefused(request(datatype, contents), reason));
  }
});

/** One of each wire type. */
const UNKNOWN: readonly Field[] = [
  int(15, 300),
  float(15, 1),
  bytes(15, 'unknown'),
  ...repeated(15, 'double', [1], { packed: false }),
];

test('fields that nobody knows are passed over, wherever they are', async () => {
  const known = (...fields: readonly Field[]): Uint8Array => message([...UNKNOWN, ...fields]);
  const parameter = bytes(4, known(bytes(1, 'priority'), bytes(2, known(int(2, 1)))));
  const input = known(
    bytes(1, 'input'),
    bytes(2, 'FP32'),
    ...repeated(3, 'int', [1, 2], { packed: false }),
    parameter,
    bytes(5, known(bytes(6, floats(1, 2)))),
  );
  const output = bytes(6, known(bytes(1, 'output')));
  const sent = known(bytes(1, 'identity-FP32'), parameter, bytes(5, input), output);
  const answer = responseDeserialize(await infer(Buffer.from(sent)));
  assert.deepEqual(answer.raw_output_contents, [floats(1, 2)]);
});

test('a value is remembered by its bytes where they are few, and all there', () => {
  const at = (...sent: readonly number[]): FieldReader => {
    const reader = FieldReader.over([Buffer.from(sent)]);
    assert.ok(reader.next());
    return reader;
  };
  const reader = at(0x0a, 4, 65, 66, 67, 68);
  assert.equal(reader.key(3), undefined);
  assert.equal(reader.key(4), 'ABCD');
  assert.equal(reader.text(), 'ABCD');
  assert.equal(at(0x0a, 4, 65, 66, 67).key(4), undefined);
});

describe('the value of a parameter that comes in two messages', () => {
  const entry = (...values: readonly (readonly Field[])[]): Field =>
    bytes(4, message([bytes(1, 'nonce'), ...values.map((fields) => bytes(2, message(fields)))]));
  const merged: readonly (readonly [string, Field, RegExp])[] = [
    [
      'keeps what an empty one does not change',
      entry([bytes(3, 'AA')], []),
      /43 characters, not 2/,
    ],
    ['is the last that there is', entry([bytes(3, 'AA')], [int(2, 1)]), /nonce: expected a string/],
  ];
  for (const [name, parameter, reason] of merged) {
    test(name, () => assertRefused(request('FP32', [[bytes(6, floats(1, 2))]], parameter), reason));
  }
});
