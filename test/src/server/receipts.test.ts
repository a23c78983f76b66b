import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ManifestModel } from '../../../attestation/evidence/manifest.js';
import { claimsEntry, decodeClaims } from '../../../attestation/receipt/claims.js';
import { commitTensors } from '../../../attestation/receipt/commitment.js';
import type { LogPlace } from '../../../attestation/receipt/receipt.js';
import type { LoadedModel } from '../../../src/engine/engine.js';
import type { Tensor } from '../../../src/engine/tensor.js';
import { annotate } from '../../../src/server/annotate.js';
import { splitAnnotation } from '../../../src/server/annotation.js';
import { ReceiptRecorder } from '../../../src/server/receipt-recorder.js';
import { StatedLoads } from '../../../src/server/stated-loads.js';

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
    const bytes = annotate(inputs, outputs, { context: contextAt(1_800_000_000), note });
    const { salt, entry, claims } = splitAnnotation(bytes);
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
    const { salt } = splitAnnotation(annotate(inputs, outputs, notes));
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

test('nothing is logged of a load that no manifest has, nor of what no worker stated', async () => {
  const loads = new StatedLoads(() => new Date(0));
  const entries: Uint8Array[] = [];
  const head = { size: 1, keyId: digest(0), root: digest(0) };
  const place = async (entry: Uint8Array): Promise<LogPlace> => {
    entries.push(entry);
    const signed = { ...head, protectedBytes: digest(0), signature: new Uint8Array(64) };
    return { head: signed, index: 0, path: [] };
  };
  const recorder = new ReceiptRecorder({ place }, loads);
  const annotation = annotate(inputs, outputs, { context: contextAt(1), note: digest(9) });
  const refused = { code: 'ENGINE_UNATTESTED' };
  const inference = { model: load, nonce: digest(9), annotation };
  await assert.rejects(recorder.record(inference), refused);
  loads.state(load, stated);
  await assert.rejects(recorder.record({ ...inference, annotation: undefined }), refused);
  assert.equal(entries.length, 0);
  await recorder.record(inference);
  assert.deepEqual(entries, [splitAnnotation(annotation).entry]);
});
