import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { parsePolicy } from '../../../attestation/appraisal/policy.js';
import { toHex, utf8 } from '../../../attestation/encoding/bytes.js';
import { AssayError } from '../../../attestation/encoding/error.js';
import { toPem } from '../../../attestation/encoding/pem.js';
import { decodeBundle, encodeBundle } from '../../../attestation/evidence/bundle.js';
import { executionDigest } from '../../../attestation/evidence/execution-profile.js';
import { SIMULATED_MEASUREMENT } from '../../../enclave/platform/simulator/snp.js';
import { connect } from '../../../src/client/connect.js';
import { tensor } from '../../../src/client/tensor.js';
import { answersOf, compareNodes, type NodeAnswers } from '../../../src/replay/conform.js';
import { encodeRecord } from '../../../src/replay/conformance-record.js';
import { computing, startAdder } from '../../forge/adder-server.js';
import { assay, withoutFull } from '../../forge/cli.js';
import { servedModel } from '../../forge/enclave.js';
import { dataType, encodeTensor } from '../../forge/onnx.js';
import { servedPolicy } from '../../forge/served-policy.js';
import { testFolder } from '../../forge/test-folder.js';

const servers = await Promise.all([startAdder(), startAdder(), startAdder()]);
const [one, two, three] = servers;
const near = computing([4 * (1 + 2 ** -22), 6]);
const far = computing([40, 6]);
const { at, place, trust } = testFolder();

before(async () => {
  const policy = {
    version: 1,
    snp: { measurements: [toHex(SIMULATED_MEASUREMENT)] },
    enclave: { allowUnknownModels: true, allowUnpinned: true },
  };
  const set = at('vectors/test_data_set_0');
  await mkdir(set, { recursive: true });
  const pair = (floats: number[]) =>
    encodeTensor({ name: '', type: dataType.float, dims: [2], floats });
  const files = {
    'policy.json': JSON.stringify(policy),
    'root.pem': toPem(one.root, 'CERTIFICATE'),
    'tolerances.json': JSON.stringify({ version: 1, default: { ulp: 2 } }),
    'misspelt.json': JSON.stringify({ version: 1, default: { ulp: 2 }, outputs: { Sum: {} } }),
    'vectors/test_data_set_0/input_0.pb': pair([1, 2]),
    'vectors/test_data_set_0/input_1.pb': pair([3, 4]),
    'vectors/test_data_set_0/output_0.pb': pair([4, 6]),
  };
  place(files);
});
after(() => {
  for (const server of servers) server.close();
});
afterEach(() => {
  for (const server of servers) server.lies = {};
});

const conform = (targets: readonly string[], ...more: readonly string[]) => {
  const what = ['--model', 'adder', '--vectors', at('vectors')];
  return assay(['conform', ...targets, ...what, ...trust(), ...more]);
};
const all = servers.map(({ target }) => target);
const tolerant = (): string[] => ['--tolerances', at('tolerances.json')];

/** The matrix as signs, one row a node, with the reference behind it. */
function signs(out: string): string[] {
  return out
    .split('\n')
    .filter((line) => /^\d /.test(line))
    .map((line) =>
      line
        .split(/\s{2,}/)
        .slice(1)
        .join(''),
    );
}

describe('assay conform', () => {
  test('three nodes with the same bits are one class', async () => {
    const { code, out } = await conform(all);
    assert.equal(code, 0);
    assert.deepEqual(signs(out), ['====', '====', '====']);
    assert.match(out, /^SIMULATED/);
    const { classes, matrix } = JSON.parse((await conform(all, '--json')).out);
    assert.equal(classes.length, 1);
    assert.deepEqual(classes[0].targets, all);
    assert.equal(matrix[0][1].kind, 'identical');
  });

  test('one that differs is told apart, with the distance', async () => {
    three.lies = near;
    const { code, out } = await conform(all);
    assert.equal(code, 1);
    assert.deepEqual(signs(out), ['==≠=', '==≠=', '≠≠=≠']);
    assert.match(out, /sum: 1 of 2 elements differ; .* 2 ULP/);
    const { classes, profile, contradictions } = JSON.parse((await conform(all, '--json')).out);
    assert.deepEqual(
      classes.map(({ targets }: { targets: string[] }) => targets),
      [[one.target, two.target], [three.target]],
    );
    assert.deepEqual(profile, [], 'the node states the same profile as the others');
    assert.deepEqual(contradictions, [
      [one.target, three.target],
      [two.target, three.target],
    ]);
    assert.match(out, new RegExp(`CONTRADICTION ${one.target} and ${three.target} state one`));
  });

  test('near is good enough where a tolerance says so and the profile is another, far is not', async () => {
    const profile = { ...servedModel('adder', 1).profile, kernels: new Uint8Array(32).fill(1) };
    const elsewhere = await startAdder(near, profile);
    const nodes = [one.target, two.target, elsewhere.target];
    const close = await conform(nodes, ...tolerant());
    assert.deepEqual([close.code, signs(close.out)], [0, ['==~=', '==~=', '~~=~']]);
    elsewhere.lies = far;
    const apart = await conform(nodes, ...tolerant());
    assert.deepEqual([apart.code, signs(apart.out)[2]], [1, '≠≠=≠']);
    elsewhere.close();
  });

  test('what is near enough is what lies in the only folder of test sets, and the report names it', async () => {
    const profile = { ...servedModel('adder', 1).profile, kernels: new Uint8Array(32).fill(1) };
    const elsewhere = await startAdder(near, profile);
    await cp(at('vectors'), at('package'), { recursive: true });
    const judge = async (folders: readonly string[], ...more: readonly string[]) => {
      const named = folders.flatMap((folder) => ['--vectors', at(folder)]);
      const nodes = [one.target, elsewhere.target, '--model', 'adder'];
      const { code, out, err } = await assay(['conform', ...nodes, ...named, ...trust(), ...more]);
      const said = /^tolerances of (.*)$/m.exec(out)?.[1];
      return { judged: [code, signs(out)[0], said], out, err };
    };
    const file = at('package/tolerances.json');
    await cp(at('tolerances.json'), file);
    assert.deepEqual((await judge(['package'])).judged, [0, '=~=', file]);
    const { tolerances } = JSON.parse((await judge(['package'], '--json')).out);
    assert.equal(tolerances, file);
    const apart = [1, '=≠=', undefined];
    assert.deepEqual((await judge(['package', 'vectors'])).judged, apart, 'of which folder?');
    place({ 'strict.json': JSON.stringify({ version: 1, default: {} }) });
    const strict = await judge(['package'], '--tolerances', at('strict.json'));
    assert.deepEqual(strict.judged, apart);
    await cp(at('misspelt.json'), file);
    const { judged, err } = await judge(['package'], '--json');
    assert.deepEqual([judged[0], JSON.parse(err).error.code], [1, 'HUB_TOLERANCES']);
    elsewhere.close();
  });

  test('no tolerance excuses other bits under one execution digest', async () => {
    three.lies = near;
    const { code, out } = await conform(all, ...tolerant());
    assert.deepEqual([code, signs(out)], [1, ['==~=', '==~=', '~~=~']]);
    assert.match(out, new RegExp(`CONTRADICTION ${one.target} and ${three.target} state one`));
  });

  test('tolerances of an output that the model has not are a wrong call, for a record too', async () => {
    const saved = at('to-misspell.json');
    assert.equal((await conform([one.target], '--save', saved)).code, 0);
    for (const [nodes, more] of [
      [[one.target], []],
      [[], ['--with', saved]],
    ] as const) {
      const { code, err } = await conform(
        nodes,
        ...[...more, '--tolerances', at('misspelt.json'), '--json'],
      );
      const { error } = JSON.parse(err);
      assert.deepEqual([code, error.code], [2, 'USAGE_FILE']);
      assert.match(error.message, /of the model \("sum"\), not for "Sum"$/);
    }
  });

  test('nodes that agree with each other and not with the reference do not conform', async () => {
    one.lies = near;
    two.lies = near;
    const { code, out } = await conform([one.target, two.target]);
    assert.deepEqual([code, signs(out)], [1, ['==≠', '==≠']]);
  });

  test('a node that does not serve the model is equal to nobody, wherever it stands', async () => {
    const without = await startAdder({}, undefined, {}, 'other');
    const nodes = [one.target, two.target];
    for (const order of [
      [without.target, ...nodes],
      [...nodes, without.target],
    ]) {
      const { code, out } = await conform(order, '--json');
      const { matrix, excluded } = JSON.parse(out);
      assert.deepEqual([code, matrix.length, matrix[0][1].kind], [2, 2, 'identical']);
      assert.deepEqual(excluded[0].target, without.target);
      assert.deepEqual(excluded[0].code, 'CLIENT_MODEL');
    }
    assert.equal((await conform([without.target], '--save', at('none.json'))).code, 2);
    await conform(nodes, '--save', at('served.json'));
    const recorded = await conform([without.target], '--with', at('served.json'), '--json');
    assert.equal(JSON.parse(recorded.out).matrix.length, 2);
    without.close();
  });

  test('a node whose evidence does not hold is equal to nobody', async () => {
    three.lies = { nonce: () => new Uint8Array(32) };
    const { code, out } = await conform(all);
    assert.equal(code, 1);
    assert.equal(signs(out).length, 2);
    assert.match(out, /NOT COMPARED/);
  });

  test('a node whose answers have no valid receipt is equal to nobody, and the others are compared', async () => {
    three.lies = { answer: ({ parameters }) => delete parameters['receipt'] };
    const { code, out } = await conform(all);
    assert.deepEqual([code, signs(out)], [1, ['===', '===']]);
    assert.match(out, new RegExp(`NOT COMPARED ${three.target}: .*receipt`));
    const { excluded } = JSON.parse((await conform(all, '--json')).out);
    assert.equal(excluded[0].target, three.target);
    const alone = await conform([three.target], '--json');
    assert.deepEqual([alone.code, JSON.parse(alone.out).excluded[0].code], [1, excluded[0].code]);
  });

  test('without any node left the reasons are printed, and decide the exit code', async () => {
    const left = async (...args: Parameters<typeof conform>) => {
      const { code, out } = await conform(...args);
      const { nodes, excluded } = JSON.parse(out);
      return [code, nodes, excluded.map((node: { code: string }) => node.code)];
    };
    assert.deepEqual(await left(['localhost:1'], '--json'), [4, [], ['CLIENT_UNREACHABLE']]);
    three.lies = {
      bundle: (bundle) => encodeBundle({ ...decodeBundle(bundle), endorsements: null }),
    };
    assert.deepEqual(await left([three.target], '--json'), [3, [], ['CLIENT_UNCHECKED']]);
    three.lies = { nonce: () => new Uint8Array(32) };
    const saved = ['--save', at('none-left.json')];
    const { code, out, err } = await conform(['localhost:1', three.target], ...saved);
    assert.equal(code, 1);
    assert.match(out, /^NO NODE LEFT nothing was compared\n(.*\n)*NOT COMPARED localhost:1/);
    assert.match(err, /not written/);
    assert.equal(existsSync(at('none-left.json')), false);
  });

  test('a member of the profile that differs is told, and whether it separates the classes', async () => {
    const [adder] = three.enclave.manifest.models;
    assert.ok(adder !== undefined);
    const profile = { ...adder.profile, kernels: new Uint8Array(32).fill(5), node: '99.0.0' };
    three.lies = near;
    await three.enclave.restate([
      { ...adder, profile, execution: executionDigest(adder.graph, profile) },
    ]);
    const { out } = await conform(all);
    const found = JSON.parse((await conform(all, '--json')).out);
    three.lies = {};
    const honest = JSON.parse((await conform(all, '--json')).out);
    await three.enclave.restate([adder]);
    const members = (of: { profile: { member: string; separates: boolean }[] }) =>
      of.profile.map(({ member, separates }) => [member, separates]);
    assert.deepEqual(members(found), [
      ['node', true],
      ['kernels', true],
    ]);
    const [, { values }] = found.profile;
    assert.deepEqual(values[1], { value: '05'.repeat(32), targets: [three.target] });
    assert.deepEqual(found.contradictions, []);
    assert.match(
      out,
      /kernels .* nodes 1, 2 {2}separates the classes\n.* 0505050505050505 {2}nodes 3/,
    );
    assert.deepEqual([honest.classes.length, members(honest)[0]], [1, ['node', false]]);
  });

  test('nodes that compute another graph are not compared', async () => {
    const [adder] = three.enclave.manifest.models;
    assert.ok(adder !== undefined);
    const graph = new Uint8Array(32).fill(7);
    const execution = executionDigest(graph, adder.profile);
    await three.enclave.restate([{ ...adder, graph, execution }]);
    const { code, err } = await conform(all, '--json');
    await three.enclave.restate([adder]);
    assert.equal(code, 1);
    assert.equal(JSON.parse(err).error.code, 'CLIENT_GRAPHS');
  });

  test('needs test sets', async () => {
    const outcome = await conform(all, '--vectors', at('nowhere'), '--json');
    assert.equal(JSON.parse(outcome.err).error.code, 'USAGE_FILE');
  });
});

describe('a record', () => {
  const record = (): string => at('record.json');
  const read = async () => JSON.parse(await readFile(record(), 'utf8'));
  /** Changes a record, and compares node one with it. */
  const changed = async (change: (nodes: { target: string; proofs: string[] }[]) => void) => {
    const value = await read();
    change(value.nodes);
    await writeFile(at('changed.json'), JSON.stringify(value));
    const { code, out, err } = await conform([one.target], '--with', at('changed.json'), '--json');
    return { code, found: JSON.parse(out || err) };
  };

  before(async () => {
    const { code } = await conform([two.target, three.target], '--save', record());
    assert.equal(code, 0);
  });

  test('is compared with a node that answers later', async () => {
    const { code, out } = await conform([one.target], '--with', record());
    assert.deepEqual([code, signs(out)], [0, ['====', '====', '====']]);
    assert.match(out, new RegExp(`${two.target} \\(recorded\\)`));
    one.lies = near;
    const apart = await conform([one.target], '--with', record());
    assert.deepEqual([apart.code, signs(apart.out)[0]], [1, '=≠≠≠']);
  });

  test('of many test sets is read as it was written', async () => {
    const sets = Array.from({ length: 600 }, () => ['--vectors', at('vectors')]).flat();
    const large = at('large.json');
    const saved = await conform([two.target], ...sets, '--save', large);
    assert.equal(saved.code, 0);
    assert.ok((await stat(large)).size > 4 * 2 ** 20, 'more than other JSON documents may have');
    const { code, out } = await conform([], ...sets, '--with', large);
    assert.deepEqual([code, signs(out)], [0, ['==']]);
  });

  test('that cannot be written takes no verdict along', { skip: withoutFull }, async () => {
    one.lies = far;
    const outcome = await conform(all, '--save', '/dev/full', '--json');
    assert.equal(outcome.code, 1);
    assert.equal(JSON.parse(outcome.out).contradictions.length, 2);
    assert.equal(JSON.parse(outcome.err).error.code, 'USAGE_FILE');
    one.lies = {};
    const equal = await conform(all, '--save', '/dev/full');
    assert.deepEqual([equal.code, signs(equal.out).length], [2, 3]);
  });

  test('is all that needs proofs: answers too large for a file are compared', async () => {
    const session = await connect(one.target, parsePolicy(servedPolicy(one.enclave)), {
      roots: [one.root],
    });
    const infer = session.infer.bind(session);
    const tooLarge = (): never => {
      throw new AssayError('PROOF_SIZE', 'expected a smaller one');
    };
    session.infer = async (...of) => ({ ...(await infer(...of)), proof: tooLarge });
    const inputs = [tensor('a', 'FP32', [1, 2]), tensor('b', 'FP32', [3, 4])];
    const sets = [{ name: 's', inputs, outputs: [] }];
    const nodes = [await answersOf('one', session, 'adder', undefined, sets)];
    session.close();
    assert.equal(compareNodes(nodes, sets, undefined).nodes.length, 1);
    assert.throws(() => encodeRecord(nodes), { code: 'PROOF_SIZE' });
  });

  test('is compared with another record, without any node', async () => {
    one.lies = far;
    await conform([one.target], '--save', at('other.json'));
    const { code, out } = await conform([], '--with', record(), '--with', at('other.json'));
    assert.deepEqual([code, signs(out)], [1, ['==≠=', '==≠=', '≠≠=≠']]);
  });

  test('does not speak for another model or version than the one asked for', async () => {
    for (const asked of [['multiplier'], ['adder', '--model-version', '9']]) {
      const { code, err } = await assay([
        ...['conform', '--with', record(), '--vectors', at('vectors'), '--model', ...asked],
        ...['--policy', at('policy.json'), '--root', at('root.pem'), '--json'],
      ]);
      assert.deepEqual([code, JSON.parse(err).error.code], [1, 'PROOF_RECORD']);
    }
  });

  test('does not speak for a node whose proof was changed', async () => {
    const { code, found } = await changed(([node]) => {
      const bytes = Buffer.from(node?.proofs[0] ?? '', 'base64');
      bytes[bytes.length - 40] = (bytes[bytes.length - 40] ?? 0) ^ 1;
      node?.proofs.splice(0, 1, bytes.toString('base64'));
    });
    assert.equal(code, 1);
    assert.equal(found.nodes.length, 2);
    assert.deepEqual(
      found.excluded.map((node: { code: string }) => node.code),
      ['PROOF_RECORD'],
    );
  });

  test('does not speak for a node with fewer proofs than test sets', async () => {
    const { code, found } = await changed(([node]) => node?.proofs.push(node.proofs[0] ?? ''));
    assert.equal(code, 1);
    assert.match(found.excluded[0].message, /one a test set/);
  });

  test('makes no two nodes of one enclave, whatever it calls them', async () => {
    const told = async (...args: Parameters<typeof conform>) => {
      const { code, out } = await conform(...args, '--json');
      const { nodes, classes, excluded } = JSON.parse(out);
      const reasons = excluded.map((node: { code: string }) => node.code);
      return [code, nodes.length, classes[0].targets.length, reasons];
    };
    const value = await read();
    const [node] = value.nodes;
    value.nodes = ['a', 'b', 'c'].map((target) => ({ ...node, target }));
    await writeFile(at('renamed.json'), JSON.stringify(value));
    const twice = ['CLIENT_DUPLICATE', 'CLIENT_DUPLICATE'];
    assert.deepEqual(await told([], '--with', at('renamed.json')), [1, 1, 1, twice]);
    const again = ['--with', record(), '--with', record()];
    assert.deepEqual(await told([], ...again), [1, 2, 2, twice]);
    assert.deepEqual(await told([two.target, three.target], '--with', record()), [1, 2, 2, twice]);
  });

  test('does not speak for a node with a proof of another model', async () => {
    const other = await startAdder({}, undefined, {}, 'other');
    const what = ['--model', 'other', '--vectors', at('vectors'), ...trust()];
    const saved = await assay(['conform', other.target, ...what, '--save', at('of-other.json')]);
    other.close();
    assert.equal(saved.code, 0);
    const { code, out } = await conform([one.target], '--with', at('of-other.json'), '--json');
    const { nodes, excluded } = JSON.parse(out);
    assert.deepEqual([code, nodes.length, excluded[0]?.code], [1, 1, 'PROOF_RECORD']);
    assert.match(excluded[0].message, /of model other 1, which was not asked for/);
  });

  describe('does not speak for a node whose proofs are', () => {
    const sets = ['--vectors', at('pairs')];
    const [adder] = three.enclave.manifest.models;
    assert.ok(adder !== undefined);
    const { graph } = adder;
    const profile = { ...adder.profile, kernels: new Uint8Array(32).fill(5) };
    const cases = {
      'of two boots': [two, adder],
      'of one boot, and of two executions': [
        three,
        { ...adder, profile, execution: executionDigest(graph, profile) },
      ],
    } as const;
    for (const [name, [server, then]] of Object.entries(cases)) {
      test(name, async () => {
        for (const set of ['test_data_set_0', 'test_data_set_1']) {
          await cp(at('vectors/test_data_set_0'), at(`pairs/${set}`), { recursive: true });
        }
        const saved = async (target: string) => {
          assert.equal((await conform([target], ...sets, '--save', at('of-two.json'))).code, 0);
          return JSON.parse(await readFile(at('of-two.json'), 'utf8'));
        };
        const value = await saved(three.target);
        await server.enclave.restate([then]);
        const [, second] = (await saved(server.target)).nodes[0].proofs;
        await server.enclave.restate([adder]);
        value.nodes[0].proofs[1] = second;
        await writeFile(at('mixed.json'), JSON.stringify(value));
        const told = await conform([one.target], ...sets, '--with', at('mixed.json'), '--json');
        const { nodes, excluded } = JSON.parse(told.out);
        assert.deepEqual([told.code, nodes.length, excluded[0]?.code], [1, 1, 'PROOF_RECORD']);
        assert.match(excluded[0].message, /of one boot and one execution/);
      });
    }
  });

  describe('is of its own test sets, and not of', () => {
    const [adder] = one.enclave.manifest.models;
    assert.ok(adder !== undefined);
    const pair = { name: '', type: dataType.float, dims: [2], floats: [1, 2] };
    const cases = {
      'other numbers': { ...pair, floats: [9, 9] },
      'the same bytes in another shape': { ...pair, dims: [1, 2] },
    };
    for (const [name, value] of Object.entries(cases)) {
      test(name, async () => {
        const set = at('others/test_data_set_0');
        await cp(at('vectors/test_data_set_0'), set, { recursive: true });
        await writeFile(join(set, 'input_0.pb'), encodeTensor(value));
        await rm(join(set, 'output_0.pb'));
        const [a, ...rest] = adder.inputs;
        assert.ok(a !== undefined);
        await one.enclave.restate([{ ...adder, inputs: [{ ...a, dims: value.dims }, ...rest] }]);
        const { code, out } = await assay([
          ...['conform', one.target, '--model', 'adder', '--vectors', at('others')],
          ...['--policy', at('policy.json'), '--root', at('root.pem'), '--with', record()],
          '--json',
        ]);
        await one.enclave.restate([adder]);
        const { nodes, excluded } = JSON.parse(out);
        assert.deepEqual([code, nodes.length], [1, 1]);
        assert.match(excluded[0].message, /of other inputs/);
      });
    }
  });

  test('does not speak for a node that the policy refuses now', async () => {
    const profile = { ...servedModel('adder', 1).profile, kernels: new Uint8Array(32).fill(1) };
    const elsewhere = await startAdder({}, profile);
    const saved = await conform([elsewhere.target], '--save', at('refused.json'));
    elsewhere.close();
    assert.equal(saved.code, 0);
    const known = one.enclave.manifest.models.map(({ graph, execution }) => ({
      graph: toHex(graph),
      executions: [toHex(execution)],
    }));
    place({
      'known.json': JSON.stringify({
        version: 1,
        snp: { measurements: [toHex(SIMULATED_MEASUREMENT)] },
        enclave: { models: known, allowUnpinned: true },
      }),
    });
    const { code, out } = await assay([
      ...['conform', one.target, '--model', 'adder', '--vectors', at('vectors')],
      ...['--policy', at('known.json'), '--root', at('root.pem')],
      ...['--with', at('refused.json'), '--json'],
    ]);
    const { nodes, excluded } = JSON.parse(out);
    assert.deepEqual([code, nodes.length, excluded[0]?.code], [1, 1, 'PROOF_RECORD']);
    assert.match(excluded[0].message, /is not affirmed/);
  });

  test('that is none is refused', async () => {
    await writeFile(at('none.json'), '{"version":1}');
    const { err } = await conform([one.target], '--with', at('none.json'), '--json');
    assert.equal(JSON.parse(err).error.code, 'PROOF_RECORD');
    assert.equal(JSON.parse((await conform([], '--json')).err).error.code, 'USAGE_ARGUMENTS');
  });
});

test('outputs are compared one by one', () => {
  const [model] = one.enclave.manifest.models;
  assert.ok(model !== undefined);
  const outputs = ['y', 'z'].map((name) => ({ name, type: 'tensor(float)', dims: [1] }));
  const node = (target: string, y: number, z: number): NodeAnswers => ({
    target,
    epoch: utf8(target),
    model: { ...model, outputs },
    simulated: true,
    answers: [[tensor('y', 'FP32', [y]), tensor('z', 'FP32', [z])]],
    proofs: [],
  });
  const sets = [{ name: 's', inputs: [], outputs: [tensor('z', 'FP32', [2])] }];
  const found = compareNodes([node('a', 1, 2), node('b', 1, 3)], sets, {
    default: { absolute: 1 },
  });
  const kinds = (name: string) => {
    const output = found.outputs.find((each) => each.name === name);
    return [
      output?.matrix[0]?.[1]?.relation.kind,
      output?.reference.map((each) => each?.relation.kind ?? null),
    ];
  };
  assert.deepEqual(kinds('y'), ['identical', [null, null]]);
  assert.deepEqual(kinds('z'), ['within', ['identical', 'within']]);
  assert.equal(found.matrix[0]?.[1]?.relation.kind, 'within');
});

test('many nodes with large answers are compared as those who answered alike', () => {
  const [model] = one.enclave.manifest.models;
  assert.ok(model !== undefined);
  const outputs = [{ name: 'y', type: 'tensor(float)', dims: [2 ** 17] }];
  const answers = [1, 1.5].map((value) => {
    return tensor('y', 'FP32', new Array<number>(2 ** 17).fill(value));
  });
  const nodes = Array.from({ length: 100 }, (_, i): NodeAnswers => {
    const answered = answers.slice(i % 2, (i % 2) + 1);
    const [target, stated] = [`${i}`, { ...model, outputs }];
    const shared = { target, epoch: utf8(target), model: stated, simulated: true, proofs: [] };
    return { ...shared, answers: [answered] };
  });
  const sets = [{ name: 's', inputs: [], outputs: answers.slice(0, 1) }];
  const { matrix, reference, classes } = compareNodes(nodes, sets, { default: { absolute: 1 } });
  const expected = (i: number) => (i % 2 === 0 ? 'identical' : 'within');
  matrix.forEach((row, i) => {
    row.forEach(({ relation }, j) => {
      assert.equal(relation.kind, expected(i + j));
    });
  });
  assert.deepEqual(
    reference.map((own) => own?.relation.kind),
    nodes.map((_, i) => expected(i)),
  );
  assert.deepEqual(
    classes.map(({ targets }) => targets.length),
    [50, 50],
  );
});

describe('of several test sets the worst is told', () => {
  const [model] = one.enclave.manifest.models;
  assert.ok(model !== undefined);
  const outputs = [{ name: 'y', type: 'tensor(float)', dims: [2] }];
  const node = (target: string, answers: readonly (readonly number[])[]): NodeAnswers => ({
    ...{ target, epoch: utf8(target), model: { ...model, outputs }, simulated: true, proofs: [] },
    answers: answers.map((values) => [tensor('y', 'FP32', values)]),
  });
  const cases: Readonly<
    Record<
      string,
      readonly [answers: readonly (readonly number[])[], within: number, worst: string]
    >
  > = {
    'the farther of two within the tolerance': [
      [
        [1, 1.25],
        [1, 1.5],
      ],
      1,
      '1 within',
    ],
    'the farther of two apart': [
      [
        [1, 1.25],
        [1, 1e9],
      ],
      0,
      '1 apart',
    ],
    'a NaN before any number': [
      [
        [1, 1e9],
        [1, Number.NaN],
      ],
      0,
      '1 apart',
    ],
    'of equally far ones that with more elements that differ': [
      [
        [1, 2],
        [2, 2],
      ],
      1,
      '1 within',
    ],
    'of equally bad ones the first': [
      [
        [1, 2],
        [2, 1],
      ],
      1,
      '0 within',
    ],
    'another shape before any distance': [
      [
        [1, 1, 1],
        [1, 1e9],
      ],
      0,
      '0 incomparable',
    ],
    'one apart before one within': [
      [
        [1, 1.5],
        [1, 1],
      ],
      0.25,
      '0 apart',
    ],
  };
  for (const [name, [answers, absolute, worst]] of Object.entries(cases)) {
    test(name, () => {
      const sets = answers.map((_, i) => {
        return { name: `${i}`, inputs: [], outputs: [tensor('y', 'FP32', [1, 1])] };
      });
      const same = node(
        'a',
        answers.map(() => [1, 1]),
      );
      const found = compareNodes([same, node('b', answers)], sets, { default: { absolute } });
      const told = [found.matrix[0]?.[1], found.reference[1]];
      assert.deepEqual(
        told.map((relation) => `${relation?.testSet} ${relation?.relation.kind}`),
        [worst, worst],
      );
    });
  }
});
