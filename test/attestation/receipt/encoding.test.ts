import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CborKey, type CborValue, encodeCbor } from '../../../attestation/encoding/cbor.js';
import { COSE_HEADER, decodeSign1, encodeSign1 } from '../../../attestation/encoding/cose.js';
import { AssayError } from '../../../attestation/encoding/error.js';
import {
  ClaimsForm,
  decodeClaims,
  encodeClaims,
  type InferenceClaims,
} from '../../../attestation/receipt/claims.js';
import { decodeSalt } from '../../../attestation/receipt/commitment.js';
import { encodeConsistency } from '../../../attestation/receipt/consistency.js';
import {
  decodeInferenceReceipt,
  encodeInferenceReceipt,
  useInferenceReceipt,
} from '../../../attestation/receipt/inference-receipt.js';
import { encodeReceipt } from '../../../attestation/receipt/receipt.js';
import { encodeTreeHeadHeader } from '../../../attestation/receipt/tree-head.js';
import { fc } from '../../property.js';

/** What is written item by item for each inference has to be what the general encoder writes. */

test('no document is longer than it needs to be', () => {
  const cases: readonly [string, (bytes: Uint8Array) => unknown, number][] = [
    ['CLAIMS_ENCODING', decodeClaims, 65_536],
    ['RECEIPT_ENCODING', decodeInferenceReceipt, 98_304],
    ['RECEIPT_ENCODING', decodeSalt, 64],
    ['COSE_SIGN1', decodeSign1, 16_384],
  ];
  for (const [code, decode, limit] of cases) {
    assert.throws(
      () => decode(new Uint8Array(limit + 1)),
      (error: unknown) => {
        assert.ok(error instanceof AssayError && error.code === code, String(error));
        assert.match(String(error.cause), new RegExp(`at most ${limit} bytes`));
        return true;
      },
    );
  }
});

const digest = fc.uint8Array({ minLength: 32, maxLength: 32 });
const text = fc.oneof(fc.string({ maxLength: 80 }), fc.string({ unit: 'binary', maxLength: 80 }));
const map = (entries: readonly (readonly [CborKey, CborValue])[]) => new Map(entries);

const claims: fc.Arbitrary<InferenceClaims> = fc.record({
  issuedAt: fc.oneof(fc.nat(100_000), fc.nat(), fc.maxSafeNat()),
  nonce: fc.option(digest),
  epoch: digest,
  model: fc.record({ name: text, version: text }),
  graph: digest,
  execution: digest,
  request: digest,
  response: digest,
  manifest: digest,
  signingKey: digest,
});

test('claims are what the general encoder makes of them', () => {
  fc.assert(
    fc.property(claims, ({ issuedAt, nonce, model, ...digests }) => {
      const expected = encodeCbor(
        map([
          ...Object.entries(digests),
          ['model', map(Object.entries(model))],
          [265, 'urn:assay:inference-claims:1'],
          ...(nonce === null ? [] : [[10, nonce] as const]),
          [6, issuedAt],
        ]),
      );
      assert.deepEqual(encodeClaims({ issuedAt, nonce, model, ...digests }), expected);
    }),
  );
});

test('a form that is filled is the claims, whatever it was filled with before', () => {
  fc.assert(
    fc.property(claims, claims, (one, two) => {
      const form = new ClaimsForm(one);
      for (const { nonce, request, response } of [two, one]) {
        const own = { ...one, nonce, request, response };
        const into = new Uint8Array(form.length(nonce)).fill(255);
        form.fill(into, own);
        assert.deepEqual(into, encodeClaims(own));
      }
    }),
  );
});

test('receipts and consistency proofs are what the general encoder makes of them', () => {
  const size = fc.oneof(fc.nat(300), fc.nat(100_000), fc.maxSafeNat());
  const head = fc.record({
    size,
    keyId: digest,
    root: digest,
    protectedBytes: fc.uint8Array({ maxLength: 300 }),
    signature: fc.uint8Array({ minLength: 64, maxLength: 64 }),
  });
  fc.assert(
    fc.property(head, size, fc.array(digest, { maxLength: 40 }), (signed, other, path) => {
      const general = (type: number, first: number, second: number): Uint8Array =>
        encodeSign1({
          protectedBytes: signed.protectedBytes,
          unprotectedHeader: map([
            [COSE_HEADER.vdp, map([[type, [encodeCbor([first, second, path])]]])],
          ]),
          payload: null,
          signature: signed.signature,
        });
      const receipt = encodeReceipt(signed, other, path);
      assert.deepEqual(receipt, general(-1, signed.size, other));
      const claims = signed.protectedBytes;
      const place = { head: signed, index: other, path };
      const embedded = useInferenceReceipt(claims, place, (bytes) => bytes.slice());
      assert.deepEqual(embedded, encodeInferenceReceipt({ claims, receipt }));
      assert.deepEqual(encodeConsistency(signed, other, path), general(-2, other, signed.size));
    }),
  );
});

test('the headers of tree heads are what the general encoder makes of them', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), digest, (size, keyId) => {
      const expected = encodeCbor(
        map([
          ['tree_size', size],
          [COSE_HEADER.vds, 1],
          [COSE_HEADER.typ, 'application/vnd.assay.tree-head+cose'],
          [COSE_HEADER.kid, keyId],
          [COSE_HEADER.alg, -7],
        ]),
      );
      assert.deepEqual(encodeTreeHeadHeader({ size, keyId }), expected);
    }),
  );
});

test('claims and receipt together are what the general encoder makes of them', () => {
  const bytes = fc.uint8Array({ maxLength: 700 });
  fc.assert(
    fc.property(bytes, bytes, (stated, receipt) => {
      const expected = encodeCbor(
        map([
          ['receipt', receipt],
          ['claims', stated],
        ]),
      );
      assert.deepEqual(encodeInferenceReceipt({ claims: stated, receipt }), expected);
    }),
  );
});
