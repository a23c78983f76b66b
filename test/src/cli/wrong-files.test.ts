import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { link, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { toPem } from '../../../attestation/encoding/pem.js';
import { startAdder } from '../../forge/adder-server.js';
import { assay } from '../../forge/cli.js';
import { servedPolicy } from '../../forge/served-policy.js';

const server = await startAdder();
const folder = await mkdtemp(join(tmpdir(), 'assay-files-'));
const at = (name: string): string => join(folder, name);

before(async () => {
  await writeFile(at('there'), 'kept');
  await mkdir(at('votes'));
  await writeFile(at('root.pem'), toPem(server.root, 'CERTIFICATE'));
  await link(at('there'), at('linked'));
  await symlink(at('there'), at('symbolic'));
  await symlink(folder, at('folder'));
});
after(async () => {
  server.close();
  await rm(folder, { recursive: true });
});

const infer = ['infer', server.target, 'adder'];
const quorum = ['quorum', 'adder', 'a.invalid:1', 'b.invalid:1', '--agree', '2'];
const voted = at(join('votes', 'dissents-a.invalid_1.proof'));

describe('two outputs that are one file', () => {
  const cases: readonly (readonly [name: string, () => readonly string[]])[] = [
    ['attest --save --ca', () => ['attest', server.target, '--save', at('b'), '--ca', at('b')]],
    [
      'by another spelling',
      () => ['attest', server.target, '--save', at('b'), '--ca', relative('.', at('b'))],
    ],
    [
      'through a link to the folder',
      () => ['attest', server.target, '--save', at('b'), '--ca', at(join('folder', 'b'))],
    ],
    ['by a link', () => ['attest', server.target, '--save', at('there'), '--ca', at('linked')]],
    [
      'by a symbolic link',
      () => ['attest', server.target, '--save', at('symbolic'), '--ca', at('there')],
    ],
    [
      'infer --output --save-proof',
      () => [...infer, '--output', `sum=${at('p')}`, '--save-proof', at('p')],
    ],
    [
      'infer --output --output',
      () => [...infer, '--output', `sum=${at('p')}`, '--output', `other=${at('p')}`],
    ],
    [
      'quorum --output --save-proofs',
      () => [...quorum, '--save-proofs', at('votes'), '--output', `sum=${voted}`],
    ],
  ];
  for (const [name, args] of cases) {
    test(`is refused: ${name}`, async () => {
      const { code, out, err } = await assay([...args(), '--json']);
      const { error } = JSON.parse(err);
      assert.deepEqual([code, out, error.code], [2, '', 'USAGE_OPTION']);
      assert.match(error.message, /^expected a file of its own for each output, not /);
    });
  }
  test('may be a device', async () => {
    const files = ['--save', '/dev/null', '--ca', '/dev/null'];
    const { code, err } = await assay(['attest', 'localhost:1', ...files, '--json']);
    assert.deepEqual([code, JSON.parse(err).error.code], [4, 'CLIENT_UNREACHABLE']);
  });
});

describe('-', () => {
  const reference = `ocidir://${at('layout')}:v1`;
  const outputs: readonly (readonly string[])[] = [
    ['attest', server.target, '--save', '-'],
    [...infer, '--save-proof', '-'],
    [...infer, '--output', 'sum=-'],
    ['collect', '--report', at('there'), '--out', '-'],
    ['conform', '--model', 'adder', '--vectors', at('there'), '--save', '-'],
    ['proxy', server.target, '--save-proofs', '-'],
    [...quorum, '--save-proofs', '-'],
    ['hub', 'pull', reference, '-'],
  ];
  for (const args of outputs) {
    test(`is no output: ${args[0]} ${args.at(-2)}`, async () => {
      const { code, out, err } = await assay([...args, '--json']);
      const { error } = JSON.parse(err);
      assert.deepEqual([code, out, error.code], [2, '', 'USAGE_OPTION']);
      assert.match(
        error.message,
        /^expected the path of an output, not -: standard output has the/,
      );
      assert.equal(existsSync('-'), false);
    });
  }

  const models: readonly (readonly string[])[] = [
    ['inspect', '-'],
    ['diff', '-', at('there')],
    ['admit', '-'],
    ['hub', 'push', '-', reference],
  ];
  for (const args of models) {
    test(`is no model: ${args.slice(0, 2).join(' ')}`, async () => {
      const { code, out, err } = await assay([...args, '--json']);
      const { error } = JSON.parse(err);
      assert.deepEqual([code, out, error.code], [2, '', 'USAGE_OPTION']);
      assert.match(error.message, /expected the path of a model, not standard input/);
    });
  }

  const twice: readonly (readonly string[])[] = [
    ['verify', 'receipt', '-', '--policy', '-'],
    ['verify', 'evidence', '-', '--policy', '-'],
    [...infer, '--root', at('root.pem'), '--policy', '-', '--input', 'a=-'],
    ['verify', 'snp', '--report', '-', '--vek', '-', '--offline'],
    ['verify', 'tdx', '--quote', '-', '--collateral', '-', '--offline'],
  ];
  for (const args of twice) {
    test(`is standard input for one reader: ${args.join(' ')}`, async () => {
      const stdin = new TextEncoder().encode(JSON.stringify(servedPolicy(server.enclave)));
      const { code, out, err } = await assay([...args, '--json'], { stdin });
      const { error } = JSON.parse(err);
      assert.deepEqual([code, out, error.code], [2, '', 'USAGE_OPTION']);
      assert.equal(error.message, 'expected - once: standard input is read already');
    });
  }
});
