import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { parsePolicy } from '../../../attestation/appraisal/policy.js';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { toPem } from '../../../attestation/encoding/pem.js';
import { executionDigest } from '../../../attestation/evidence/execution-profile.js';
import {
  decodeProofFile,
  encodeProofFile,
  type ProofFile,
} from '../../../attestation/receipt/proof-file.js';
import { connect } from '../../../src/client/connect.js';
import { tensor } from '../../../src/client/tensor.js';
import { executionFacts } from '../../../src/engine/profile.js';
import { isSampled } from '../../../src/replay/sample.js';
import { adderModel, computing, type Lies, startAdder } from '../../forge/adder-server.js';
import { inputs } from '../../forge/adder-session.js';
import { assay } from '../../forge/cli.js';
import { scaleModel } from '../../forge/enclave.js';
import { servedPolicy } from '../../forge/served-policy.js';
import { testFolder } from '../../forge/test-folder.js';
import { writtenProof } from '../../forge/written-proofs.js';

const here = await startAdder({}, await executionFacts());
const elsewhere = await startAdder();
const near = computing([4 * (1 + 2 ** -22), 6]);
const far = computing([40, 6]);
const { at, folder, trust } = testFolder();

const policy = servedPolicy(here.enclave);

/** Saves a proof of what a node answered. */
async function prove(
  server: typeof here,
  lies: Lies,
  file: string,
  trusted: unknown = policy,
): Promise<void> {
  server.lies = lies;
  const session = await connect(server.target, parsePolicy(trusted), { roots: [here.root] });
  await writeFile(at(file), (await session.infer('adder', inputs)).proof());
  session.close();
  server.lies = {};
}

before(async () => {
  await writeFile(at('policy.json'), JSON.stringify(policy));
  await writeFile(at('root.pem'), toPem(here.root, 'CERTIFICATE'));
  await writeFile(at('adder.onnx'), adderModel());
  await writeFile(at('scale.onnx'), scaleModel(2));
  await writeFile(at('near.json'), JSON.stringify({ version: 1, default: { ulp: 2 } }));
  const limits = (outputs: object) => JSON.stringify({ version: 1, default: { ulp: 2 }, outputs });
  await writeFile(at('misspelt.json'), limits({ Sum: {} }));
  await writeFile(at('strict.json'), JSON.stringify({ version: 1 }));
  const [adder, scale] = [
    ['adder.onnx', adderModel()],
    ['scale.onnx', scaleModel(2)],
  ] as const;
  for (const [name, outputs, models] of [
    ['package', {}, [adder]],
    ['broken', { Sum: {} }, [adder]],
    ['scaled', {}, [scale]],
    ['shared', {}, [adder, scale]],
  ] as const) {
    await mkdir(at(name));
    for (const [file, model] of models) await writeFile(at(`${name}/${file}`), model);
    await writeFile(at(`${name}/tolerances.json`), limits(outputs));
  }
  await writeFile(at('both.json'), limits({ sum: { ulp: 2 }, y: {} }));
  await prove(here, {}, 'honest.proof');
  await prove(here, near, 'near.proof');
  await prove(here, far, 'far.proof');
  await prove(elsewhere, {}, 'honest-elsewhere.proof');
  await prove(elsewhere, near, 'near-elsewhere.proof');
  await prove(elsewhere, far, 'far-elsewhere.proof');
});
after(async () => {
  here.close();
  elsewhere.close();
});

const replay = (files: readonly string[], ...more: readonly string[]) =>
  assay(['replay', ...files.map((file) => at(file)), ...trust(), ...more, '--json']);
const local = (): string[] => ['--model', at('adder.onnx')];
const tolerant = (): string[] => ['--tolerances', at('near.json')];

describe('a replay on this machine', () => {
  const cases: readonly (readonly [string, () => string[], string, number])[] = [
    ['honest.proof', () => [], 'identical', 0],
    ['honest-elsewhere.proof', () => [], 'identical', 0],
    ['near.proof', () => [], 'contradiction', 1],
    ['near-elsewhere.proof', () => [], 'inconclusive', 3],
    ['near-elsewhere.proof', tolerant, 'within', 0],
    ['far-elsewhere.proof', tolerant, 'contradiction', 1],
    ['far.proof', tolerant, 'contradiction', 1],
    ['near.proof', tolerant, 'within', 0],
  ];
  for (const [file, options, verdict, code] of cases) {
    const name = options === tolerant ? `${file}, with a tolerance` : file;
    test(`${name}: ${verdict}`, async () => {
      const outcome = await replay([file], ...local(), ...options());
      const [row] = JSON.parse(outcome.out).replays;
      assert.equal(row.verdict, verdict);
      assert.equal(outcome.code, code);
      assert.equal(row.simulated, true);
      assert.equal(row.profile.length === 0, !file.includes('elsewhere'));
    });
  }

  test('shows the first element that contradicts', async () => {
    const { out } = await replay(['far.proof'], ...local());
    const { first, differing } = JSON.parse(out).replays[0].relation.outputs[0];
    assert.deepEqual(first, { index: 0, reference: '4', actual: '40' });
    assert.equal(differing, 1);
    const people = await assay(['replay', at('far.proof'), ...trust(), ...local()]);
    assert.match(people.out, /^CONTRADICTION \(SIMULATED\) /);
    assert.match(people.out, /sum: 1 of 2 elements differ; the first at 0: 4 and 40/);
  });

  test('is a wrong call with tolerances of an output that no model at hand has', async () => {
    for (const [named, executor] of [
      ['misspelt.json', local()],
      ['misspelt.json', ['--target', here.target]],
      ['both.json', local()],
    ] as const) {
      const tolerances = ['--tolerances', at(named)];
      const { code, err } = await replay(['near.proof'], ...executor, ...tolerances);
      const { error } = JSON.parse(err);
      assert.deepEqual([code, error.code], [2, 'USAGE_FILE']);
      assert.match(error.message, /of the model \("sum"\), not for "(Sum|y)"$/);
    }
  });

  test('takes tolerances of outputs of several models', async () => {
    const models = [...local(), '--model', at('scale.onnx')];
    const outcome = await replay(['near.proof'], ...models, '--tolerances', at('both.json'));
    assert.equal(JSON.parse(outcome.out).replays[0].verdict, 'within');
  });

  test('holds an answer to what lies beside the very model, and names it', async () => {
    const beside = join(folder, 'package', 'tolerances.json');
    const models = ['--model', at('scale.onnx'), '--model', at('package/adder.onnx')];
    const { code, out } = await replay(['near.proof'], ...models);
    const [row] = JSON.parse(out).replays;
    assert.deepEqual([code, row.verdict, row.tolerances], [0, 'within', beside]);
    const people = await assay(['replay', at('near.proof'), ...trust(), ...models]);
    assert.ok(people.out.includes(`\n  tolerances of ${beside}\n`));
  });

  const elsewhereDeclared: readonly (readonly [string, readonly string[]])[] = [
    ['of another model', ['--model', 'scaled/scale.onnx', '--model', 'adder.onnx']],
    ['that is one of several there', ['--model', 'shared/adder.onnx']],
    ['where others are named', ['--model', 'package/adder.onnx', '--tolerances', 'strict.json']],
    [
      'that are none, where others are named',
      ['--model', 'broken/adder.onnx', '--tolerances', 'strict.json'],
    ],
  ];
  for (const [name, options] of elsewhereDeclared) {
    test(`does not take the tolerances beside a model ${name}`, async () => {
      const named = options.map((option) => (option.startsWith('--') ? option : at(option)));
      const { code, out } = await replay(['near.proof'], ...named);
      const [row] = JSON.parse(out).replays;
      assert.deepEqual([code, row.verdict, row.tolerances], [1, 'contradiction', null]);
    });
  }

  test('is refused beside tolerances of an output that the model has not', async () => {
    const { code, err } = await replay(['near.proof'], '--model', at('broken/adder.onnx'));
    assert.deepEqual([code, JSON.parse(err).error.code], [1, 'HUB_TOLERANCES']);
  });

  test('needs the very model of the proof', async () => {
    const outcome = await replay(['honest.proof'], '--model', at('scale.onnx'));
    assert.equal(outcome.code, 2);
    assert.equal(JSON.parse(outcome.err).error.code, 'PROOF_MODEL');
  });

  test('a proof that cannot be read hides none of the others', async () => {
    await mkdir(at('mixed/1.proof'), { recursive: true });
    const copy = async (file: string) =>
      writeFile(at('mixed/2.proof'), await readFile(at(`${file}.proof`)));
    for (const [file, exit, verdict] of [
      ['far', 1, 'contradiction'],
      ['honest', 2, 'identical'],
    ] as const) {
      await copy(file);
      const { code, out } = await replay(['mixed'], ...local());
      const { replays, unread, incomplete } = JSON.parse(out);
      assert.deepEqual([code, replays.length, replays[0].verdict], [exit, 1, verdict]);
      assert.deepEqual([unread.length, unread[0].code, incomplete], [1, 'USAGE_FILE', null]);
      assert.equal(unread[0].file, at('mixed/1.proof'));
    }
    const people = await assay(['replay', at('mixed'), ...trust(), ...local()]);
    assert.match(people.out, /^NOT READ: cannot read .*1\.proof: it is a directory$/m);
    const alone = await replay(['mixed/1.proof'], ...local());
    assert.deepEqual([alone.code, JSON.parse(alone.err).error.code], [2, 'USAGE_FILE']);
  });

  test('a proof of a model that is not at hand hides no contradiction', async () => {
    const [adder] = elsewhere.enclave.manifest.models;
    assert.ok(adder !== undefined);
    const graph = new Uint8Array(32).fill(7);
    const execution = executionDigest(graph, adder.profile);
    await elsewhere.enclave.restate([{ ...adder, graph, execution }]);
    const graphs = [...policy.enclave.models, { graph: toHex(graph) }];
    const wider = { ...policy, enclave: { ...policy.enclave, models: graphs } };
    await writeFile(at('wider.json'), JSON.stringify(wider));
    await prove(elsewhere, {}, 'other.proof', wider);
    await elsewhere.enclave.restate([adder]);
    const found = async (...files: string[]) => {
      const both = ['--policy', at('wider.json'), '--root', at('root.pem'), ...local()];
      const { code, out } = await assay([
        'replay',
        ...files.map((file) => at(file)),
        ...both,
        '--json',
      ]);
      const told = await assay(['replay', ...files.map((file) => at(file)), ...both]);
      const { replays } = JSON.parse(out);
      assert.match(told.out, /^NO MODEL \(SIMULATED\) .*other\.proof: /m);
      return [code, ...replays.map(({ verdict }: { verdict: string }) => verdict)];
    };
    assert.deepEqual(await found('other.proof', 'far.proof'), [1, 'no-model', 'contradiction']);
    assert.deepEqual(await found('honest.proof', 'other.proof'), [3, 'identical', 'no-model']);
  });

  type Forge = (honest: ProofFile, far: ProofFile) => Partial<ProofFile>;
  const forgeries: readonly (readonly [string, string, Forge])[] = [
    ['the outputs of another receipt', 'response', (_, { outputs }) => ({ outputs })],
    [
      'the receipt of other outputs',
      'response',
      (_, { nonce, receipt, salt }) => ({ nonce, receipt, salt }),
    ],
    ['the nonce of another receipt', 'nonce', (_, { nonce }) => ({ nonce })],
    ['the inputs in another order', 'request', ({ inputs }) => ({ inputs: inputs.toReversed() })],
    [
      'one sign turned in an output',
      'response',
      ({ outputs }) => ({
        outputs: outputs.map((output) => ({
          ...output,
          data: output.data.map((byte, i) => (i === 7 ? byte ^ 0x80 : byte)),
        })),
      }),
    ],
  ];
  for (const [name, finding, forge] of forgeries) {
    test(`is not made of a proof with ${name}`, async () => {
      const [honest, other] = await Promise.all(
        ['honest.proof', 'far.proof'].map(async (file) =>
          decodeProofFile(await readFile(at(file))),
        ),
      );
      assert.ok(honest !== undefined && other !== undefined);
      await writeFile(at('forged.proof'), encodeProofFile({ ...honest, ...forge(honest, other) }));
      const outcome = await replay(['forged.proof'], ...local(), ...tolerant());
      const [row] = JSON.parse(outcome.out).replays;
      assert.deepEqual([outcome.code, row.verdict, row.relation], [1, 'refused', null]);
      assert.equal(row.evidence.code, `receipt.${finding}`);
    });
  }

  test('is not made of a proof that is not affirmed', async () => {
    const outcome = await assay(['replay', at('honest.proof'), ...local(), '--json']);
    assert.equal(outcome.code, 1);
    assert.equal(JSON.parse(outcome.out).replays[0].verdict, 'refused');
  });
});

describe('a replay on another node', () => {
  test('compares with what that node proves', async () => {
    const files = ['honest.proof', 'far.proof'];
    const outcome = await replay(files, '--target', elsewhere.target, ...tolerant());
    const { replays } = JSON.parse(outcome.out);
    assert.deepEqual(
      replays.map(({ verdict }: { verdict: string }) => verdict),
      ['identical', 'contradiction'],
    );
    assert.equal(outcome.code, 1);
  });

  test('of a request that the node refuses decides nothing, and keeps no other from being replayed', async () => {
    const refusal = Object.assign(new Error('no such tensors'), { code: status.INVALID_ARGUMENT });
    const sum = tensor('sum', 'FP32', [4, 6]);
    const other = await writtenProof(here.enclave, 'adder', [tensor('c', 'FP32', [1, 2])], [sum]);
    await writeFile(at('other.proof'), other);
    const total = tensor('total', 'FP32', [4, 6]);
    await writeFile(at('total.proof'), await writtenProof(here.enclave, 'adder', inputs, [total]));
    const names = ['other.proof', 'total.proof', 'honest.proof'];
    const found = async () => {
      const { code, out, err } = await replay(names, '--target', elsewhere.target);
      const { replays = [], error = {}, incomplete } = JSON.parse(out || err);
      const verdicts = replays.map(({ verdict }: { verdict: string }) => verdict);
      return [code, error.code ?? incomplete?.code, ...verdicts];
    };
    assert.deepEqual(await found(), [3, undefined, ...Array(2).fill('not-executed'), 'identical']);
    const failing = (error: Error): Lies => ({
      answer: () => {
        throw error;
      },
    });
    elsewhere.lies = failing(refusal);
    assert.deepEqual(await found(), [3, undefined, ...Array(3).fill('not-executed')]);
    elsewhere.lies = failing(new Error('out of order'));
    assert.deepEqual(await found(), [4, 'CLIENT_SERVICE', ...Array(2).fill('not-executed')]);
    names.reverse();
    assert.deepEqual(await found(), [4, 'CLIENT_SERVICE']);
    elsewhere.lies = {};
  });

  test('that serves another graph under the name of the proof’s decides nothing', async () => {
    const [adder] = elsewhere.enclave.manifest.models;
    assert.ok(adder !== undefined);
    const graph = new Uint8Array(32).fill(7);
    const execution = executionDigest(graph, adder.profile);
    await elsewhere.enclave.restate([{ ...adder, graph, execution }]);
    const known = { allowUnknownModels: true, allowUnpinned: true };
    await writeFile(at('any.json'), JSON.stringify({ ...policy, enclave: known }));
    const trusting = ['--policy', at('any.json'), '--root', at('root.pem'), '--json'];
    const asked = ['replay', at('honest.proof'), ...trusting, '--target', elsewhere.target];
    const { code, out, err } = await assay(asked);
    await elsewhere.enclave.restate([adder]);
    assert.deepEqual([code, out, JSON.parse(err).error.code], [2, '', 'PROOF_MODEL']);
  });

  test('that fails hides no contradiction that was found before', async () => {
    let answered = 0;
    elsewhere.lies = {
      answer: () => {
        answered += 1;
        if (answered > 1) throw Object.assign(new Error('no more'), { code: status.NOT_FOUND });
      },
    };
    const to = ['--target', elsewhere.target, ...tolerant()];
    const files = ['far.proof', 'honest.proof', 'near.proof'];
    const { code, out } = await replay(files, ...to);
    const { incomplete, replays } = JSON.parse(out);
    assert.deepEqual([code, incomplete.code, incomplete.files], [1, 'CLIENT_SERVICE', 2]);
    assert.deepEqual([replays.length, replays[0].verdict], [1, 'contradiction']);
    answered = 0;
    const paths = files.reverse().map((file) => at(file));
    const people = await assay(['replay', at('honest.proof'), ...paths, ...trust(), ...to]);
    assert.equal(people.code, 4);
    assert.match(people.out, /^INCOMPLETE: CLIENT_SERVICE, .*no more.*\n {2}3 of 4 proofs/m);
    assert.match(people.out, /^IDENTICAL /m);
    elsewhere.lies = {};
  });

  test('says which node it needs', async () => {
    const both = await replay(['honest.proof'], ...local(), '--target', elsewhere.target);
    assert.equal(JSON.parse(both.err).error.code, 'USAGE_OPTION');
    assert.equal((await replay(['honest.proof'])).code, 2);
  });
});

describe('a sample', () => {
  test('is decided by the seed, and is as large as the fraction', () => {
    const seed = new Uint8Array(32).fill(1);
    const proofs = Array.from({ length: 2000 }, (_, i) => Uint8Array.of(i & 255, i >> 8));
    const chosen = (fraction: number, by = seed) =>
      proofs.filter((proof) => isSampled(proof, by, fraction)).length;
    assert.equal(chosen(0), 0);
    assert.equal(chosen(1), 2000);
    assert.ok(Math.abs(chosen(0.25) - 500) < 80);
    assert.equal(chosen(0.25), chosen(0.25));
    const other = new Uint8Array(32).fill(2);
    assert.notDeepEqual(
      proofs.filter((proof) => isSampled(proof, seed, 0.25)),
      proofs.filter((proof) => isSampled(proof, other, 0.25)),
    );
    assert.throws(() => isSampled(Uint8Array.of(), seed, 1.5), { code: 'USAGE_OPTION' });
  });

  test('of nothing decides nothing', async () => {
    const { code, out } = await replay(['honest.proof'], ...local(), '--sample', '0');
    assert.deepEqual([code, JSON.parse(out).replayed], [3, 0]);
  });

  test('needs a file to be drawn from', async () => {
    await mkdir(at('empty'));
    const { code, err } = await replay(['empty'], ...local());
    assert.deepEqual([code, JSON.parse(err).error.code], [2, 'USAGE_FILE']);
  });

  test('can be repeated', async () => {
    const files = ['honest.proof', 'near.proof', 'far.proof'];
    const first = JSON.parse((await replay(files, ...local(), '--sample', '0.5')).out);
    const again = await replay(files, ...local(), '--sample', '0.5', '--seed', first.seed);
    assert.deepEqual(JSON.parse(again.out), first);
    assert.equal(first.proofs, 3);
  });
});
