import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { assay } from '../../forge/cli.js';
import { encodeModel } from '../../forge/onnx.js';
import type { ModelInit, TensorInit } from '../../forge/onnx-init.js';

const folder = await mkdtemp(join(tmpdir(), 'assay-diff-'));
after(() => rm(folder, { recursive: true }));

interface Choices {
  readonly inputs?: readonly string[];
  readonly output?: string;
  readonly shape?: readonly (number | string)[];
  readonly opset?: number;
  readonly alpha?: number;
  readonly op?: string;
  readonly weight?: TensorInit;
  readonly producer?: string;
  readonly inner?: string;
}

const floats: TensorInit = { name: 'w', type: 1, dims: [2], floats: [1, 2] };

/** y = alpha-activation(a − b) + w */
function model(choices: Choices = {}): ModelInit {
  const { inputs = ['a', 'b'], output = 'y', shape = [2], inner = 'd' } = choices;
  const { opset = 18, alpha = 0.5, op = 'LeakyRelu', weight = floats } = choices;
  const type = { tensor: 1, shape: [2] };
  return {
    producer: [choices.producer ?? 'one', '1'],
    opsets: { '': opset },
    graph: {
      inputs: inputs.map((name) => ({ name, type })),
      initializers: [weight],
      nodes: [
        { op: 'Sub', inputs: ['a', 'b'], outputs: [inner] },
        { op, inputs: [inner], outputs: ['r'], attributes: { alpha: { f: alpha } } },
        { op: 'Add', inputs: ['r', weight.name ?? 'w'], outputs: [output] },
      ],
      outputs: [{ name: output, type: { tensor: 1, shape } }],
    },
  };
}

const raw = (values: readonly number[]): Uint8Array =>
  new Uint8Array(Float32Array.from(values).buffer);

async function diff(changes: Choices) {
  const [a, b] = [join(folder, 'a.onnx'), join(folder, 'b.onnx')];
  await writeFile(a, encodeModel(model()));
  await writeFile(b, encodeModel(model(changes)));
  const { code, out } = await assay(['diff', a, b, '--json']);
  return { code, found: JSON.parse(out), text: (await assay(['diff', a, b])).out };
}

describe('assay diff', () => {
  test('says of the same bytes that they are', async () => {
    const { code, found } = await diff({});
    assert.deepEqual([code, found.verdict], [0, 'same bytes']);
  });

  const rewritings: readonly (readonly [string, Choices])[] = [
    ['another producer', { producer: 'two' }],
    ['another name of an inner value', { inner: 'difference' }],
    ['weights as raw data', { weight: { name: 'w', type: 1, dims: [2], raw: raw([1, 2]) } }],
    ['another name of a weight', { weight: { ...floats, name: 'v' } }],
  ];
  for (const [name, changes] of rewritings) {
    test(`${name}: the same computation in other bytes`, async () => {
      const { code, found, text } = await diff(changes);
      assert.deepEqual([code, found.verdict], [0, 'same computation in other bytes']);
      assert.deepEqual([found.differences, found.changedWeights], [[], []]);
      assert.match(text, /^same computation in other bytes\n/);
    });
  }

  test('an attribute: both values, and of which node', async () => {
    const { code, found } = await diff({ alpha: 0.25 });
    assert.deepEqual([code, found.verdict], [1, 'another computation']);
    assert.deepEqual(found.differences, [
      { kind: 'attribute', at: 'alpha of LeakyRelu "r"', a: '0.5', b: '0.25' },
    ]);
  });

  test('a weight: which, and how far', async () => {
    const { found, text } = await diff({ weight: { ...floats, floats: [1, 2.5] } });
    const [weight] = found.changedWeights;
    assert.deepEqual([weight.a, weight.b], ['w', 'w']);
    assert.deepEqual([weight.distance.differing, weight.distance.first], [1, 1]);
    assert.equal(weight.distance.numeric.maxAbsolute, 0.5);
    assert.match(text, /w {2}FLOAT \[2\] {2}1 of 2 elements {2}at most 0\.500 absolute/);
  });

  test('a weight of another type', async () => {
    const weight: TensorInit = { name: 'w', type: 11, dims: [2], raw: new Uint8Array(16) };
    const { found } = await diff({ weight });
    const [changed] = found.changedWeights;
    assert.deepEqual([changed.shapeOfA, changed.shapeOfB], ['FLOAT [2]', 'DOUBLE [2]']);
    assert.equal(changed.distance, null);
  });

  test('an operator', async () => {
    const { found } = await diff({ op: 'Elu' });
    assert.deepEqual(found.differences, [
      { kind: 'operator', at: 'input 0 of Add "y"', a: 'LeakyRelu "r"', b: 'Elu "r"' },
    ]);
    assert.deepEqual(
      found.operators.map(({ name }: { name: string }) => name),
      ['ai.onnx LeakyRelu', 'ai.onnx Elu'],
    );
  });

  const entries: readonly (readonly [string, Choices, string, unknown])[] = [
    ['an opset', { opset: 16 }, 'opsets', [{ name: 'ai.onnx', a: '18', b: '16' }]],
    [
      'the shape of an output',
      { shape: ['N'] },
      'outputs',
      [{ name: 'y', a: 'tensor(float) [2]', b: 'tensor(float) [N]' }],
    ],
    [
      'the name of an output',
      { output: 'z' },
      'outputs',
      [
        { name: 'y', a: 'tensor(float) [2]', b: null },
        { name: 'z', a: null, b: 'tensor(float) [2]' },
      ],
    ],
    [
      'the order of inputs',
      { inputs: ['b', 'a'] },
      'inputs',
      [
        { name: 'a', a: 'number 1, tensor(float) [2]', b: 'number 2, tensor(float) [2]' },
        { name: 'b', a: 'number 2, tensor(float) [2]', b: 'number 1, tensor(float) [2]' },
      ],
    ],
  ];
  for (const [name, changes, member, expected] of entries) {
    test(`${name}: another computation`, async () => {
      const { code, found } = await diff(changes);
      assert.deepEqual([code, found.verdict], [1, 'another computation']);
      assert.deepEqual(found[member], expected);
    });
  }

  test('says which of the two is no model, or is not there', async () => {
    const [a, b] = [join(folder, 'a.onnx'), join(folder, 'none.onnx')];
    await writeFile(a, encodeModel(model()));
    await writeFile(b, 'none');
    for (const paths of [
      [a, b],
      [b, a],
    ]) {
      const { code, err } = await assay(['diff', ...paths, '--json']);
      const { error } = JSON.parse(err);
      assert.deepEqual([code, error.code], [1, 'MODEL_FIELD_UNKNOWN']);
      assert.ok(error.message.startsWith(`${b}: `), error.message);
    }
    const absent = join(folder, 'absent.onnx');
    const { err } = await assay(['diff', a, absent, '--json']);
    assert.equal(JSON.parse(err).error.message, `cannot read ${absent}: expected a readable file`);
  });
});
