import assert from 'node:assert/strict';
import { test } from 'node:test';
import { identifyModel } from '../../../attestation/model/identity.js';
import { sampleSets } from '../../../src/admission/trial.js';
import { encodeModel } from '../../forge/onnx.js';

type Dims = readonly (number | string | null)[];

/** The shapes of each made-up set, for inputs of these dimensions. */
function shapesOf(inputs: Readonly<Record<string, Dims>>): (readonly number[])[][] {
  const bytes = encodeModel({
    irVersion: 9,
    opsets: { '': 20 },
    graph: {
      inputs: Object.entries(inputs).map(([name, shape]) => ({ name, type: { tensor: 1, shape } })),
      nodes: [{ op: 'Relu', inputs: [Object.keys(inputs)[0] ?? ''], outputs: ['y'] }],
      outputs: [{ name: 'y', type: { tensor: 1 } }],
    },
  });
  const sets = sampleSets(identifyModel({ path: 'model.onnx', bytes }));
  return sets.map((set) => set.inputs.map(({ shape }) => shape));
}

test('fixed inputs are made up once, in batches of one', () => {
  assert.deepEqual(shapesOf({ x: ['N', 2], s: [] }), [[[1, 2], []]]);
});

test('open dimensions get several sizes, but not what is called as the batch is', () => {
  const sets = shapesOf({ x: ['batch', 'time'], state: [2, 'batch', 128] });
  assert.ok(sets.length > 1);
  for (const [x, state] of sets) {
    assert.deepEqual(x?.[0], 1);
    assert.deepEqual(state, [2, 1, 128]);
  }
  assert.equal(new Set(sets.map(([x]) => x?.[1])).size, sets.length);
});

test('dimensions without a name are no batch', () => {
  const sets = shapesOf({ x: [null, null] });
  assert.ok(sets.some(([x]) => x?.[1] === 512));
});

test('dimensions without a name in later inputs are tried as the batch as well', () => {
  const sets = shapesOf({ x: [null, null], state: [2, null, 128], rate: [] });
  const shapes = sets.map((set) => JSON.stringify(set));
  assert.ok(shapes.includes('[[1,512],[2,512,128],[]]'));
  assert.ok(shapes.includes('[[1,512],[2,1,128],[]]'));
  assert.equal(new Set(shapes).size, shapes.length, 'no set is tried twice');
});
