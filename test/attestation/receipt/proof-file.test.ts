import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type CborKey,
  type CborValue,
  countItems,
  decodeCbor,
  encodeCbor,
} from '../../../attestation/encoding/cbor.js';
import { decodeBundle } from '../../../attestation/evidence/bundle.js';
import { decodeSnpEvidence } from '../../../attestation/evidence/snp-evidence.js';
import {
  decodeProofFile,
  encodeProofFile,
  type ProofFile,
} from '../../../attestation/receipt/proof-file.js';
import { pair } from '../../forge/exchange.js';

const proof: ProofFile = {
  evidence: Uint8Array.of(1, 2, 3),
  evidenceNonce: new Uint8Array(32).fill(1),
  endorsements: { amd: [Uint8Array.of(9)], intel: null },
  model: { name: 'adder', version: '1' },
  nonce: new Uint8Array(32).fill(2),
  inputs: [pair('a', [1, 2]), pair('b', [3, 4])],
  outputs: [pair('sum', [4, 6])],
  receipt: Uint8Array.of(4, 5),
  salt: new Uint8Array(32).fill(3),
};
const bytes = encodeProofFile(proof);

function withMember(key: string, value: CborValue | undefined): Uint8Array {
  const map = new Map(decodeCbor(bytes) as ReadonlyMap<CborKey, CborValue>);
  if (value === undefined) map.delete(key);
  else map.set(key, value);
  return encodeCbor(map);
}

const withEndorsement = (key: 'amd' | 'intel', value: CborValue): Uint8Array =>
  withMember(
    'endorsements',
    new Map<CborKey, CborValue>([...Object.entries({ amd: [], intel: null }), [key, value]]),
  );
const withShape = (shape: readonly number[]): Uint8Array =>
  encodeProofFile({ ...proof, inputs: [{ ...pair('a', [1, 2]), shape }] });

test('a proof file reads back as it was written', () => {
  assert.deepEqual(decodeProofFile(bytes), proof);
});

test('tensors beyond what any verifier reads are not written', () => {
  const data = new Uint8Array(64 * 1024 * 1024);
  const large = { name: 'a', datatype: 'UINT8', shape: [data.length], data };
  assert.throws(() => encodeProofFile({ ...proof, inputs: [large] }), { code: 'PROOF_SIZE' });
});

test('more tensors than any verifier reads are not written', () => {
  const many = (count: number) => ({ ...proof, outputs: Array(count).fill(pair('y', [1, 2])) });
  // A tensor with a shape of one dimension is ten items.
  const most = Math.floor((131_072 - countItems(encodeProofFile(many(0)))) / 10);
  assert.equal(decodeProofFile(encodeProofFile(many(most))).outputs.length, most);
  assert.throws(() => encodeProofFile(many(most + 1)), { code: 'PROOF_SIZE' });
});

const refused: readonly (readonly [string, Uint8Array, string])[] = [
  ['another profile', withMember('profile', 'urn:assay:proof-file:2'), 'PROOF_PROFILE'],
  ['an unknown member', withMember('comment', 'x'), 'PROOF_ENCODING'],
  ['no receipt', withMember('receipt', undefined), 'PROOF_ENCODING'],
  ['a nonce of 31 bytes', withMember('nonce', new Uint8Array(31)), 'PROOF_ENCODING'],
  ['a salt of 33 bytes', withMember('salt', new Uint8Array(33)), 'PROOF_ENCODING'],
  ['tensors that are no array', withMember('inputs', 1), 'PROOF_ENCODING'],
  ['a model that is text', withMember('model', 'adder'), 'PROOF_ENCODING'],
  ['a byte behind it', Uint8Array.from([...bytes, 0]), 'PROOF_ENCODING'],
  ['endorsements that are text', withMember('endorsements', 'x'), 'PROOF_ENCODING'],
  ['a certificate that is text', withEndorsement('amd', ['x']), 'PROOF_ENCODING'],
  ['collateral that is text', withEndorsement('intel', 'x'), 'PROOF_ENCODING'],
  ['a tensor of 33 dimensions', withShape(Array(33).fill(1)), 'PROOF_ENCODING'],
  ['a tensor of a negative dimension', withShape([-1]), 'PROOF_ENCODING'],
  ['a torn file', bytes.subarray(0, -1), 'PROOF_ENCODING'],
];
for (const [name, changed, code] of refused) {
  test(`${name} is refused`, () => assert.throws(() => decodeProofFile(changed), { code }));
}

for (const [name, decode, expected] of [
  ['an evidence bundle', decodeBundle, 'urn:assay:evidence-bundle:1'],
  ['SEV-SNP evidence', decodeSnpEvidence, 'urn:assay:snp-evidence:1'],
] as const) {
  test(`a proof file that is given for ${name} is told by its profile`, () =>
    assert.throws(() => decode(bytes), {
      code: 'BUNDLE_PROFILE',
      message: `expected the profile ${expected}, not "urn:assay:proof-file:1"`,
    }));
}

test('of a profile that is no name, a part is told without what a terminal obeys', () => {
  const hostile = `\u001b[2J\u202e"${'x'.repeat(1_000_000)}`;
  assert.throws(() => decodeProofFile(withMember('profile', hostile)), {
    code: 'PROOF_PROFILE',
    message: `expected the profile urn:assay:proof-file:1, not "?[2J?\\"${'x'.repeat(58)}"`,
  });
});
