import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { before, describe, test } from 'node:test';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { decodeBundle, encodeBundle } from '../../../attestation/evidence/bundle.js';
import { decodeProofFile, encodeProofFile } from '../../../attestation/receipt/proof-file.js';
import { assay } from '../../forge/cli.js';
import { serveScale } from '../../forge/served-scale.js';

const { at, target, trust } = await serveScale();

describe('assay verify receipt', () => {
  const verify = (name: string, ...more: readonly string[]) =>
    assay(['verify', 'receipt', at(name), ...trust(), ...more, '--json']);

  before(async () => {
    const args = ['--input', `x=${at('x.npy')}`, '--save-proof', at('a.proof'), ...trust()];
    assert.equal((await assay(['infer', target, 'scale', ...args])).code, 0);
  });

  test('a proof holds offline, and is never fresh by itself', async () => {
    const { code, out } = await verify('a.proof');
    const result = JSON.parse(out);
    assert.equal(code, 0);
    assert.equal(result.verdict, 'affirmed');
    assert.equal(result.fresh, false);
    assert.deepEqual(result.model, { name: 'scale', version: '1' });
    const { reason } = result.checks.find((check: { id: string }) => check.id === 'binding.nonce');
    assert.match(reason, /the nonce that its file states/);
    assert.match(result.summary, /Not fresh: no nonce\. Its receipt proves/);
    const replay = 'Without the verifier’s own nonce the evidence may be a replay.';
    assert.ok(result.caveats.includes(replay));
  });

  test('it is fresh for whoever drew the nonce of its evidence', async () => {
    const { evidenceNonce } = decodeProofFile(await readFile(at('a.proof')));
    const { code, out } = await verify('a.proof', '--nonce', toHex(evidenceNonce));
    const result = JSON.parse(out);
    assert.deepEqual([code, result.fresh], [0, true]);
    const { reason } = result.checks.find((check: { id: string }) => check.id === 'binding.nonce');
    assert.match(reason, /after the verifier drew its nonce/);
    assert.ok(!result.caveats.some((caveat: string) => caveat.includes('replay')));
    const other = await verify('a.proof', '--nonce', '00'.repeat(32));
    assert.deepEqual([other.code, JSON.parse(other.out).code], [1, 'BINDING_CHALLENGE']);
  });

  test('it does not hold before the certificates do', async () => {
    const { code } = await verify('a.proof', '--at', '2001-01-01');
    assert.equal(code, 1);
  });

  test('one with names as long as there is room for is refused, and shown', async () => {
    const proof = decodeProofFile(await readFile(at('a.proof')));
    const named = (name: string) => ({
      name,
      datatype: 'FP32',
      shape: [],
      data: new Uint8Array(4),
    });
    const many = Array.from({ length: 2000 }, (_, i) => named(`${i}`));
    const inputs = [named('x'.repeat(2 ** 20)), ...many];
    await writeFile(at('long.proof'), encodeProofFile({ ...proof, inputs }));
    const { code, out, err } = await assay(['verify', 'receipt', at('long.proof'), ...trust()]);
    assert.deepEqual([code, err], [1, '']);
    assert.match(out, /fail +receipt\.request /);
    assert.match(out, /x{1000} +FP32/);
  });

  const changed: readonly (readonly [string, string, () => Promise<Uint8Array>])[] = (
    [
      [
        'an output',
        'receipt.response',
        ({ outputs }) => ({
          outputs: outputs.map((o) => ({ ...o, data: o.data.map((b) => b ^ 1) })),
        }),
      ],
      [
        'an input',
        'receipt.request',
        ({ inputs }) => ({ inputs: inputs.map((o) => ({ ...o, shape: [1, 3] })) }),
      ],
      ['the nonce', 'receipt.nonce', () => ({ nonce: new Uint8Array(32) })],
      ['the model', 'receipt.model', () => ({ model: { name: 'other', version: '1' } })],
      ['the version', 'receipt.model', () => ({ model: { name: 'scale', version: '2' } })],
      ['the salt', 'receipt.request', () => ({ salt: new Uint8Array(32) })],
      ['the receipt', 'RECEIPT_ENCODING', ({ receipt }) => ({ receipt: receipt.subarray(1) })],
      ['the evidence’s nonce', 'BINDING_CHALLENGE', () => ({ evidenceNonce: new Uint8Array(32) })],
      ['the evidence', 'BUNDLE_ENCODING', ({ evidence }) => ({ evidence: evidence.subarray(1) })],
    ] as readonly (readonly [
      string,
      string,
      (proof: ReturnType<typeof decodeProofFile>) => Partial<ReturnType<typeof decodeProofFile>>,
    ])[]
  ).map(([name, code, change]) => [
    name,
    code,
    async () => {
      const proof = decodeProofFile(await readFile(at('a.proof')));
      return encodeProofFile({ ...proof, ...change(proof) });
    },
  ]);
  for (const [name, code, make] of changed) {
    test(`${name} changed is refused as ${code}`, async () => {
      await writeFile(at('changed.proof'), await make());
      const outcome = await verify('changed.proof');
      assert.equal(outcome.code, 1);
      assert.equal(JSON.parse(outcome.out).code, code);
    });
  }

  test('what is no proof file is refused', async () => {
    const outcome = await verify('x.json');
    assert.deepEqual([outcome.code, JSON.parse(outcome.out).code], [1, 'PROOF_ENCODING']);
  });

  test('evidence without endorsements can not be checked: exit code 3', async () => {
    const proof = decodeProofFile(await readFile(at('a.proof')));
    const bundle = decodeBundle(proof.evidence);
    const evidence = encodeBundle({ ...bundle, endorsements: null });
    await writeFile(at('bare.proof'), encodeProofFile({ ...proof, evidence }));
    const outcome = await verify('bare.proof');
    assert.equal(outcome.code, 3);
    assert.equal(JSON.parse(outcome.out).verdict, 'unchecked');
    await writeFile(at('bare.cbor'), evidence);
    const bare = await assay(['verify', 'evidence', at('bare.cbor'), ...trust()]);
    assert.equal(bare.code, 3);
    assert.match(bare.out, /^UNCHECKED /m);
  });
});
