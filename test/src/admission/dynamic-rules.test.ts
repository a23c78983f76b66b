import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { analyseModel } from '../../../attestation/model/identity.js';
import { dynamicFindings } from '../../../src/admission/dynamic-rules.js';
import { linkRule } from '../../../src/admission/link-rule.js';
import { staticFindings } from '../../../src/admission/static-rules.js';
import type { TestSet } from '../../../src/admission/test-sets.js';
import { tensor } from '../../../src/client/tensor.js';
import { encodeModel } from '../../forge/onnx.js';
import { repositoryRoot } from '../../vectors.js';

const folder = await mkdtemp(join(tmpdir(), 'assay-dynamic-'));
after(() => rm(folder, { recursive: true }));

/** Divides integers: the least of all by -1 makes the processor end the process (SIGFPE). */
const divider = encodeModel({
  irVersion: 9,
  opsets: { '': 20 },
  graph: {
    inputs: ['a', 'b'].map((name) => ({ name, type: { tensor: 7, shape: [8] } })),
    nodes: [{ op: 'Div', inputs: ['a', 'b'], outputs: ['y'] }],
    outputs: [{ name: 'y', type: { tensor: 7 } }],
  },
});

/** Draws random numbers. */
const unsteady = encodeModel({
  irVersion: 9,
  opsets: { '': 20 },
  graph: {
    inputs: [{ name: 'x', type: { tensor: 1, shape: [4] } }],
    nodes: [{ op: 'RandomUniformLike', inputs: ['x'], outputs: ['y'] }],
    outputs: [{ name: 'y', type: { tensor: 1, shape: [4] } }],
  },
});

async function findings(sets: readonly TestSet[], sampled: boolean, bytes = divider) {
  const model = join(folder, 'model.onnx');
  await writeFile(model, bytes);
  const found = await dynamicFindings({
    model,
    sets,
    sampled,
    tolerances: null,
    baseline: null,
    opset: null,
  });
  return found.map(({ rule, outcome }) => `${outcome} ${rule}`);
}

function division(dividend: bigint, divisor: bigint, result: bigint): TestSet {
  const of = (name: string, value: bigint) => tensor(name, 'INT64', Array(8).fill(value));
  return {
    name: 'reference',
    inputs: [of('a', dividend), of('b', divisor)],
    outputs: [of('y', result)],
  };
}
const fatal = division(-(2n ** 63n), -1n, 0n);

test('inputs that nobody meant for a model and that end the runtime are a warning', async () => {
  assert.deepEqual(await findings([fatal], true), ['warn dynamic.run']);
});

test('references that end the runtime refuse the model, others are measured', async () => {
  assert.deepEqual(await findings([fatal], false), ['refuse dynamic.run']);
  const good = await findings([division(6n, 3n, 2n)], false);
  assert.ok(good.includes('pass quality.reference.y'));
  assert.ok(
    good.every((found) => found.startsWith('pass')),
    good.join(),
  );
});

test('inputs that do not run are a warning where they are made up, and refuse a model where they are its own', async () => {
  const zero = division(6n, 0n, 2n);
  assert.deepEqual(
    (await findings([zero], true)).filter((found) => !found.startsWith('pass')),
    ['warn dynamic.run'],
  );
  for (const sets of [[zero], [division(6n, 3n, 2n), zero]]) {
    const found = await findings(sets, false);
    assert.deepEqual(
      found.filter((each) => !each.startsWith('pass')),
      ['refuse dynamic.run'],
    );
  }
  const mixed = await findings([division(6n, 3n, 2n), zero], true);
  assert.ok(mixed.includes('pass dynamic.run'));
});

test('a model that answers the same inputs with other bits is refused', async () => {
  const set = { name: 'drawn', inputs: [tensor('x', 'FP32', [0, 0, 0, 0])], outputs: [] };
  const found = await findings([set], true, unsteady);
  assert.deepEqual(
    found.filter((each) => !each.startsWith('pass')),
    ['refuse dynamic.repeat', 'warn dynamic.threads'],
  );
});

test('the page on admission has every rule that a model meets', async () => {
  const page = await readFile(join(repositoryRoot, 'docs', 'admission.md'), 'utf8');
  const analysis = analyseModel({ path: 'model.onnx', bytes: divider });
  const judged = [...staticFindings(analysis), await linkRule('model.onnx', analysis.identity)];
  const rules = [
    ...judged.map(({ rule }) => rule),
    ...(await findings([division(6n, 3n, 2n)], false)).map((found) => found.split(' ')[1] ?? ''),
  ];
  assert.ok(rules.length > 15);
  const missing = rules.filter(
    (rule) => !rule.startsWith('quality.') && !page.includes(`\`${rule}\``),
  );
  assert.deepEqual(missing, []);
});
