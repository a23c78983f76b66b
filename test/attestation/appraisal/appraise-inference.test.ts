import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  appraiseInference,
  assertAgrees,
  type InferenceExchange,
} from '../../../attestation/appraisal/appraise-inference.js';
import type { InferenceClaims } from '../../../attestation/receipt/claims.js';
import {
  decodeInferenceReceipt,
  encodeInferenceReceipt,
} from '../../../attestation/receipt/inference-receipt.js';
import { forgeEnclave, forgeExchange, forgeKey, pair } from '../../forge/exchange.js';
import { fill } from '../../forge/fill.js';

const key = await forgeKey();
const enclave = forgeEnclave(key);
const exchange = await forgeExchange(key, enclave);

async function refusals(changed: InferenceExchange, by = enclave): Promise<readonly string[]> {
  const { checks } = await appraiseInference(changed, by);
  return checks.filter(({ outcome }) => outcome === 'fail').map(({ id }) => id);
}

test('an honest answer agrees in every check', async () => {
  const appraised = await appraiseInference(exchange, enclave);
  assertAgrees(appraised);
  assert.equal(appraised.index, 1);
  assert.equal(appraised.head.size, 2);
  assert.deepEqual(
    appraised.checks.map(({ id, outcome }) => `${id} ${outcome}`),
    [
      'signature',
      'manifest',
      'epoch',
      'signing-key',
      'model',
      'graph',
      'execution',
      'nonce',
      'request',
      'response',
    ].map((name) => `receipt.${name} pass`),
  );
});

describe('claims that were signed and do not agree', () => {
  const cases: readonly (readonly [string, Partial<InferenceClaims>])[] = [
    ['receipt.manifest', { manifest: fill(99) }],
    ['receipt.epoch', { epoch: fill(99) }],
    ['receipt.signing-key', { signingKey: fill(99) }],
    ['receipt.graph', { graph: fill(99) }],
    ['receipt.execution', { execution: fill(99) }],
    ['receipt.nonce', { nonce: fill(99) }],
    ['receipt.nonce', { nonce: null }],
    ['receipt.request', { request: fill(99) }],
    ['receipt.response', { response: fill(99) }],
  ];
  for (const [id, changes] of cases) {
    test(`${id}: ${Object.keys(changes)}`, async () => {
      const forged = await forgeExchange(key, enclave, changes);
      assert.deepEqual(await refusals(forged), [id]);
      const code = id.toUpperCase().replace('.', '_').replace('-', '_');
      const appraised = await appraiseInference(forged, enclave);
      assert.throws(() => assertAgrees(appraised), { code });
    });
  }
  test('a model that the manifest does not have', async () => {
    const forged = await forgeExchange(key, enclave, { model: { name: 'other', version: '1' } });
    assert.deepEqual(await refusals(forged), [
      'receipt.model',
      'receipt.graph',
      'receipt.execution',
    ]);
  });
});

test('a name and a version that read as another pair do when they are joined', async () => {
  const forged = await forgeExchange(key, enclave, { model: { name: 'a b', version: '1' } });
  const asked = { ...forged, model: 'a', version: 'b 1' };
  assert.ok((await refusals(asked)).includes('receipt.model'));
});

describe('an exchange that is not the one that was answered', () => {
  const cases: readonly (readonly [string, string, Partial<InferenceExchange>])[] = [
    ['another nonce', 'receipt.nonce', { nonce: fill(99) }],
    ['another model', 'receipt.model', { model: 'other' }],
    ['another version', 'receipt.model', { version: '2' }],
    ['an input changed', 'receipt.request', { inputs: [pair('a', [1, 2.5]), pair('b', [3, 4])] }],
    ['inputs swapped', 'receipt.request', { inputs: [pair('b', [3, 4]), pair('a', [1, 2])] }],
    ['an input dropped', 'receipt.request', { inputs: [pair('a', [1, 2])] }],
    ['an output changed', 'receipt.response', { outputs: [pair('sum', [4, 7])] }],
    ['an output renamed', 'receipt.response', { outputs: [pair('total', [4, 6])] }],
    [
      'an output reshaped',
      'receipt.response',
      { outputs: [{ ...pair('sum', [4, 6]), shape: [1, 2] }] },
    ],
    [
      'an output retyped',
      'receipt.response',
      { outputs: [{ ...pair('sum', [4, 6]), datatype: 'INT32' }] },
    ],
    [
      'big-endian',
      'receipt.response',
      { outputs: [{ ...pair('sum', [4, 6]), data: pair('sum', [4, 6]).data.toReversed() }] },
    ],
    [
      'an output twice',
      'receipt.response',
      { outputs: [pair('sum', [4, 6]), pair('sum', [4, 6])] },
    ],
  ];
  for (const [name, id, changes] of cases) {
    test(name, async () => assert.deepEqual(await refusals({ ...exchange, ...changes }), [id]));
  }
  test('another salt opens neither commitment', async () => {
    const ids = await refusals({ ...exchange, salt: fill(99) });
    assert.deepEqual(ids, ['receipt.request', 'receipt.response']);
  });
  test('an answer as if it were the request', async () => {
    const ids = await refusals({ ...exchange, inputs: exchange.outputs, outputs: exchange.inputs });
    assert.deepEqual(ids, ['receipt.request', 'receipt.response']);
  });
});

describe('receipts that do not hold at all', () => {
  test('signed by another key than the attested one', async () => {
    const forged = await forgeExchange(await forgeKey(), enclave);
    await assert.rejects(appraiseInference(forged, enclave), { code: 'RECEIPT_KEY' });
  });
  test('claims of one inference with the receipt of another', async () => {
    const other = await forgeExchange(key, enclave, { issuedAt: 1 });
    const { claims } = decodeInferenceReceipt(exchange.receipt);
    const { receipt } = decodeInferenceReceipt(other.receipt);
    const mixed = { ...exchange, receipt: encodeInferenceReceipt({ claims, receipt }) };
    await assert.rejects(appraiseInference(mixed, enclave), { code: 'RECEIPT_SIGNATURE' });
  });
  test('bytes behind the receipt', async () => {
    const longer = { ...exchange, receipt: Uint8Array.from([...exchange.receipt, 0]) };
    await assert.rejects(appraiseInference(longer, enclave), { code: 'RECEIPT_ENCODING' });
  });
  test('a salt of 31 bytes', async () => {
    const shorter = { ...exchange, salt: exchange.salt.subarray(1) };
    await assert.rejects(appraiseInference(shorter, enclave), { code: 'RECEIPT_SALT' });
  });
});
