import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { type CborKey, type CborValue, encodeCbor } from '../../../attestation/encoding/cbor.js';
import { sha256 } from '../../../attestation/encoding/hash.js';
import { outputsDigest, vectorsDigest } from '../../../attestation/evidence/self-test.js';

describe('digests of test vectors', () => {
  const tensorOf = (byte: number, name = 'x') => ({
    name,
    datatype: 'UINT8',
    shape: [1],
    data: Uint8Array.of(byte),
  });
  const set = { inputs: [tensorOf(1)], outputs: [tensorOf(2)] };
  const tolerances = { default: { absolute: 0.5 }, outputs: { y: { topK: 1 } } };
  const reference = toHex(vectorsDigest([set], tolerances));

  test('are those of the format, byte for byte', () => {
    const part = (byte: number) => ['x', 'UINT8', [1], sha256(Uint8Array.of(byte))];
    const half = Buffer.from('3fe0000000000000', 'hex');
    const one = Buffer.from('3ff0000000000000', 'hex');
    const bytes = encodeCbor(
      new Map<CborKey, CborValue>([
        [
          'sets',
          [
            new Map<CborKey, CborValue>([
              ['inputs', [part(1)]],
              ['outputs', [part(2)]],
            ]),
          ],
        ],
        [
          'tolerances',
          new Map<CborKey, CborValue>([
            ['default', new Map<CborKey, CborValue>([['absolute', new Uint8Array(half)]])],
            [
              'outputs',
              new Map<CborKey, CborValue>([
                ['y', new Map<CborKey, CborValue>([['topK', new Uint8Array(one)]])],
              ]),
            ],
          ]),
        ],
      ]),
    );
    const expected = createHash('sha256').update('assay/test-vectors/v1\0').update(bytes);
    assert.equal(reference, expected.digest('hex'));
  });

  const others: readonly (readonly [string, () => Uint8Array])[] = [
    ['another input', () => vectorsDigest([{ ...set, inputs: [tensorOf(3)] }], tolerances)],
    ['another output', () => vectorsDigest([{ ...set, outputs: [tensorOf(3)] }], tolerances)],
    ['another name', () => vectorsDigest([{ ...set, inputs: [tensorOf(1, 'z')] }], tolerances)],
    ['one more set', () => vectorsDigest([set, set], tolerances)],
    ['an input as an output', () => vectorsDigest([{ inputs: [], outputs: [] }], tolerances)],
    ['no tolerances', () => vectorsDigest([set], null)],
    ['tolerances that allow nothing', () => vectorsDigest([set], {})],
    [
      'a wider tolerance',
      () => vectorsDigest([set], { ...tolerances, default: { absolute: 0.75 } }),
    ],
    ['another measure', () => vectorsDigest([set], { ...tolerances, default: { relative: 0.5 } })],
    [
      'the tolerance of another output',
      () => vectorsDigest([set], { ...tolerances, outputs: { x: { topK: 1 } } }),
    ],
    ['what a node computed', () => outputsDigest([set.inputs, set.outputs])],
  ];
  for (const [name, digestOf] of others) {
    test(`${name} gives another digest`, () => assert.notEqual(toHex(digestOf()), reference));
  }

  test('an absent default and an empty one are one', () => {
    const { outputs } = tolerances;
    assert.deepEqual(
      vectorsDigest([set], { outputs }),
      vectorsDigest([set], { outputs, default: {} }),
    );
  });
});
