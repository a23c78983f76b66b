import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { toPem } from '../../../attestation/encoding/pem.js';
import { executionDigest } from '../../../attestation/evidence/execution-profile.js';
import { SIMULATED_MEASUREMENT } from '../../../enclave/platform/simulator/snp.js';
import { computing, startAdder } from '../../forge/adder-server.js';
import { assay } from '../../forge/cli.js';
import { dataType, encodeTensor } from '../../forge/onnx.js';

const servers = await Promise.all([startAdder(), startAdder(), startAdder()]);
const [one, two, three] = servers;
const near = computing([4 * (1 + 2 ** -22), 6]);
const far = computing([40, 6]);
let folder = '';
const at = (name: string): string => join(folder, name);

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'assay-conform-'));
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
    'vectors/test_data_set_0/input_0.pb': pair([1, 2]),
    'vectors/test_data_set_0/input_1.pb': pair([3, 4]),
    'vectors/test_data_set_0/output_0.pb': pair([4, 6]),
  };
  await Promise.all(Object.entries(files).map(([name, data]) => writeFile(at(name), data)));
});
after(async () => {
  for (const server of servers) server.close();
  await rm(folder, { recursive: true });
});
afterEach(() => {
  for (const server of servers) server.lies = {};
});

const conform = (targets: readonly string[], ...more: readonly string[]) => {
  const trust = ['--policy', at('policy.json'), '--root', at('root.pem')];
  const what = ['--model', 'adder', '--vectors', at('vectors')];
  return assay(['conform', ...targets, ...what, ...trust, ...more]);
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
    assert.match(out, /sum: 1 of 2 elements differ; .* 2\.00 ULP/);
    const { classes } = JSON.parse((await conform(all, '--json')).out);
    assert.deepEqual(
      classes.map(({ targets }: { targets: string[] }) => targets),
      [[one.target, two.target], [three.target]],
    );
  });

  test('near is good enough where a tolerance says so, far is not', async () => {
    three.lies = near;
    const close = await conform(all, ...tolerant());
    assert.deepEqual([close.code, signs(close.out)], [0, ['==~=', '==~=', '~~=~']]);
    three.lies = far;
    const apart = await conform(all, ...tolerant());
    assert.deepEqual([apart.code, signs(apart.out)[2]], [1, '≠≠=≠']);
  });

  test('nodes that agree with each other and not with the reference do not conform', async () => {
    one.lies = near;
    two.lies = near;
    const { code, out } = await conform([one.target, two.target]);
    assert.deepEqual([code, signs(out)], [1, ['==≠', '==≠']]);
  });

  test('a node whose evidence does not hold is equal to nobody', async () => {
    three.lies = { nonce: () => new Uint8Array(32) };
    const { code, out } = await conform(all);
    assert.equal(code, 1);
    assert.equal(signs(out).length, 2);
    assert.match(out, /NOT COMPARED/);
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
