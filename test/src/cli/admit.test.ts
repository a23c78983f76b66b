import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { vectorsDigest } from '../../../attestation/evidence/self-test.js';
import type { AdmissionFinding } from '../../../src/admission/finding.js';
import { tensor } from '../../../src/client/tensor.js';
import { assay } from '../../forge/cli.js';
import { npz } from '../../forge/npz.js';
import { encodeModel, encodeTensor } from '../../forge/onnx.js';
import type { ModelInit, NodeInit, TypeInit } from '../../forge/onnx-init.js';
import { recurrentModel } from '../../forge/trapping-models.js';

const root = await mkdtemp(join(tmpdir(), 'assay-admit-'));
after(() => rm(root, { recursive: true, force: true }));

interface Report {
  readonly outcome: string;
  readonly vectors: string | null;
  readonly findings: readonly AdmissionFinding[];
}

async function admit(...args: readonly string[]): Promise<Report & { readonly code: number }> {
  const { code, out, err } = await assay(['--json', 'admit', ...args]);
  assert.equal(err, '');
  return { code, ...(JSON.parse(out) as Report) };
}

const type: TypeInit = { tensor: 1, shape: ['N', 2] };

/** y = x · w; with w the identity, what comes out is what went in. What other nodes give are outputs too. */
function model(weights: readonly number[], nodes: readonly NodeInit[] = []): ModelInit {
  const given = nodes.flatMap(({ outputs = [] }) => outputs);
  return {
    irVersion: 9,
    opsets: { '': 20 },
    graph: {
      inputs: [{ name: 'x', type }],
      initializers: [{ name: 'w', type: 1, dims: [2, 2], floats: weights }],
      nodes: [{ op: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] }, ...nodes],
      outputs: ['y', ...given].map((name) => ({ name, type })),
    },
  };
}

async function folderOf(
  name: string,
  init: ModelInit,
  vectors?: { readonly input: readonly number[]; readonly output: readonly number[] },
  tolerances?: object,
): Promise<string> {
  const folder = join(root, name);
  await mkdir(join(folder, 'test_data_set_0'), { recursive: true });
  await writeFile(join(folder, 'model.onnx'), encodeModel(init));
  const set = (file: string, floats: readonly number[]) =>
    writeFile(
      join(folder, 'test_data_set_0', file),
      encodeTensor({ type: 1, dims: [floats.length / 2, 2], floats }),
    );
  if (vectors === undefined) await rm(join(folder, 'test_data_set_0'), { recursive: true });
  else {
    await set('input_0.pb', vectors.input);
    await set('output_0.pb', vectors.output);
  }
  if (tolerances !== undefined) {
    await writeFile(join(folder, 'tolerances.json'), JSON.stringify(tolerances));
  }
  return join(folder, 'model.onnx');
}

const outcomes = ({ findings }: Report, outcome: string) =>
  findings.filter((found) => found.outcome === outcome).map(({ rule }) => rule);

const identity = [1, 0, 0, 1];
const vectors = { input: [3, 5], output: [3, 5] };

test('a model that gives the bits of its vectors is admitted', async () => {
  const report = await admit(await folderOf('good', model(identity), vectors));
  assert.equal(report.code, 0);
  assert.equal(report.outcome, 'pass');
  const rules = report.findings.map(({ rule }) => rule);
  for (const rule of ['load', 'memory', 'run', 'repeat', 'threads', 'latency', 'optimisation']) {
    assert.ok(rules.includes(`dynamic.${rule}`), rule);
  }
  assert.ok(rules.includes('quality.test_data_set_0.y'));
});

test('says in numbers what it measured, and what policies call the vectors', async () => {
  const near = { input: [3, 5], output: [3, 5.5] };
  const tolerances = { version: 1, default: { absolute: 1, topK: 1 } };
  const path = await folderOf('measured', model(identity), near, tolerances);
  const report = await admit(path, '--baseline', '1000');
  const measured = (rule: string) =>
    report.findings.find((found) => found.rule === rule)?.measured ?? {};
  const quality = measured('quality.test_data_set_0.y');
  assert.deepEqual(
    [quality['elements'], quality['differing'], quality['maxAbsolute'], quality['meanAbsolute']],
    [2, 1, 0.5, 0.25],
  );
  assert.deepEqual([quality['topKRows'], quality['topKAgree']], [1, 1]);
  assert.equal(measured('dynamic.baseline')['baselineMs'], 1000);
  for (const [rule, name] of [
    ['load', 'loadMs'],
    ['memory', 'memoryBytes'],
    ['latency', 'latencyMs'],
    ['optimisation', 'gain'],
  ] as const) {
    assert.equal(typeof measured(`dynamic.${rule}`)[name], 'number', rule);
  }
  const tensorOf = (name: string, values: readonly number[]) => ({
    name,
    datatype: 'FP32',
    shape: [1, 2],
    data: new Uint8Array(Float32Array.from(values).buffer),
  });
  const sets = [{ inputs: [tensorOf('x', near.input)], outputs: [tensorOf('y', near.output)] }];
  assert.equal(report.vectors, toHex(vectorsDigest(sets, { default: { absolute: 1, topK: 1 } })));
});

test('vectors are folders, folders of folders, and npz files', async () => {
  const path = await folderOf('forms', model(identity), vectors);
  const folder = join(root, 'forms');
  const pair = (name: string, values: readonly number[]) => tensor(name, 'FP32', values, [1, 2]);
  await writeFile(join(folder, 'good.npz'), npz([pair('x', [1, 2]), pair('y', [1, 2])], 8));
  await writeFile(join(folder, 'bad.npz'), npz([pair('x', [1, 2]), pair('y', [2, 1])], 0));
  const forms = ['test_data_set_0', '', 'good.npz'].map((name) => join(folder, name));
  for (const form of forms)
    assert.equal((await admit(path, '--vectors', form)).outcome, 'pass', form);
  const both = forms.flatMap((form) => ['--vectors', form]);
  const report = await admit(path, ...both, '--vectors', join(folder, 'bad.npz'));
  assert.deepEqual(outcomes(report, 'refuse'), ['quality.bad.y']);
  const { code, err } = await assay([
    'admit',
    path,
    '--vectors',
    join(folder, 'model.onnx'),
    '--json',
  ]);
  assert.deepEqual([code, JSON.parse(err).error.code], [2, 'USAGE_FILE']);
});

test('an operator that nothing executes is named with every node that uses it', async () => {
  const foreign = (name: string): NodeInit => ({
    name,
    op: 'Fancy',
    domain: 'example.custom',
    inputs: ['x'],
    outputs: [name],
  });
  const given = model(identity, [foreign('one'), foreign('two')]);
  const opsets = { '': 20, 'example.custom': 1 };
  const report = await admit(await folderOf('foreign', { ...given, opsets }));
  const refused = report.findings.filter(({ outcome }) => outcome === 'refuse');
  assert.deepEqual(
    refused.map(({ rule, nodes, count }) => [rule, nodes, count]),
    [['static.operator', ['Fancy "one"', 'Fancy "two"'], 2]],
  );
  assert.match(refused[0]?.message ?? '', /^example\.custom\.Fancy: operators of custom libraries/);
});

test('a model without vectors runs on samples', async () => {
  const report = await admit(await folderOf('samples', model(identity)));
  assert.equal(report.code, 0);
  const ran = report.findings.find(({ rule }) => rule === 'dynamic.run');
  assert.match(ran?.message ?? '', /made up/);
});

const none = { input: [], output: [] };
const emptiness = ({ findings }: Report) =>
  findings
    .filter(({ rule }) => rule === 'dynamic.empty')
    .map(({ outcome, nodes }) => [outcome, nodes]);

test('vectors that a node would refuse for having no elements are a warning', async () => {
  const report = await admit(await folderOf('empty', model(identity), none));
  assert.deepEqual([report.code, report.outcome], [0, 'warn']);
  assert.deepEqual(outcomes(report, 'warn'), ['dynamic.empty']);
  assert.deepEqual(emptiness(report), [['warn', ['test_data_set_0: x [0,2]']]]);
  const [found] = report.findings.filter(({ rule }) => rule === 'dynamic.empty');
  assert.match(found?.message ?? '', /MODEL_SELF_TEST.*allowEmptyTensors$/);
});

test('inputs that the signature says have no elements are none of the vectors’ making', async () => {
  const init = model(identity);
  const inputs = [{ name: 'x', type: { tensor: 1, shape: [0, 2] } }];
  const path = await folderOf('always', { ...init, graph: { ...init.graph, inputs } }, none);
  assert.deepEqual(emptiness(await admit(path)), [['pass', []]]);
});

test('vectors without elements that end the runtime are named before what they do', async () => {
  const path = await folderOf('recurrent', model(identity), none);
  await writeFile(path, recurrentModel());
  const input = encodeTensor({ type: 1, dims: [1, 0, 1], floats: [] });
  await writeFile(join(root, 'recurrent', 'test_data_set_0', 'input_0.pb'), input);
  const report = await admit(path);
  assert.deepEqual(emptiness(report), [['warn', ['test_data_set_0: x [1,0,1]']]]);
  assert.deepEqual([report.code, outcomes(report, 'refuse')], [1, ['dynamic.run']]);
  const [run] = report.findings.filter(({ rule }) => rule === 'dynamic.run');
  assert.match(run?.message ?? '', /^it loads, but its vectors end .* ended the process \(SIG/);
});

test('vectors that expect no output are no package’s, and a warning where they are named', async () => {
  const path = await folderOf('idle', model(identity), vectors);
  const set = join(root, 'idle', 'test_data_set_0');
  await rm(join(set, 'output_0.pb'));
  const { code, err } = await assay(['--json', 'admit', path]);
  assert.deepEqual([code, JSON.parse(err).error.code], [1, 'MODEL_VECTORS']);
  const report = await admit(path, '--vectors', set);
  assert.deepEqual([report.code, outcomes(report, 'warn')], [0, ['quality.test_data_set_0.y']]);
});

test('vectors beside several models are nobody’s until they are named', async () => {
  const path = await folderOf('several', model(identity), vectors);
  await writeFile(join(path, '..', 'other.onnx'), encodeModel(model(identity)));
  for (const command of ['admit', 'inspect']) {
    const { code, err } = await assay([command, path]);
    assert.equal(code, 1);
    assert.match(err, /error MODEL_VECTORS: expected one model .*\(model\.onnx, other\.onnx\)/);
  }
  const named = await admit(path, '--vectors', join(path, '..', 'test_data_set_0'));
  assert.equal(named.code, 0);
});

test('permuted weights are refused for the output that they spoil', async () => {
  const report = await admit(await folderOf('permuted', model([0, 1, 1, 0]), vectors));
  assert.equal(report.code, 1);
  assert.deepEqual(outcomes(report, 'refuse'), ['quality.test_data_set_0.y']);
});

test('declared tolerances decide, and the baseline is compared', async () => {
  const near = { input: [3, 5], output: [3, 5.01] };
  const strict = { version: 1, default: { absolute: 0.001 } };
  const wide = {
    version: 1,
    default: { absolute: 0.02 },
    baseline: { latency: 100_000, note: 'slow on purpose' },
  };
  const refused = await admit(await folderOf('strict', model(identity), near, strict));
  assert.deepEqual(outcomes(refused, 'refuse'), ['quality.test_data_set_0.y']);
  const admitted = await admit(await folderOf('wide', model(identity), near, wide));
  assert.equal(admitted.outcome, 'pass');
  assert.ok(admitted.findings.some(({ rule }) => rule === 'dynamic.baseline'));
});

test('tolerances of an output that the model has not are no tolerances', async () => {
  const strict = { version: 1, default: { absolute: 1 }, outputs: { Y: {} } };
  const path = await folderOf('misspelt', model(identity), vectors, strict);
  const file = join(root, 'misspelt', 'tolerances.json');
  for (const [named, ...expected] of [
    [[], 1, 'HUB_TOLERANCES'],
    [['--tolerances', file], 2, 'USAGE_FILE'],
  ] as const) {
    const { code, err } = await assay(['--json', 'admit', path, ...named]);
    const { error } = JSON.parse(err);
    assert.deepEqual([code, error.code], expected);
    assert.match(error.message, /of the model \("y"\), not for "Y"$/);
  }
});

test('tolerances that are not there, or are none, are a wrong call', async () => {
  const path = await folderOf('undeclared', model(identity), vectors);
  for (const file of [join(root, 'none'), path]) {
    const { code, err } = await assay(['--json', 'admit', path, '--tolerances', file]);
    assert.deepEqual([code, JSON.parse(err).error.code], [2, 'USAGE_FILE']);
  }
});

test('what only loading tells is told in the runtime’s words', async () => {
  const unknown: NodeInit = {
    op: 'Relu',
    inputs: ['x'],
    outputs: ['z'],
    attributes: { no: { i: 1 } },
  };
  const report = await admit(await folderOf('attribute', model(identity, [unknown])));
  assert.deepEqual(outcomes(report, 'refuse'), ['dynamic.load']);
  const [load] = report.findings.filter(({ rule }) => rule === 'dynamic.load');
  assert.match(load?.message ?? '', /Unrecognized attribute: no/);
});

test('what the file refuses is not run, nor is anything with --static', async () => {
  const random: NodeInit = { op: 'RandomNormalLike', inputs: ['x'], outputs: ['z'] };
  const refused = await admit(await folderOf('random', model(identity, [random])));
  assert.deepEqual(outcomes(refused, 'refuse'), ['static.random']);
  const still = await admit(await folderOf('static', model(identity), vectors), '--static');
  for (const { findings } of [refused, still]) {
    assert.ok(findings.every(({ rule }) => rule.startsWith('static.')));
  }
});
