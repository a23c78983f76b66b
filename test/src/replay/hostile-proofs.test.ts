import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { before, describe, test } from 'node:test';
import { toPem } from '../../../attestation/encoding/pem.js';
import { identifyModel } from '../../../attestation/model/identity.js';
import { TileFiles } from '../../../enclave/tile-files.js';
import { type Tensor, tensor } from '../../../src/client/tensor.js';
import { executionFacts } from '../../../src/engine/profile.js';
import { assay } from '../../forge/cli.js';
import { bootOptions, bootServing, launch, rootsOf } from '../../forge/enclave.js';
import { loopModel } from '../../forge/inference-models.js';
import { dataType } from '../../forge/onnx.js';
import { servedPolicy } from '../../forge/served-policy.js';
import { testFolder } from '../../forge/test-folder.js';
import { divisionModel, recurrentModel } from '../../forge/trapping-models.js';
import { writtenProof } from '../../forge/written-proofs.js';

const { at, trust } = testFolder();

const profile = await executionFacts();
const models = {
  recurrent: recurrentModel(),
  division: divisionModel(dataType.int64),
  loop: loopModel(),
};
const platform = await launch('sev-snp', null);
const archive = new TileFiles(at('log'), (error) => {
  throw error;
});
const served = Object.entries(models).map(([name, bytes]) => ({
  name,
  version: '1',
  identity: identifyModel({ path: `${name}.onnx`, bytes }),
  profile,
}));
const enclave = await bootServing(
  bootOptions(platform, served, { launchPolicy: null, log: () => ({ archive }) }),
);

const integers = (name: string, ...values: bigint[]): Tensor =>
  tensor(name, 'INT64', values, [values.length]);
const division = (p: bigint, q: bigint) => [integers('p', p), integers('q', q)];
const quotient = (value: bigint, rest: bigint) => [integers('Div', value), integers('Mod', rest)];
const least = -(2n ** 63n);
const noRows: Tensor = { name: 'x', datatype: 'FP32', shape: [2, 0, 1], data: new Uint8Array() };
const half: Tensor = { ...integers('p', 6n), data: new Uint8Array(4) };

type Model = keyof typeof models;
type Answer = readonly [model: Model, inputs: readonly Tensor[], outputs: readonly Tensor[]];
const answers: { readonly [name: string]: Answer } = {
  honest: ['division', division(7n, 3n), quotient(2n, 1n)],
  lie: ['division', division(7n, 3n), quotient(3n, 1n)],
  'traps.1': ['division', division(least, -1n), quotient(least, 0n)],
  'traps.2': ['division', division(least, -1n), quotient(least, 0n)],
  'no-rows': ['recurrent', [noRows], [{ ...noRows, name: 'y', shape: [2, 1, 0, 1] }]],
  endless: ['loop', [integers('input', 2n ** 62n)], [tensor('output', 'FP32', [1], [1])]],
  zero: ['division', division(7n, 0n), quotient(0n, 0n)],
  'no-tensor': ['division', [half, integers('q', 3n)], quotient(2n, 0n)],
  'other-inputs': ['division', [integers('p', 7n)], quotient(2n, 0n)],
  'other-outputs': ['division', division(7n, 3n), [integers('Quotient', 2n)]],
};

before(async () => {
  await mkdir(at('proofs'));
  for (const [name, bytes] of Object.entries(models)) await writeFile(at(`${name}.onnx`), bytes);
  for (const [name, answer] of Object.entries(answers)) {
    await writeFile(at('proofs', `${name}.proof`), await writtenProof(enclave, ...answer));
  }
  await enclave.issuer.flush();
  const policy = servedPolicy(enclave);
  const [root = new Uint8Array()] = rootsOf(platform);
  await writeFile(at('policy.json'), JSON.stringify(policy));
  await writeFile(at('root.pem'), toPem(root, 'CERTIFICATE'));
});

const using = (...names: readonly Model[]): string[] =>
  names.flatMap((name) => ['--model', at(`${name}.onnx`)]);
const proof = (name: string): string => at('proofs', `${name}.proof`);

async function replay(names: readonly string[], ...more: readonly string[]) {
  const { code, out, err } = await assay(['replay', ...names.map(proof), ...trust(), ...more]);
  return { code, out, err };
}

describe('a proof that is affirmed, and whose request', () => {
  const cases: readonly (readonly [string, string, Model, RegExp])[] = [
    ['ends the runtime: a trap', 'traps.1', 'division', /^the runtime ended the process \(SIG/],
    ['ends the runtime: no rows', 'no-rows', 'recurrent', /^the runtime ended the process \(SIG/],
    ['never ends', 'endless', 'loop', /^no result after 4 s$/],
    ['divides by zero', 'zero', 'division', /an integer is divided by zero$/],
    [
      'has a tensor that is none',
      'no-tensor',
      'division',
      /^tensor "p": expected 8 bytes for INT64 \[1\], not 4$/,
    ],
    ['is of other inputs', 'other-inputs', 'division', /./],
    ['is of other outputs', 'other-outputs', 'division', /./],
  ];
  for (const [what, name, model, reason] of cases) {
    test(`${what} is told, and could not be checked`, async () => {
      const limit = name === 'endless' ? ['--max-run', '4'] : [];
      const { code, out, err } = await replay([name], ...using(model), ...limit, '--json');
      assert.equal(err, '');
      const [row] = JSON.parse(out).replays;
      assert.deepEqual(
        [code, row.verdict, row.relation, row.profile],
        [3, 'not-executed', null, null],
      );
      assert.equal(row.evidence.verdict, 'affirmed');
      assert.match(row.failure, reason);
    });
  }

  test('ends the runtime is told to people', async () => {
    const { out } = await replay(['traps.1'], ...using('division'));
    assert.match(
      out,
      /^NOT EXECUTED \(SIMULATED\) .*traps\.1\.proof: the runtime ended the process/,
    );
  });

  test('ends the runtime keeps no other from being executed', async () => {
    const names = ['traps.1', 'honest', 'zero', 'traps.2', 'lie', 'honest'];
    const { code, out } = await replay(names, ...using('division'), '--json');
    assert.deepEqual(
      JSON.parse(out).replays.map(({ verdict }: { verdict: string }) => verdict),
      ['not-executed', 'identical', 'not-executed', 'not-executed', 'contradiction', 'identical'],
    );
    assert.equal(code, 1);
  });
});

test('an audit counts answers that cannot be executed, and is sure of none of them', async () => {
  const options = [...using('recurrent', 'division'), '--log', at('log')];
  const { code, out } = await replay(['honest', 'traps.1', 'no-rows'], ...options, '--json');
  const { counts, confidence } = JSON.parse(out);
  assert.deepEqual([code, counts['not-executed'], counts.identical], [3, 2, 1]);
  assert.equal(confidence.replayed, 1);
  const people = await replay(['traps.1'], ...options);
  assert.match(people.out, /not-executed +1 +the request could not be executed again: entries /);
});

test('a model that is none, or is not there, is wrong usage', async () => {
  await writeFile(at('none.onnx'), 'none');
  for (const [file, code] of [
    ['none.onnx', 1],
    ['absent.onnx', 2],
  ] as const) {
    const outcome = await replay(['honest'], ...using('division'), '--model', at(file), '--json');
    assert.equal(outcome.code, code);
    const { error } = JSON.parse(outcome.err);
    assert.match(error.code, code === 2 ? /^USAGE_FILE$/ : /^MODEL_/);
    assert.ok(error.message.startsWith(code === 2 ? `cannot read ${at(file)}: ` : `${at(file)}: `));
  }
});

test('a limit that no execution can have is wrong usage', async () => {
  for (const limit of ['0', '-1', '1e9', 'long']) {
    assert.equal((await replay(['honest'], ...using('division'), '--max-run', limit)).code, 2);
  }
});
