import assert from 'node:assert/strict';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { toPem } from '../../../attestation/encoding/pem.js';
import { SIMULATED_MEASUREMENT } from '../../../enclave/platform/simulator/snp.js';
import { answering, computing, startAdder } from '../../forge/adder-server.js';
import { assay, withoutFull } from '../../forge/cli.js';
import { testFolder } from '../../forge/test-folder.js';

const servers = await Promise.all([startAdder(), startAdder(), startAdder()]);
const [one, two, three] = servers;
const targets = servers.map(({ target }) => target);
const near = computing([4 * (1 + 2 ** -22), 6]);
const far = computing([40, 6]);
const { at, place, trust } = testFolder();

before(async () => {
  const models = one.enclave.manifest.models.map(({ name, graph }) => ({
    name,
    graph: toHex(graph),
  }));
  const policy = {
    version: 1,
    snp: { measurements: [toHex(SIMULATED_MEASUREMENT)] },
    enclave: { models, allowUnpinned: true },
  };
  const files = {
    'policy.json': JSON.stringify(policy),
    'root.pem': toPem(one.root, 'CERTIFICATE'),
    'tolerances.json': JSON.stringify({ version: 1, default: { ulp: 2 } }),
    'misspelt.json': JSON.stringify({ version: 1, default: { ulp: 2 }, outputs: { Sum: {} } }),
    'any.json': JSON.stringify({
      ...policy,
      enclave: { allowUnknownModels: true, allowUnpinned: true },
    }),
    'a.json': '[1, 2]',
    'b.json': '[3, 4]',
  };
  place(files);
});
after(() => {
  for (const server of servers) server.close();
});
afterEach(() => {
  for (const server of servers) server.lies = {};
});

const given = (): string[] => ['--input', `a=${at('a.json')}`, '--input', `b=${at('b.json')}`];
const ask = (agree: number, ...more: readonly string[]) =>
  assay(['quorum', 'adder', ...targets, '--agree', String(agree), ...given(), ...trust(), ...more]);
const asked = async (agree: number, ...more: readonly string[]) => {
  const { code, out, err } = await ask(agree, ...more, '--json');
  return { code, found: JSON.parse(out || err) };
};
const named = (list: readonly { readonly target: string }[]): string[] =>
  list.map(({ target }) => target).sort();

describe('assay quorum', () => {
  test('prints what all agree on', async () => {
    const { code, found } = await asked(3);
    assert.equal(code, 0);
    assert.equal(found.agreed, true);
    assert.deepEqual(found.outputs[0].data, [4, 6]);
    assert.deepEqual(named(found.agreeing), [...targets].sort());
  });

  test('asks the others where the first node does not serve the model', async () => {
    const without = await startAdder({}, undefined, {}, 'other');
    const nodes = [without.target, one.target, two.target];
    const trusted = ['--policy', at('any.json'), '--root', at('root.pem'), '--json'];
    const { code, out } = await assay([
      'quorum',
      'adder',
      ...nodes,
      '--agree',
      '2',
      ...given(),
      ...trusted,
    ]);
    without.close();
    assert.equal(code, 0);
    const { agreeing, failed } = JSON.parse(out);
    assert.deepEqual(named(agreeing), [one.target, two.target].sort());
    assert.deepEqual(
      failed.map(({ target, code: reason }: { target: string; code: string }) => [target, reason]),
      [[without.target, 'CLIENT_MODEL']],
    );
  });

  test('names those who answered something else, where nobody answered what was asked', async () => {
    for (const server of servers) server.lies = answering([]);
    const { code, found } = await asked(2, '--save-proofs', at('unasked'));
    assert.deepEqual([code, found.agreed, found.agreeing, found.failed], [1, false, [], []]);
    assert.deepEqual(named(found.dissenting), [...targets].sort());
    assert.deepEqual(found.dissenting[0].relation, null);
    assert.equal((await readdir(at('unasked'))).length, 3);
    const { out } = await ask(2);
    assert.match(
      out,
      /NO QUORUM: 0 of 3 nodes agree, 2 must\n(DISSENTS [^\n]* of its epoch\n?){3}/,
    );
  });

  test('names the dissenter, and saves every vote as a proof that verifies', async () => {
    three.lies = far;
    const { code, found } = await asked(2, '--all', '--save-proofs', at('votes'));
    assert.deepEqual([code, found.outputs[0].data], [0, [4, 6]]);
    assert.deepEqual(named(found.dissenting), [three.target]);
    assert.deepEqual(found.dissenting[0].relation.outputs[0].first, {
      index: 0,
      reference: '4',
      actual: '40',
    });
    const files = (await readdir(at('votes'))).sort();
    assert.deepEqual(
      files.map((file) => file.split('-')[0]),
      ['agrees', 'agrees', 'dissents'],
    );
    for (const file of files) {
      const verified = await assay(['verify', 'receipt', join(at('votes'), file), ...trust()]);
      assert.equal(verified.code, 0, verified.out);
    }
    three.lies = far;
    const people = await ask(2, '--all');
    assert.match(people.out, /^SIMULATED[^\n]*\nAGREED: 2 of 3 nodes agree, 2 must\n/);
    assert.match(
      people.out,
      /DISSENTS .*\n {2}sum: 1 of 2 elements differ; the first at 0: 4 and 40/,
    );
  });

  test("asks nobody where the folder has another request's votes", async () => {
    const save = ['--all', '--save-proofs', at('once')];
    assert.equal((await ask(3, ...save)).code, 0);
    const held = async () =>
      Promise.all(
        (await readdir(at('once')))
          .sort()
          .map(async (name) => [name, await readFile(at('once', name))]),
      );
    const before = await held();
    three.lies = far;
    const { code, found } = await asked(2, ...save);
    assert.deepEqual([code, found.error.code], [2, 'USAGE_FILE']);
    assert.match(
      found.error.message,
      /^expected a folder without the proofs of another quorum, not /,
    );
    assert.deepEqual(await held(), before);
  });

  test('prints what was agreed, and saves what it can, where a file cannot be written', {
    skip: withoutFull,
  }, async () => {
    const folder = at('kept');
    const args = ['--all', '--output', 'sum=/dev/full', '--save-proofs', folder, '--json'];
    const { code, out, err } = await ask(3, ...args);
    assert.deepEqual([code, JSON.parse(err).error.code], [2, 'USAGE_FILE']);
    assert.deepEqual(JSON.parse(out).outputs[0].data, [4, 6]);
    assert.equal((await readdir(folder)).length, 3);
  });

  test('is refused where too few agree, also where a vote cannot be written', async () => {
    three.lies = far;
    const folder = at('occupied');
    const occupied = `agrees-${one.target.replace(':', '_')}.proof`;
    await mkdir(join(folder, occupied), { recursive: true });
    const { code, out, err } = await ask(3, '--save-proofs', folder, '--json');
    assert.deepEqual([code, JSON.parse(out).agreed], [1, false]);
    assert.match(JSON.parse(err).error.message, /it is a directory$/);
    assert.equal((await readdir(folder)).length, 3);
  });

  test('is refused where too few agree, and shows who said what', async () => {
    three.lies = far;
    const { code, found } = await asked(3);
    assert.deepEqual([code, found.agreed, found.outputs], [1, false, null]);
    assert.deepEqual(named(found.agreeing), [one.target, two.target].sort());
    assert.deepEqual(named(found.dissenting), [three.target]);
  });

  test('tells in JSON what is infinitely far from the others, whose text is no number', async () => {
    three.lies = computing([Number.POSITIVE_INFINITY, 6]);
    const { found } = await asked(2, '--all');
    const { maxAbsolute, maxUlp, lost } = found.dissenting[0].relation.outputs[0].numeric;
    assert.deepEqual([maxAbsolute, maxUlp, lost], ['Infinity', 'Infinity', 1]);
    for (const server of servers) server.lies = three.lies;
    assert.deepEqual((await asked(3)).found.outputs[0].data, ['Infinity', 6]);
  });

  test('counts near answers where a tolerance says so', async () => {
    three.lies = near;
    assert.equal((await asked(3)).code, 1);
    const { code, found } = await asked(3, '--tolerances', at('tolerances.json'));
    assert.deepEqual([code, found.agreeing.length], [0, 3]);
  });

  test('is a wrong call with tolerances of an output that the model has not', async () => {
    const { code, found } = await asked(3, '--tolerances', at('misspelt.json'));
    assert.deepEqual([code, found.error.code], [2, 'USAGE_FILE']);
    assert.match(found.error.message, /of the model \("sum"\), not for "Sum"$/);
  });

  test('goes on without a node that is down, and says so', async () => {
    const { code, out } = await assay([
      ...['quorum', 'adder', one.target, two.target, 'localhost:1', '--agree', '2'],
      ...given(),
      ...trust(),
    ]);
    assert.equal(code, 0);
    assert.match(out, /not affirmed localhost:1: CLIENT_UNREACHABLE/);
  });

  test('is refused by evidence that does not hold, not by nodes that are down', async () => {
    const down = ['quorum', 'adder', one.target, 'localhost:1', '--agree', '2'];
    assert.equal((await assay([...down, ...given(), ...trust(), '--json'])).code, 4);
    three.lies = { nonce: () => new Uint8Array(32) };
    const { code, found } = await asked(3);
    assert.deepEqual([code, found.excluded[0].code], [1, 'CLIENT_REFUSED']);
  });

  test('tells of no simulator where no node was affirmed, and counts enclaves where they are too few', async () => {
    const few = (...nodes: readonly string[]) => [
      ...['quorum', 'adder', ...nodes, '--agree', String(nodes.length), ...given(), ...trust()],
    ];
    const down = JSON.parse((await assay([...few('localhost:1'), '--json'])).out);
    assert.deepEqual([down.simulated, down.tooFew], [null, 0]);
    const alias = one.target.replace('localhost', '127.0.0.1');
    const { code, out } = await assay(few(one.target, alias));
    assert.equal(code, 1);
    assert.match(out, /^NO QUORUM: 2 targets lead to 1 affirmed enclaves, 2 must agree$/m);
    three.lies = { nonce: () => new Uint8Array(32) };
    const refused = await assay([...few(three.target), '--json']);
    assert.equal(JSON.parse(refused.out).simulated, true);
  });

  test('refuses more votes than nodes, and warns of less than a majority', async () => {
    const { code, found } = await asked(4);
    assert.deepEqual([code, found.error.code], [2, 'USAGE_QUORUM']);
    const { err } = await ask(1);
    assert.match(err, /1 of 3 is no majority/);
  });
});
