import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { concat } from '../../../attestation/encoding/bytes.js';
import {
  type CborKey,
  type CborValue,
  decodeCbor,
  encodeCbor,
  isCborMap,
} from '../../../attestation/encoding/cbor.js';
import {
  COSE_HEADER,
  coseKeyThumbprint,
  decodeSign1,
  encodeSign1,
  type Sign1,
} from '../../../attestation/encoding/cose.js';
import { claimsEntry, decodeClaims, encodeClaims } from '../../../attestation/receipt/claims.js';
import { verifyConsistency } from '../../../attestation/receipt/consistency.js';
import { verifyReceipt } from '../../../attestation/receipt/receipt.js';
import {
  decodeTreeHead,
  type SignedTreeHead,
  verifyTreeHead,
} from '../../../attestation/receipt/tree-head.js';
import { Issuer } from '../../../enclave/issuer.js';
import { makeSigningKey } from '../../../enclave/signing-key.js';
import { editMap, flip } from '../../forge/cbor.js';
import { fill } from '../../forge/fill.js';
import { issueClaims } from '../../forge/issue.js';

const key = makeSigningKey();
const stranger = makeSigningKey();

const claims = encodeClaims({
  issuedAt: 1_790_000_000,
  nonce: fill(1),
  epoch: fill(2),
  model: { name: 'm', version: '1' },
  graph: fill(3),
  execution: fill(4),
  request: fill(5),
  response: fill(6),
  manifest: fill(7),
  signingKey: key.id,
});

const issuer = await Issuer.start(key, fill(0));
const heads = [decodeTreeHead(issuer.treeHead())];
for (let i = 0; i < 4; i++) {
  await issueClaims(issuer, fill(i));
  heads.push(decodeTreeHead(issuer.treeHead()));
}
const receipt = await issueClaims(issuer, claims);
const newest = decodeTreeHead(issuer.treeHead());

function edit(bytes: Uint8Array, change: (sign1: Sign1) => Partial<Sign1>): Uint8Array {
  const sign1 = decodeSign1(bytes);
  return encodeSign1({ ...sign1, ...change(sign1) });
}

function header(label: CborKey, value: CborValue) {
  return (bytes: Uint8Array): Uint8Array =>
    edit(bytes, ({ protectedBytes }) => ({
      protectedBytes: editMap(protectedBytes, (map) => map.set(label, value)),
    }));
}

type Content = readonly CborValue[];

/** Changes the content of the one proof: sizes and path. */
function proof(type: -1 | -2, change: (content: Content) => CborValue) {
  return (bytes: Uint8Array): Uint8Array =>
    edit(bytes, ({ unprotectedHeader }) => {
      const proofs = unprotectedHeader.get(COSE_HEADER.vdp);
      const list = isCborMap(proofs) ? proofs.get(type) : undefined;
      const [content] = list as readonly Uint8Array[];
      const changed = encodeCbor(change(decodeCbor(content ?? fill(0)) as Content));
      return { unprotectedHeader: new Map([[COSE_HEADER.vdp, new Map([[type, [changed]]])]]) };
    });
}

const path = (content: Content): readonly Uint8Array[] => content[2] as readonly Uint8Array[];

type Case = readonly [name: string, code: string, change: (bytes: Uint8Array) => Uint8Array];

const shared: readonly Case[] = [
  ['nothing', 'RECEIPT_ENCODING', () => new Uint8Array()],
  ['cut short', 'RECEIPT_ENCODING', (b) => b.subarray(0, -1)],
  ['a byte behind', 'RECEIPT_ENCODING', (b) => concat(b, fill(0, 1))],
  ['without its tag', 'RECEIPT_ENCODING', (b) => b.subarray(1)],
  ['another algorithm', 'RECEIPT_ALGORITHM', header(COSE_HEADER.alg, -35)],
  ['no signature algorithm but a hash', 'RECEIPT_ALGORITHM', header(COSE_HEADER.alg, 5)],
  ['another type', 'RECEIPT_TYPE', header(COSE_HEADER.typ, 'application/eat+cwt')],
  ['another tree', 'RECEIPT_TYPE', header(COSE_HEADER.vds, 2)],
  ['another key id', 'RECEIPT_KEY', header(COSE_HEADER.kid, stranger.id)],
  ['a key id of 31 bytes', 'RECEIPT_ENCODING', header(COSE_HEADER.kid, fill(1, 31))],
  ['an unknown header', 'RECEIPT_ENCODING', header('crit', [1])],
  ['a signature that was changed', 'RECEIPT_SIGNATURE', (b) => flip(b, -1)],
  ['no signature', 'RECEIPT_ENCODING', (b) => edit(b, () => ({ signature: new Uint8Array() }))],
];

const inclusion: readonly Case[] = [
  ...shared,
  ['another signed size', 'RECEIPT_SIZE', header('tree_size', 7)],
  ['another size in the proof', 'RECEIPT_SIZE', proof(-1, ([, i, p]) => [7, i ?? 0, p ?? []])],
  ['another index', 'RECEIPT_INCLUSION', proof(-1, ([n, , p]) => [n ?? 0, 2, p ?? []])],
  ['an index outside', 'RECEIPT_INCLUSION', proof(-1, ([n, , p]) => [n ?? 0, 6, p ?? []])],
  [
    'a node that was changed',
    'RECEIPT_SIGNATURE',
    proof(-1, (c) => [c[0] ?? 0, c[1] ?? 0, path(c).map((node) => flip(node, 0))]),
  ],
  [
    'a path with a node more',
    'RECEIPT_INCLUSION',
    proof(-1, (c) => [c[0] ?? 0, c[1] ?? 0, [...path(c), fill(1)]]),
  ],
  ['an empty path', 'RECEIPT_ENCODING', proof(-1, (c) => [c[0] ?? 0, c[1] ?? 0, []])],
  [
    'a path of short nodes',
    'RECEIPT_ENCODING',
    proof(-1, (c) => [c[0] ?? 0, c[1] ?? 0, path(c).map((node) => node.subarray(1))]),
  ],
  ['a proof with a member more', 'RECEIPT_ENCODING', proof(-1, (c) => [...c, 0])],
  ['a negative index', 'RECEIPT_ENCODING', proof(-1, (c) => [c[0] ?? 0, -1, path(c)])],
  ['a root that is attached', 'RECEIPT_ENCODING', (b) => edit(b, () => ({ payload: newest.root }))],
  ['no proof', 'RECEIPT_ENCODING', (b) => edit(b, () => ({ unprotectedHeader: new Map() }))],
  ['a proof of another kind', 'RECEIPT_ENCODING', () => issuer.consistency(2).proof],
  [
    'two proofs',
    'RECEIPT_ENCODING',
    (b) =>
      edit(b, () => ({
        unprotectedHeader: new Map([[COSE_HEADER.vdp, new Map([[-1, [fill(1), fill(1)]]])]]),
      })),
  ],
  [
    'another unprotected header',
    'RECEIPT_ENCODING',
    (b) =>
      edit(b, ({ unprotectedHeader }) => ({
        unprotectedHeader: new Map([...unprotectedHeader, [COSE_HEADER.kid, key.id] as const]),
      })),
  ],
  ['a tree head in its place', 'RECEIPT_ENCODING', () => issuer.treeHead()],
  ['the receipt of another entry', 'RECEIPT_SIGNATURE', () => issuer.inclusion(4)],
];

describe('refused: receipts of inclusion', () => {
  test('without a fault it verifies', async () => {
    const { index } = await verifyReceipt(receipt, claimsEntry(claims), key.publicKey);
    assert.equal(index, 5);
  });
  for (const [name, code, change] of inclusion) {
    test(`${name}: ${code}`, async () => {
      const changed = change(receipt);
      await assert.rejects(verifyReceipt(changed, claimsEntry(claims), key.publicKey), { code });
    });
  }
  test('other claims: RECEIPT_SIGNATURE', async () => {
    const other = encodeClaims({ ...decodeClaims(claims), response: fill(66) });
    await assert.rejects(verifyReceipt(receipt, claimsEntry(other), key.publicKey), {
      code: 'RECEIPT_SIGNATURE',
    });
  });
  test('the claims themselves as the entry: RECEIPT_SIGNATURE', async () => {
    await assert.rejects(verifyReceipt(receipt, claims, key.publicKey), {
      code: 'RECEIPT_SIGNATURE',
    });
  });
  test('another attested key: RECEIPT_KEY', async () => {
    await assert.rejects(verifyReceipt(receipt, claimsEntry(claims), stranger.publicKey), {
      code: 'RECEIPT_KEY',
    });
  });
  test('an attested key that the platform cannot import: CRYPTO_UNAVAILABLE', async (t) => {
    t.mock.getter(crypto, 'subtle', () => undefined);
    const fresh = { ...key.publicKey };
    await assert.rejects(verifyReceipt(receipt, claimsEntry(claims), fresh), {
      code: 'CRYPTO_UNAVAILABLE',
    });
  });
  test('an attested key that is no point of the curve: RECEIPT_SIGNATURE', async () => {
    const broken = { x: fill(1), y: fill(1) };
    const id = header(COSE_HEADER.kid, coseKeyThumbprint(broken));
    await assert.rejects(verifyReceipt(id(receipt), claimsEntry(claims), broken), {
      code: 'RECEIPT_SIGNATURE',
    });
  });
});

describe('refused: receipts of consistency', () => {
  const [older] = heads.slice(2);
  assert.ok(older !== undefined);
  const { proof: genuine } = issuer.consistency(older.size);
  test('without a fault it verifies', () =>
    verifyConsistency(genuine, older, newest, key.publicKey));

  const consistency: readonly Case[] = [
    ...shared,
    ['another signed size', 'RECEIPT_SIZE', header('tree_size', 7)],
    [
      'another older size',
      'RECEIPT_CONSISTENCY',
      proof(-2, ([, n, p]) => [older.size - 1, n ?? 0, p ?? []]),
    ],
    [
      'a node that was changed',
      'RECEIPT_CONSISTENCY',
      proof(-2, (c) => [c[0] ?? 0, c[1] ?? 0, path(c).map((node) => flip(node, 0))]),
    ],
    ['an empty path', 'RECEIPT_ENCODING', proof(-2, (c) => [c[0] ?? 0, c[1] ?? 0, []])],
    ['a proof of inclusion', 'RECEIPT_ENCODING', () => issuer.inclusion(1)],
  ];
  for (const [name, code, change] of consistency) {
    test(`${name}: ${code}`, async () => {
      const changed = verifyConsistency(change(genuine), older, newest, key.publicKey);
      await assert.rejects(changed, { code });
    });
  }

  test('a newer head that another signature is shown for: RECEIPT_SIGNATURE', async () => {
    const shown = { ...newest, signature: flip(newest.signature, 40) };
    await assert.rejects(verifyConsistency(genuine, older, shown, key.publicKey), {
      code: 'RECEIPT_SIGNATURE',
    });
  });

  test('a log that was rewritten: RECEIPT_CONSISTENCY', async () => {
    const rewritten = await Issuer.start(key, fill(0));
    for (let i = 0; i < 5; i++) await issueClaims(rewritten, fill(90 + i));
    const { treeHead, proof: forged } = rewritten.consistency(older.size);
    const newer = decodeTreeHead(treeHead);
    await assert.rejects(verifyConsistency(forged, older, newer, key.publicKey), {
      code: 'RECEIPT_CONSISTENCY',
    });
  });
  test('a log of another epoch: RECEIPT_CONSISTENCY', async () => {
    const other = await Issuer.start(stranger, fill(0));
    for (let i = 0; i < 5; i++) await issueClaims(other, fill(i));
    const { treeHead, proof: forged } = other.consistency(older.size);
    const newer = decodeTreeHead(treeHead);
    await assert.rejects(verifyConsistency(forged, older, newer, key.publicKey), {
      code: 'RECEIPT_CONSISTENCY',
    });
  });
});

describe('refused: tree heads', () => {
  const changes: readonly (readonly [string, string, Partial<SignedTreeHead>])[] = [
    ['another root', 'RECEIPT_SIGNATURE', { root: fill(1) }],
    ['another key id', 'RECEIPT_KEY', { keyId: stranger.id }],
    ['another signature', 'RECEIPT_SIGNATURE', { signature: heads[1]?.signature ?? fill(0) }],
  ];
  for (const [name, code, change] of changes) {
    test(`${name}: ${code}`, async () => {
      await assert.rejects(verifyTreeHead({ ...newest, ...change }, key.publicKey), { code });
    });
  }
  test('a receipt in its place: RECEIPT_ENCODING', () => {
    assert.throws(() => decodeTreeHead(receipt), { code: 'RECEIPT_ENCODING' });
  });
  test('a root of 31 bytes: RECEIPT_ENCODING', () => {
    const short = edit(issuer.treeHead(), () => ({ payload: fill(1, 31) }));
    assert.throws(() => decodeTreeHead(short), { code: 'RECEIPT_ENCODING' });
  });
});

describe('refused: claims', () => {
  const cases: readonly Case[] = [
    ['nothing', 'CLAIMS_ENCODING', () => new Uint8Array()],
    ['a byte behind', 'CLAIMS_ENCODING', (b) => concat(b, fill(0, 1))],
    ['another profile', 'CLAIMS_PROFILE', (b) => editMap(b, (m) => m.set(265, 'urn:x'))],
    ['no profile', 'CLAIMS_ENCODING', (b) => editMap(b, (m) => m.delete(265))],
    ['no time', 'CLAIMS_ENCODING', (b) => editMap(b, (m) => m.delete(6))],
    ['a negative time', 'CLAIMS_ENCODING', (b) => editMap(b, (m) => m.set(6, -1))],
    [
      'a time beyond what a Date holds',
      'CLAIMS_ENCODING',
      (b) => editMap(b, (m) => m.set(6, 8_640_000_000_001)),
    ],
    ['a nonce of 31 bytes', 'CLAIMS_ENCODING', (b) => editMap(b, (m) => m.set(10, fill(1, 31)))],
    ['an unknown claim', 'CLAIMS_ENCODING', (b) => editMap(b, (m) => m.set('note', 'x'))],
    ['no graph', 'CLAIMS_ENCODING', (b) => editMap(b, (m) => m.delete('graph'))],
    ['an epoch as text', 'CLAIMS_ENCODING', (b) => editMap(b, (m) => m.set('epoch', 'x'))],
    [
      'a model with a member more',
      'CLAIMS_ENCODING',
      (b) =>
        editMap(b, (m) =>
          m.set(
            'model',
            new Map([
              ['name', 'm'],
              ['version', '1'],
              ['x', ''],
            ]),
          ),
        ),
    ],
  ];
  for (const [name, code, change] of cases) {
    test(`${name}: ${code}`, () => assert.throws(() => decodeClaims(change(claims)), { code }));
  }

  test('the last time that a Date holds is one', () => {
    const { issuedAt } = decodeClaims(editMap(claims, (m) => m.set(6, 8_640_000_000_000)));
    assert.equal(new Date(issuedAt * 1000).toISOString(), '+275760-09-13T00:00:00.000Z');
  });
});
