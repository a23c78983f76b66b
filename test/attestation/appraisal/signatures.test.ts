import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  openKey,
  type PendingSignature,
  requireSignatures,
  signedBy,
  verifyWith,
} from '../../../attestation/appraisal/signatures.js';
import { AssayError } from '../../../attestation/encoding/error.js';
import { type Certificate, parseCertificate } from '../../../attestation/encoding/x509.js';
import { forgeSnp } from '../../forge/amd.js';

const { endorsements } = await forgeSnp();
const [other, issuer] = endorsements.certificates.map(parseCertificate) as [
  Certificate,
  Certificate,
];

const pending = (holds: PendingSignature['holds'], name: string): PendingSignature => ({
  holds,
  error: () => new AssayError('SNP_SIGNATURE', name),
});
const refused = (signatures: readonly PendingSignature[], message: string) =>
  assert.rejects(requireSignatures(signatures), { message });

test('the first signature in order is told, whichever answer comes first', async () => {
  let answer: (holds: boolean) => void = () => assert.fail('not yet asked');
  const late = new Promise<boolean>((resolve) => {
    answer = resolve;
  });
  const told = refused(
    [pending(late, 'first'), pending(Promise.resolve(false), 'second')],
    'first',
  );
  await Promise.resolve();
  answer(false);
  await told;
});

test('what could not be computed is told in its place, and is nobody’s unhandled rejection', async () => {
  const broken = signedBy({}, issuer, () => Promise.reject(new Error('no such algorithm')));
  await refused([pending(Promise.resolve(false), 'first'), pending(broken, 'never')], 'first');
  await refused(
    [pending(Promise.resolve(true), 'first'), pending(broken, 'never')],
    'no such algorithm',
  );
});

test('a key that the platform cannot take in is told as that, not as a signature that does not hold', async () => {
  const point = Uint8Array.of(4, ...new Uint8Array(64));
  const [signature, data] = [new Uint8Array(64), new Uint8Array(1)];
  const reason = new Error('no such curve');
  const failing = [
    () => {
      throw reason;
    },
    () => Promise.reject(reason),
  ];
  for (const p256 of failing) {
    const holds = verifyWith(openKey(p256, point), signature, data);
    const unavailable = { code: 'CRYPTO_UNAVAILABLE', cause: reason };
    await assert.rejects(requireSignatures([pending(holds, 'never')]), unavailable);
    await refused([pending(false, 'first'), pending(holds, 'never')], 'first');
  }
  const compressed = verifyWith(
    openKey(() => assert.fail(), point.subarray(0, 33)),
    signature,
    data,
  );
  assert.equal(compressed, false);
});

test('a signature is established once for each signed object and issuer', async () => {
  let asked = 0;
  const check = async () => {
    asked += 1;
    return true;
  };
  const [document, second] = [{}, {}];
  await Promise.all([document, document, second].map((signed) => signedBy(signed, issuer, check)));
  assert.equal(asked, 2);
});

test('what one issuer signed is not signed by another, whoever is asked for first', async () => {
  const document = {};
  const ask = (by: Certificate) => signedBy(document, by, async () => by === issuer);
  for (const by of [issuer, other, issuer, other]) assert.equal(await ask(by), by === issuer);
});
