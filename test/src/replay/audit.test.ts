import assert from 'node:assert/strict';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parsePolicy } from '../../../attestation/appraisal/policy.js';
import { toPem } from '../../../attestation/encoding/pem.js';
import { claimsEntry, manifestEntry } from '../../../attestation/receipt/claims.js';
import { decodeInferenceReceipt } from '../../../attestation/receipt/inference-receipt.js';
import { decodeProofFile, encodeProofFile } from '../../../attestation/receipt/proof-file.js';
import { Issuer } from '../../../enclave/issuer.js';
import { TileFiles } from '../../../enclave/tile-files.js';
import { connect } from '../../../src/client/connect.js';
import { tensor } from '../../../src/client/tensor.js';
import { executionFacts } from '../../../src/engine/profile.js';
import { adderModel, computing, startAdder } from '../../forge/adder-server.js';
import { flip } from '../../forge/cbor.js';
import { assay } from '../../forge/cli.js';
import { scaleModel } from '../../forge/enclave.js';
import { issueClaims } from '../../forge/issue.js';
import { servedPolicy } from '../../forge/served-policy.js';
import { testFolder } from '../../forge/test-folder.js';

const ANSWERS = 12;
const fail = (error: unknown): never => {
  throw error;
};

const { at, trust } = testFolder();
const archive = new TileFiles(at('log'), fail);
const node = await startAdder({}, await executionFacts(), { archive });
const other = await startAdder({}, await executionFacts());
const SEED = '07'.repeat(32);

const policy = servedPolicy(node.enclave);

/** Asks a node once, and keeps the proof of what it answered. */
async function prove(server: typeof node, ...file: string[]): Promise<void> {
  const session = await connect(server.target, parsePolicy(policy), { roots: [node.root] });
  const inputs = [tensor('a', 'FP32', [1, 2]), tensor('b', 'FP32', [3, 4])];
  await writeFile(at(...file), (await session.infer('adder', inputs)).proof());
  session.close();
}

/** The log entry of a proof. */
async function entryOf(...file: string[]): Promise<Uint8Array> {
  const { receipt } = decodeProofFile(new Uint8Array(await readFile(at(...file))));
  return claimsEntry(decodeInferenceReceipt(receipt).claims);
}

/** Publishes a log of these entries under the node's own key, which only a broken enclave could do. */
async function publish(name: string, entries: readonly Uint8Array[]): Promise<void> {
  const [first, ...rest] = entries;
  assert.ok(first !== undefined);
  const options = { archive: new TileFiles(at(name), fail) };
  const issuer = await Issuer.start(node.enclave.keys.signing, first, options);
  for (const entry of rest) await issuer.append(entry);
  await issuer.flush();
}

before(async () => {
  await mkdir(at('proofs'));
  await mkdir(at('few'));
  await mkdir(at('foreign'));
  for (let i = 1; i <= ANSWERS; i++) await prove(node, 'proofs', `${i}.proof`);
  await node.enclave.issuer.flush();
  for (const i of [1, 4, 9]) await cp(at('proofs', `${i}.proof`), at('few', `${i}.proof`));
  await cp(at('few'), at('wrong'), { recursive: true });
  await prove(other, 'foreign', 'foreign.proof');
  await writeFile(at('policy.json'), JSON.stringify(policy));
  await writeFile(at('root.pem'), toPem(node.root, 'CERTIFICATE'));
  await writeFile(at('adder.onnx'), adderModel());
  await writeFile(at('scale.onnx'), scaleModel(2));
});

after(async () => {
  node.close();
  other.close();
});

const model = (): string[] => ['--model', at('adder.onnx')];
const audit = async (proofs: readonly string[], ...more: readonly string[]) => {
  const paths = proofs.map((name) => at(name));
  const { code, out, err } = await assay(['replay', ...paths, ...trust(), ...more, '--json']);
  return { code, found: JSON.parse(out || err) };
};

const published = (name = 'log'): string[] => [...model(), '--log', at(name)];
const sampled = (seed: string): string[] => [...published(), '--sample', '0.25', '--seed', seed];

describe('a published log', () => {
  test('whose every answer replays to its bits is affirmed, with the confidence that gives', async () => {
    const { code, found } = await audit(['proofs'], ...published());
    assert.equal(code, 0);
    assert.equal(found.counts.identical, ANSWERS);
    assert.equal(found.log.size, ANSWERS + 1);
    assert.deepEqual(found.contradicted, []);
    assert.equal(found.confidence.replayed, ANSWERS);
    assert.equal(found.confidence.bound95, 0);
  });

  test('is sampled by the seed, and what the sample misses is said', async () => {
    const quarter = sampled(SEED);
    const { code, found } = await audit(['proofs'], ...quarter);
    assert.equal(code, 0);
    assert.equal(found.counts.identical, 3);
    assert.deepEqual((await audit(['proofs'], ...quarter)).found, found);
    const indices = (audited: typeof found): number[] =>
      audited.entries.map(({ index }: { index: number }) => index);
    const seeds = await Promise.all(
      ['01', '02', '03'].map((byte) =>
        audit(['proofs'], ...sampled(byte.repeat(32))).then((a) => indices(a.found)),
      ),
    );
    assert.ok(seeds.some((drawn) => drawn.join() !== indices(found).join()));
    const people = await assay(['replay', at('proofs'), ...trust(), ...quarter]);
    assert.match(people.out, /^SIMULATED: no hardware signed this/);
    assert.deepEqual([found.simulated, found.nothingReplayed], [true, null]);
    assert.match(people.out, new RegExp(`Sample: 3 of 12 entries \\(25 %\\), by the seed ${SEED}`));
    assert.match(people.out, /if 10 % of them were wrong, .* with probability at most 0\.545/);
    assert.match(people.out, /with 95 % confidence at most 50 % of them are wrong/);
  });

  test('is unchecked where the proof of a sampled entry is not at hand', async () => {
    const { code, found } = await audit(['few'], ...published());
    assert.equal(code, 3);
    assert.equal(found.counts.identical, 3);
    assert.equal(found.counts.unavailable, ANSWERS - 3);
  });

  test('is unchecked where no model at hand computes the answers', async () => {
    const { code, found } = await audit(
      ['proofs'],
      ...['--model', at('scale.onnx'), '--log', at('log')],
    );
    assert.deepEqual([code, found.counts['no-model'], found.confidence], [3, ANSWERS, null]);
  });

  test('takes the model that computes an answer from several', async () => {
    const { found } = await audit(['few'], '--model', at('scale.onnx'), ...published());
    assert.equal(found.counts.identical, 3);
  });

  test('names proofs of other logs, and lets them neither help nor harm', async () => {
    const { code, found } = await audit(['proofs', 'foreign'], ...published());
    assert.equal(code, 0);
    assert.deepEqual(
      found.outside.map(({ code: reason }: { code: string }) => reason),
      ['RECEIPT_KEY'],
    );
  });

  test('does not count a proof whose receipt nobody signed', async () => {
    const bytes = new Uint8Array(await readFile(at('few', '4.proof')));
    const proof = decodeProofFile(bytes);
    const forged = flip(proof.receipt, proof.receipt.length - 1);
    await writeFile(at('wrong', '4.proof'), encodeProofFile({ ...proof, receipt: forged }));
    const { found } = await audit(['wrong'], ...published());
    assert.equal(found.counts.identical, 2);
    assert.match(found.outside[0].code, /^RECEIPT_/);
  });

  test('whose head covers no answer yet is unchecked, and says why', async () => {
    await publish('fresh', [manifestEntry(node.enclave.manifestDigest)]);
    const { code, found } = await audit(['few'], ...published('fresh'));
    assert.deepEqual([code, found.log.held, found.log.later], [3, 0, 3]);
    assert.match(
      found.nothingReplayed,
      /^the head covers no answer; 3 proofs .* every 256 entries/,
    );
    const people = await assay(['replay', at('few'), ...trust(), ...published('fresh')]);
    assert.match(people.out, /^NOTHING REPLAYED: the head covers no answer/m);
  });

  test('of which no model at hand computes an answer says so', async () => {
    const more = ['--model', at('scale.onnx'), '--log', at('log')];
    const { found } = await audit(['few'], ...more);
    assert.match(found.nothingReplayed, /^no entry of the sample has a proof at hand/);
  });

  test('whose key no proof vouches for is unchecked', async () => {
    const { code, found } = await audit(['foreign'], ...published());
    assert.deepEqual([code, found.error.code], [3, 'RECEIPT_UNATTESTED']);
  });
});

describe('a published log that was tampered with', () => {
  const tile = join('tile', '0', '000.p', String(ANSWERS + 1));
  const cases: readonly (readonly [string, string, (bytes: Buffer) => Buffer])[] = [
    ['a changed leaf', tile, (bytes) => Buffer.from(flip(bytes, 100))],
    ['a cut tile', tile, (bytes) => bytes.subarray(32)],
  ];
  for (const [name, file, change] of cases) {
    test(`${name}: RECEIPT_TILES`, async () => {
      await cp(at('log'), at('changed'), { recursive: true });
      await writeFile(at('changed', file), change(await readFile(at('log', file))));
      const { code, found } = await audit(['proofs'], ...published('changed'));
      assert.deepEqual([code, found.error.code], [1, 'RECEIPT_TILES']);
    });
  }

  test('a missing tile: USAGE_FILE', async () => {
    await cp(at('log'), at('holed'), { recursive: true });
    await rm(at('holed', tile));
    const { code, found } = await audit(['proofs'], ...published('holed'));
    assert.deepEqual([code, found.error.code], [2, 'USAGE_FILE']);
  });

  test('a head with a changed root or signature is refused', async () => {
    await cp(at('log'), at('resigned'), { recursive: true });
    const head = await readFile(at('log', 'tree-head.cbor'));
    await writeFile(at('resigned', 'tree-head.cbor'), flip(head, head.length - 1));
    const { code, found } = await audit(['proofs'], ...published('resigned'));
    assert.deepEqual([code, found.error.code], [1, 'RECEIPT_SIGNATURE']);
  });

  test('another log under the same key contradicts the receipts', async () => {
    const first = manifestEntry(node.enclave.manifestDigest);
    const entries = await Promise.all([1, 4, 9].map((i) => entryOf('proofs', `${i}.proof`)));
    await publish('reordered', [first, ...entries.toReversed()]);
    const { code, found } = await audit(['few'], ...published('reordered'));
    assert.equal(code, 1);
    assert.deepEqual(
      new Set(found.contradicted.map((f: { code: string }) => f.code)),
      new Set(['RECEIPT_FORK']),
    );
    assert.equal(found.confidence, null);
  });

  test('a log that leaves an answer out contradicts those after it', async () => {
    const first = manifestEntry(node.enclave.manifestDigest);
    const kept = Array.from({ length: ANSWERS }, (_, i) => i + 1).filter((i) => i !== 5);
    const entries = await Promise.all(kept.map((i) => entryOf('proofs', `${i}.proof`)));
    await publish('omitting', [first, ...entries]);
    const { found } = await audit(['few'], ...published('omitting'));
    assert.deepEqual(
      found.contradicted.map(({ file }: { file: string }) => file),
      [at('few', '9.proof')],
    );
  });
});

describe('the log of a node that runs', () => {
  const live = (): string[] => [...model(), '--log-target', node.target];

  test('is audited through its own proofs', async () => {
    const { code, found } = await audit(['proofs'], ...live());
    assert.deepEqual([code, found.counts.identical], [0, ANSWERS]);
  });

  test('tells entries of manifests from answers, also where it was published', async () => {
    const [adder] = node.enclave.manifest.models;
    assert.ok(adder !== undefined);
    await node.enclave.restate([{ ...adder, name: 'renamed' }]);
    await node.enclave.restate([adder]);
    await prove(node, 'later.proof');
    const { found } = await audit(['proofs', 'later.proof'], ...live());
    assert.deepEqual(found.counts.manifest, 1, 'the one that some proof was made under');
    assert.deepEqual(found.counts.unavailable, 1, 'the one that no proof was made under');
    await node.enclave.issuer.flush();
    const again = await audit(['proofs', 'later.proof'], ...published());
    assert.deepEqual(again.found.counts, found.counts);
  });

  test('shows an answer that its model does not compute', async () => {
    node.lies = computing([40, 6]);
    await prove(node, 'lie.proof');
    node.lies = {};
    const { code, found } = await audit(['proofs', 'lie.proof'], ...live());
    assert.deepEqual([code, found.counts.contradiction], [1, 1]);
    assert.equal(found.confidence, null);
    const [lie] = found.entries.filter((e: { outcome: string }) => e.outcome === 'contradiction');
    assert.equal(lie.file, at('lie.proof'));
    assert.equal(lie.replay.relation.outputs[0].first.actual, '40');
  });

  test('is contradicted by a receipt from a second log of its key', async () => {
    const second = await Issuer.start(
      node.enclave.keys.signing,
      manifestEntry(node.enclave.manifestDigest),
    );
    node.lies = { issue: (claims) => issueClaims(second, claims) };
    await prove(node, 'second.proof');
    node.lies = {};
    const { code, found } = await audit(['proofs', 'second.proof'], ...live());
    assert.equal(code, 1);
    assert.deepEqual(
      found.contradicted.map(({ file }: { file: string }) => file),
      [at('second.proof')],
    );
  });

  test('is one log, not two', async () => {
    const both = [...live(), '--log', at('log')];
    assert.equal((await audit(['proofs'], ...both)).found.error.code, 'USAGE_OPTION');
  });
});
