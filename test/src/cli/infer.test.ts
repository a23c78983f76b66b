import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { formatNpy, parseNpy } from '../../../src/client/npy.js';
import { elementsOf, tensor } from '../../../src/client/tensor.js';
import { assay, withoutFull } from '../../forge/cli.js';
import { serveScale } from '../../forge/served-scale.js';

const { at, target, trust } = await serveScale();

describe('assay infer', () => {
  for (const file of ['x.npy', 'x.json', 'x.raw']) {
    test(`${file}: the answer is twice the question, to the bit`, async () => {
      const args = ['infer', target, 'scale', '--input', `x=${at(file)}`, ...trust()];
      const { code, out, err } = await assay([...args, '--json']);
      assert.deepEqual([code, err], [0, '']);
      const { outputs, receipt, simulated } = JSON.parse(out);
      assert.equal(simulated, true);
      assert.deepEqual(outputs, [{ name: 'y', datatype: 'FP32', shape: [3], data: [2, -4, 0.2] }]);
      assert.match(receipt.response, /^[0-9a-f]{64}$/);
    });
  }

  test('writes outputs, reads from standard input, and shows the banner', async () => {
    const args = ['infer', target, 'scale', '--input', 'x=-', '--output', `y=${at('y.npy')}`];
    const stdin = formatNpy(tensor('x', 'FP32', [21]));
    const { code, out } = await assay([...args, ...trust()], { stdin });
    assert.equal(code, 0);
    assert.match(out, /^SIMULATED/);
    assert.match(out, /Receipt: verified/);
    assert.deepEqual(elementsOf(parseNpy('y', await readFile(at('y.npy')))), [42]);
  });

  const full = '/dev/full';
  const files: readonly (readonly [string, string, string, string])[] = [
    ['an output', full, 'kept.proof', 'kept.proof'],
    ['its proof', 'kept.npy', full, 'kept.npy'],
  ];
  for (const [name, output, proof, kept] of files) {
    test(`an answer is printed, and its other file kept, where ${name} cannot be written`, {
      skip: withoutFull,
    }, async () => {
      const path = (file: string): string => (file === full ? full : at(file));
      const given = ['--input', `x=${at('x.npy')}`, ...trust(), '--json'];
      const { code, out, err } = await assay([
        ...['infer', target, 'scale', ...given],
        ...['--output', `y=${path(output)}`, '--save-proof', path(proof)],
      ]);
      assert.deepEqual([code, JSON.parse(err).error.code], [2, 'USAGE_FILE']);
      assert.deepEqual(JSON.parse(out).outputs[0].data, [2, -4, 0.2]);
      assert.ok((await readFile(at(kept))).length > 0);
    });
  }

  test('says what it wrote, and nothing of an output that was only asked for', async () => {
    const args = ['infer', target, 'scale', '--input', `x=${at('x.npy')}`, ...trust()];
    const proof = at('said.proof');
    const { code, out } = await assay([...args, '--output', 'y', '--save-proof', proof]);
    assert.equal(code, 0);
    assert.deepEqual(out.match(/^Wrote .*$/gm), [`Wrote the proof of this answer to ${proof}`]);
  });

  test('an answer in JSON is an input as it stands', async () => {
    const infer = async (file: string) => {
      const args = ['--input', `x=${at(file)}`, ...trust(), '--json'];
      const { out } = await assay(['infer', target, 'scale', ...args]);
      return JSON.parse(out).outputs[0];
    };
    await writeFile(at('answer.json'), JSON.stringify(await infer('x.npy')));
    assert.deepEqual((await infer('answer.json')).data, [4, -8, 0.4]);
  });

  test('a zero keeps its sign, in JSON and in text', async () => {
    await writeFile(at('zeros.json'), '[-0, 0, -0.0]');
    const args = ['infer', target, 'scale', '--input', `x=${at('zeros.json')}`, ...trust()];
    const json = await assay([...args, '--json', '--output', `y=${at('zeros.npy')}`]);
    assert.deepEqual(JSON.parse(json.out).outputs[0].data, [-0, 0, -0]);
    assert.deepEqual(elementsOf(parseNpy('y', await readFile(at('zeros.npy')))), [-0, 0, -0]);
    const { out } = await assay(args);
    assert.match(out, /^y FP32 \[3\]\n {2}-0, 0, -0$/m);
  });

  test('JSON whose name does not tell is not taken for elements, and elements that begin as it does are', async () => {
    const infer = (text: string) => {
      const stdin = new TextEncoder().encode(text);
      return assay(['infer', target, 'scale', '--input', 'x=-', ...trust(), '--json'], { stdin });
    };
    for (const text of ['[1, 2, 3.25]', '\n[[ 1,\t2 ]]\n', '{"datatype": "FP32"}']) {
      const { code, out, err } = await infer(text);
      const { error } = JSON.parse(err);
      assert.deepEqual([code, out, error.code], [2, '', 'USAGE_FILE'], text);
      assert.match(
        error.message,
        /: standard input is JSON, .*raw elements of FP32, .*ends in \.json/,
      );
    }
    const { code, out } = await infer('[1, 2, 3.25,');
    assert.deepEqual([code, JSON.parse(out).outputs[0].shape], [0, [3]]);
  });

  test('what is no whole number of elements is said to be read as raw ones', async () => {
    const args = ['infer', target, 'scale', '--input', 'x=-', ...trust(), '--json'];
    const { code, err } = await assay(args, { stdin: new Uint8Array(6) });
    const { error } = JSON.parse(err);
    assert.deepEqual([code, error.code], [2, 'TENSOR_SHAPE']);
    assert.match(error.message, /: 6 bytes, read as raw elements of FP32, do not decide /);
  });

  test('what the server says is told once', async () => {
    const { code, err } = await assay(['infer', target, 'scale', ...trust()]);
    assert.deepEqual([code, err.match(/INVALID_ARGUMENT/g)?.length], [2, 1]);
    assert.match(err, /^error CLIENT_SERVICE: ModelInfer answered INVALID_ARGUMENT: .+\n$/);
  });

  const input = (): string => `x=${at('x.npy')}`;
  const exits: readonly (readonly [string, () => string[], number, string])[] = [
    ['an unknown model', () => ['shrink', '--input', input(), ...trust()], 2, 'CLIENT_MODEL'],
    [
      'an unknown input',
      () => ['scale', '--input', `z=${at('x.npy')}`, ...trust()],
      2,
      'CLIENT_INPUT',
    ],
    [
      'an unknown output',
      () => ['scale', '--input', input(), '--output', 'z', ...trust()],
      2,
      'CLIENT_OUTPUT',
    ],
    [
      'another datatype',
      () => ['scale', '--input', `x=${at('x64.npy')}`, ...trust()],
      2,
      'TENSOR_DATATYPE',
    ],
    ['no name', () => ['scale', '--input', at('x.npy'), ...trust()], 2, 'USAGE_OPTION'],
    ['a missing input', () => ['scale', ...trust()], 2, 'CLIENT_SERVICE'],
    [
      'a shape that is none',
      () => ['scale', '--input', input(), '--shape', 'x=1,a', ...trust()],
      2,
      'USAGE_OPTION',
    ],
  ];
  for (const [name, args, code, error] of exits) {
    test(`${name}: exit code ${code}`, async () => {
      const outcome = await assay(['infer', target, ...args(), '--json']);
      assert.equal(outcome.code, code, outcome.err);
      assert.equal(JSON.parse(outcome.err).error.code, error);
      assert.equal(outcome.out, '');
    });
  }

  const unreadable: readonly (readonly [string, readonly string[], string])[] = [
    ['a file that is not there', ['--input', `x=${at('none.npy')}`], 'USAGE_FILE'],
    ['an input without a name', ['--input', at('x.npy')], 'USAGE_OPTION'],
    ['a shape beside .npy', ['--input', `x=${at('x.npy')}`, '--shape', 'x=2'], 'USAGE_OPTION'],
  ];
  for (const [name, given, error] of unreadable) {
    test(`${name} is found before a node is asked, and each of a quorum`, async () => {
      const nobody = 'localhost:1';
      for (const args of [
        ['infer', nobody, 'scale'],
        ['quorum', 'scale', nobody, '--agree', '1'],
      ]) {
        const outcome = await assay([...args, ...given, ...trust(), '--json']);
        assert.deepEqual([outcome.code, JSON.parse(outcome.err).error.code], [2, error], args[0]);
      }
    });
  }

  test('sends nothing to a server that is not affirmed', async () => {
    const args = ['--input', input(), '--policy', at('other.json'), '--root', at('root.pem')];
    const { code, out } = await assay(['infer', target, 'scale', ...args, '--json']);
    assert.equal(code, 1);
    assert.equal(JSON.parse(out).code, 'snp.measurement');
  });
});
