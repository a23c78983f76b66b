import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { concat, toHex, utf8 } from '../../../attestation/encoding/bytes.js';
import {
  type CommittedTensor,
  commitTensors,
  type HmacSha256,
} from '../../../attestation/receipt/commitment.js';
import { fill } from '../../forge/fill.js';
import { fc } from '../../property.js';

const digest = fc.uint8Array({ minLength: 32, maxLength: 32 });

describe('commitments', () => {
  const tensor = fc.record({
    name: fc.string(),
    datatype: fc.constantFrom('FP32', 'INT64', 'BYTES'),
    shape: fc.array(fc.nat(), { maxLength: 4 }),
    data: fc.uint8Array({ maxLength: 300 }),
  });
  const node: HmacSha256 = (key, parts) =>
    new Uint8Array(
      createHmac('sha256', key)
        .update(concat(...parts))
        .digest(),
    );

  test('the portable and the native HMAC agree', () => {
    fc.assert(
      fc.property(fc.array(tensor, { maxLength: 4 }), digest, (tensors, salt) => {
        assert.deepEqual(
          commitTensors('request', tensors, salt),
          commitTensors('request', tensors, salt, node),
        );
      }),
    );
  });

  test('the framing is the one that is documented', () => {
    const one: CommittedTensor = {
      name: 'x',
      datatype: 'FP32',
      shape: [2],
      data: utf8('12345678'),
    };
    const framed = concat(
      utf8('assay/request/v1\0'),
      Uint8Array.of(1, 0, 0, 0),
      Uint8Array.of(1, 0, 0, 0),
      utf8('x'),
      Uint8Array.of(4, 0, 0, 0),
      utf8('FP32'),
      Uint8Array.of(1, 0, 0, 0),
      Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0),
      Uint8Array.of(8, 0, 0, 0, 0, 0, 0, 0),
      utf8('12345678'),
    );
    const expected = createHmac('sha256', fill(1)).update(framed).digest();
    assert.deepEqual(Buffer.from(commitTensors('request', [one], fill(1))), expected);
  });

  test('what was committed to before under the same name makes no difference', () => {
    const u32 = (value: number): Uint8Array => Uint8Array.of(value, 0, 0, 0);
    const u64 = (value: number): Uint8Array => Uint8Array.of(value, 0, 0, 0, 0, 0, 0, 0);
    const text = (value: string): Uint8Array => concat(u32(value.length), utf8(value));
    const alike = fc.record({
      name: fc.constantFrom('x', 'y'),
      datatype: fc.constantFrom('FP32', 'INT64'),
      shape: fc.array(fc.nat(3), { maxLength: 3 }),
      data: fc.uint8Array({ maxLength: 3 }),
    });
    fc.assert(
      fc.property(fc.array(alike, { maxLength: 4 }), (tensors) => {
        const framed = tensors.map(({ name, datatype, shape, data }) =>
          concat(
            ...[text(name), text(datatype), u32(shape.length), ...shape.map(u64)],
            ...[u64(data.length), data],
          ),
        );
        const all = concat(utf8('assay/response/v1\0'), u32(tensors.length), ...framed);
        const expected = createHmac('sha256', fill(1)).update(all).digest();
        assert.deepEqual(Buffer.from(commitTensors('response', tensors, fill(1))), expected);
      }),
    );
  });

  test('any difference in what is committed to gives another commitment', () => {
    const side = fc.constantFrom<'request' | 'response'>('request', 'response');
    const input = fc.tuple(side, fc.array(tensor, { maxLength: 3 }), digest);
    const show = (value: unknown): string =>
      JSON.stringify(value, (_, member) => (member instanceof Uint8Array ? toHex(member) : member));
    fc.assert(
      fc.property(input, input, (a, b) => {
        fc.pre(show(a) !== show(b));
        assert.notDeepEqual(commitTensors(...a), commitTensors(...b));
      }),
    );
  });

  test('names as long as a proof has room for are not kept', () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const kept = (): number => {
      collect();
      return process.memoryUsage().arrayBuffers;
    };
    const before = kept();
    for (let i = 0; i < 32; i++) {
      const name = `${i}${'x'.repeat(2 ** 20)}`;
      const long = { name, datatype: 'FP32', shape: [], data: new Uint8Array(4) };
      commitTensors('request', [long], fill(1));
    }
    assert.ok(kept() - before < 2 ** 24);
  });

  for (const length of [0, 31, 33]) {
    test(`a salt of ${length} bytes is refused`, () => {
      assert.throws(() => commitTensors('request', [], new Uint8Array(length)), {
        code: 'RECEIPT_SALT',
      });
    });
  }
});
