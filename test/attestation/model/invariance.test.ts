import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { identifyModel, type ModelIdentity } from '../../../attestation/model/identity.js';
import { encodeModel } from '../../forge/onnx.js';
import { parseModel } from '../../forge/parse-model.js';
import { randomFrom } from '../../forge/random.js';
import { randomModel } from '../../forge/random-model.js';
import { type Rewritten, rewritings } from '../../forge/rewritings.js';
import { mapTensors, toRaw } from '../../forge/transform-model.js';
import { fc } from '../../property.js';
import { repositoryRoot } from '../../vectors.js';

const sha256 = () => createHash('sha256');

function identify({ model, style, external }: Rewritten): ModelIdentity {
  return identifyModel(
    { path: 'model.onnx', bytes: encodeModel(model, style), external: external ?? new Map() },
    { sha256 },
  );
}

for (const { name, keepsWeights, rewrite } of rewritings) {
  test(`the graph digest does not change with ${name}`, () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = randomFrom(seed);
        const model = randomModel(random);
        const before = identify({ model });
        const after = identify(rewrite(model, random));
        assert.equal(toHex(after.graph), toHex(before.graph));
        if (keepsWeights) assert.equal(toHex(after.weights), toHex(before.weights));
      }),
      { numRuns: 150, seed: 20261121 },
    );
  });
}

const assets = join(repositoryRoot, 'node_modules', '@gutenye', 'ocr-models', 'assets');

/** Models as PaddlePaddle's exporter wrote them, and what they must always be called. */
const exported = {
  'ch_PP-OCRv4_det_infer.onnx': [
    'c863fa172650f520e8fa1a0a857d2e301de86d138497cf0e45e32187cc0cf17e',
    '92bbdd169c43e9b3502ea790bb7a00c6b7ee4286fa2a1cc6327ad6a9f467812e',
  ],
  'ch_PP-OCRv4_rec_infer.onnx': [
    'f09e13b90490087e49b0de66adc9ab4bdc02aea4f3f904c6a8fea450219b58f8',
    'e06921a1c42695ce7a752b10dadf99eb6ff24af21615c35f20243fedee7c5c55',
  ],
  'ch_ppocr_mobile_v2.0_cls_infer.onnx': [
    '3c6616a116b3b3eee13283e2db8394e41f67f00bd99f899c9eba4279a8a6a6cf',
    '479a518452f261f34aeff30d70db8e76dca2e8d520b6d9c8bfc75770b16ec6c0',
  ],
} as const;

for (const [file, [graph, weights]] of Object.entries(exported)) {
  const bytes = readFileSync(join(assets, file));

  test(`${file} keeps its digests through every rewriting`, () => {
    const original = identifyModel({ path: file, bytes }, { sha256 });
    assert.equal(toHex(original.graph), graph);
    assert.equal(toHex(original.weights), weights);
    const model = parseModel(bytes);
    for (const { name, keepsWeights, rewrite } of [
      { name: 'nothing', keepsWeights: true, rewrite: () => ({ model }) },
      ...rewritings,
    ]) {
      const random = randomFrom(20261121);
      const after = identify(rewrite(model, random));
      assert.equal(toHex(after.graph), graph, name);
      if (keepsWeights) assert.equal(toHex(after.weights), weights, name);
    }
  });

  test(`${file} has another graph with one bit of one weight flipped`, () => {
    const model = parseModel(bytes);
    let left = 40;
    const changed = mapTensors(model, (tensor) => {
      left -= 1;
      const { raw, ...rest } = toRaw(tensor);
      if (left !== 0 || raw === undefined) return tensor;
      const flipped = new Uint8Array(raw);
      flipped[raw.length - 1] = (flipped[raw.length - 1] ?? 0) ^ 1;
      return { ...rest, raw: flipped };
    });
    assert.ok(left <= 0);
    assert.notEqual(toHex(identify({ model: changed }).graph), graph);
    assert.notEqual(toHex(identify({ model: changed }).weights), weights);
  });
}
