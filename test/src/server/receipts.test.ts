import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MethodDefinition } from '@grpc/grpc-js';
import type { ManifestModel } from '../../../attestation/evidence/manifest-model.js';
import { claimsEntry, decodeClaims, manifestEntry } from '../../../attestation/receipt/claims.js';
import { commitTensors, encodeSalt } from '../../../attestation/receipt/commitment.js';
import { decodeInferenceReceipt } from '../../../attestation/receipt/inference-receipt.js';
import { verifyReceipt } from '../../../attestation/receipt/receipt.js';
import { Issuer } from '../../../enclave/issuer.js';
import { SharedRange } from '../../../enclave/shared-range.js';
import { makeSigningKey } from '../../../enclave/signing-key.js';
import type { LoadedModel } from '../../../src/engine/engine.js';
import type { Tensor } from '../../../src/engine/tensor.js';
import { makeAnnotator } from '../../../src/server/annotate.js';
import { attestedHead } from '../../../src/server/answer-head.js';
import { PREFIX } from '../../../src/server/codec/prefix.js';
import { INFERENCE_SERVICE, loadInference } from '../../../src/server/protocol.js';
import { StatedLoads } from '../../../src/server/stated-loads.js';
import type { InferAnswer } from '../../forge/inference-server.js';

const { ModelInfer } = loadInference()[INFERENCE_SERVICE] as unknown as {
  readonly ModelInfer: MethodDefinition<object, InferAnswer>;
};
const digest = (value: number): Uint8Array => new Uint8Array(32).fill(value);
const model = {
  name: 'adder',
  version: '3',
  graph: digest(1),
  execution: digest(2),
} as ManifestModel;
const stated = { model, manifest: digest(3), epoch: digest(4), signingKey: digest(5) };
const load = { loadId: 7, name: 'adder', version: '3' } as LoadedModel;
const tensor = (name: string, value: number): Tensor => ({
  name,
  datatype: 'FP32',
  shape: [1, 2],
  data: new Uint8Array(8).fill(value),
});
const inputs = [tensor('a', 1), tensor('b', 2)];
const outputs = [tensor('sum', 3)];

const key = makeSigningKey();
const memory = SharedRange.allocate();
const issuer = await Issuer.start(key, manifestEntry(digest(3)), { memory });
const { annotate, seal } = makeAnnotator({
  memory,
  privateKey: key.privateKey,
  keyId: key.id,
});

/** The context of the load at a second. */
function contextAt(seconds: number): Uint8Array {
  const loads = new StatedLoads(() => new Date(seconds * 1000 + 999));
  loads.state(load, stated);
  const context = loads.context(load.loadId);
  assert.ok(context !== undefined);
  return context;
}

test('a worker claims the inference: the load, the second, the nonce, both commitments', () => {
  for (const nonce of [digest(9), null]) {
    const note = nonce ?? new Uint8Array();
    const notes = { context: contextAt(1_800_000_000), note };
    const { salt, entry, claims } = annotate(inputs, outputs, notes);
    assert.deepEqual(decodeClaims(claims), {
      issuedAt: 1_800_000_000,
      nonce,
      epoch: stated.epoch,
      model: { name: 'adder', version: '3' },
      graph: model.graph,
      execution: model.execution,
      request: commitTensors('request', inputs, salt),
      response: commitTensors('response', outputs, salt),
      manifest: stated.manifest,
      signingKey: stated.signingKey,
    });
    assert.deepEqual(new Uint8Array(entry), claimsEntry(claims));
  }
});

test('no two inferences share a salt, and none is zero', () => {
  const notes = { context: contextAt(1), note: new Uint8Array() };
  const salts = new Set([Buffer.alloc(32).toString('hex')]);
  for (let i = 0; i < 300; i++) {
    const { salt } = annotate(inputs, outputs, notes);
    salts.add(Buffer.from(salt).toString('hex'));
  }
  assert.equal(salts.size, 301);
});

test('the context follows the clock and the manifest, and ends with the load', () => {
  let now = 1000;
  const loads = new StatedLoads(() => new Date(now));
  const context = () => decodeClaims(loads.context(load.loadId) ?? new Uint8Array());
  assert.equal(loads.context(load.loadId), undefined);
  loads.state(load, stated);
  assert.equal(context().issuedAt, 1);
  now = 2500;
  assert.equal(context().issuedAt, 2);
  loads.state(load, { ...stated, manifest: digest(66) });
  assert.deepEqual(context().manifest, digest(66));
  loads.forget(load);
  assert.equal(loads.context(load.loadId), undefined);
});

/** The parameters of an answer to which there is no more than its head, as a caller decodes them. */
function parametersOf(head: Uint8Array): ReadonlyMap<string, Buffer> {
  const answer = ModelInfer.responseDeserialize(Buffer.from(head).subarray(PREFIX));
  assert.equal(answer.model_name, 'adder');
  assert.equal(answer.model_version, '3');
  assert.deepEqual(
    answer.outputs.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
    [{ name: 'sum', datatype: 'FP32', shape: ['1', '2'] }],
  );
  assert.deepEqual(answer.raw_output_contents, [Buffer.alloc(8, 3)]);
  return new Map(
    Object.entries(answer.parameters).map(([name, { string_param = '' }]) => [
      name,
      Buffer.from(string_param, 'base64url'),
    ]),
  );
}

test('what leaves a worker together is logged under one head, each answer with its own receipt', async () => {
  const annotations = [1, 2, 3].map((second) =>
    annotate(inputs, outputs, { context: contextAt(second), note: new Uint8Array() }),
  );
  const sealed = seal(annotations);
  issuer.noticed(sealed.notice);
  const before = issuer.counts.entries - annotations.length;
  for (const [i, annotation] of annotations.entries()) {
    const { salt, entry, claims } = annotation;
    const parameters = parametersOf(
      sealed.bytes.subarray(sealed.ends[i - 1] ?? 0, sealed.ends[i] ?? 0),
    );
    const pair = decodeInferenceReceipt(parameters.get('receipt') ?? new Uint8Array());
    assert.deepEqual(Buffer.from(pair.claims), Buffer.from(claims));
    assert.deepEqual(parameters.get('receipt_salt'), Buffer.from(encodeSalt(salt)));
    const { index, head } = await verifyReceipt(pair.receipt, entry, key.publicKey);
    assert.equal(index, before + i);
    assert.equal(head.size, before + annotations.length);
    await verifyReceipt(issuer.inclusion(index), entry, key.publicKey);
  }
});

test('what no worker stated is not answered', () => {
  const inference = { model: load, nonce: undefined };
  const head = (annotation: Uint8Array | undefined): Uint8Array =>
    attestedHead({ ...inference, result: { annotation, outputs } });
  assert.throws(() => head(undefined), { code: 'ENGINE_UNATTESTED' });
  const annotation = digest(1);
  assert.equal(head(annotation), annotation);
});
