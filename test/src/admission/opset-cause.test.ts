import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { analyseModel } from '../../../attestation/model/identity.js';
import { dynamicFindings } from '../../../src/admission/dynamic-rules.js';
import type { AdmissionFinding } from '../../../src/admission/finding.js';
import { changeOf, otherMeanings } from '../../../src/admission/operators.js';
import { opsetUseOf } from '../../../src/admission/opset-cause.js';
import { setOpset } from '../../../src/admission/opset-import.js';
import type { TestSet } from '../../../src/admission/test-sets.js';
import { sampleSets } from '../../../src/admission/trial.js';
import { tensor } from '../../../src/client/tensor.js';
import { encodeModel } from '../../forge/onnx.js';
import type { NodeInit, TensorInit } from '../../forge/onnx-init.js';

const folder = await mkdtemp(join(tmpdir(), 'assay-opset-'));
after(() => rm(folder, { recursive: true }));

/** One node over an input of 2 by 2 by 2, imported as `opset`. */
function model(
  opset: number,
  nodes: readonly NodeInit[],
  initializers: readonly TensorInit[] = [],
) {
  return encodeModel({
    irVersion: 7,
    opsets: { 'com.example': 3, '': opset },
    graph: {
      inputs: [{ name: 'x', type: { tensor: 1, shape: [2, 2, 2] } }],
      nodes,
      initializers,
      outputs: [{ name: 'y', type: { tensor: 1 } }],
    },
  });
}

const softmax: NodeInit = {
  op: 'Softmax',
  inputs: ['x'],
  outputs: ['y'],
  attributes: { axis: { i: 1 } },
};
const squeeze: NodeInit = { op: 'ReduceMean', inputs: ['x', 'axes'], outputs: ['y'] };
const axes: TensorInit = { name: 'axes', type: 7, dims: [1], int64s: [1n] };

/** Equal elements: half each along one axis of two, a quarter each over four. */
function softmaxSet(expected: number): TestSet {
  return {
    name: 'reference',
    inputs: [tensor('x', 'FP32', new Float32Array(8), [2, 2, 2])],
    outputs: [tensor('y', 'FP32', new Float32Array(8).fill(expected), [2, 2, 2])],
  };
}

async function refusals(bytes: Uint8Array, set?: TestSet): Promise<readonly AdmissionFinding[]> {
  const path = join(folder, 'model.onnx');
  await writeFile(path, bytes);
  const analysis = analyseModel({ path: 'model.onnx', bytes });
  const found = await dynamicFindings({
    model: path,
    sets: set === undefined ? sampleSets(analysis.identity) : [set],
    sampled: set === undefined,
    tolerances: null,
    baseline: null,
    opset: opsetUseOf(analysis),
  });
  return found.filter(({ outcome }) => outcome === 'refuse');
}

describe('the import of another opset than the nodes were written for', () => {
  const cases = [
    ['lowered', 12, 0.5, 13, 'Softmax, of opset 11 and of opset 13'],
    ['raised', 13, 0.25, 12, 'Softmax, of opset 13 and of opset 11'],
  ] as const;
  for (const [name, imported, expected, written, changed] of cases) {
    test(`${name}: Softmax gives other numbers, and the cause is named`, async () => {
      const found = await refusals(model(imported, [softmax]), softmaxSet(expected));
      assert.deepEqual(
        found.map(({ rule }) => rule),
        ['quality.reference.y', 'dynamic.opset'],
      );
      assert.match(
        found[1]?.message ?? '',
        new RegExp(`^read as opset ${written} instead of ${imported}`),
      );
      assert.deepEqual(found[1]?.nodes, [changed]);
    });
  }

  test('a model that does not load under its import is told the one under which it does', async () => {
    const found = await refusals(model(13, [squeeze], [axes]));
    assert.deepEqual(
      found.map(({ rule }) => rule),
      ['dynamic.load', 'dynamic.opset'],
    );
    assert.match(found[1]?.message ?? '', /^read as opset 18 instead of 13 the model loads/);
  });

  test('nothing is named where no version meets the references', async () => {
    const found = await refusals(model(12, [softmax]), softmaxSet(0.75));
    assert.deepEqual(
      found.map(({ rule }) => rule),
      ['quality.reference.y'],
    );
  });
});

test('versions of other meanings: newer upwards, then older downwards, one of each run', () => {
  assert.deepEqual(otherMeanings(['Softmax'], 12), [13, 10]);
  assert.deepEqual(otherMeanings(['Softmax', 'ReduceMean'], 11), [13, 18, 10]);
  assert.deepEqual(otherMeanings(['Gelu'], 20), [], 'an operator that the older ones have not got');
  assert.equal(changeOf('Softmax', 13, 26), undefined);
});

test('the import is changed and nothing else', () => {
  const bytes = model(12, [softmax]);
  setOpset(bytes, 13);
  assert.deepEqual(bytes, model(13, [softmax]));
});
