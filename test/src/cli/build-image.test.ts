import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { repositoryRoot } from '../../vectors.js';

const folder = mkdtempSync(join(tmpdir(), 'assay-build-image-'));
after(() => rmSync(folder, { recursive: true }));
const inFolder = (name: string): string => join(folder, name);
const RIGHT =
  '{version: 1, commandLine: quiet, hosts: [localhost], models: [{name: m, path: m.onnx}]}';
writeFileSync(inFolder('right.yaml'), RIGHT);
writeFileSync(inFolder('wrong.yaml'), RIGHT.replace('1', '2'));
writeFileSync(inFolder('twice.yaml'), RIGHT.replace('[{', '[{name: m, path: n.onnx}, {'));
writeFileSync(inFolder('ports.yaml'), RIGHT.replace('{', '{port: 9464, metricsPort: 9464, '));
writeFileSync(inFolder('apt-get'), '#!/bin/sh\necho E: no mirror today >&2\nexit 100\n');
chmodSync(inFolder('apt-get'), 0o755);

/** Builds on a machine whose only program is an apt-get that fails. */
function build(...words: readonly string[]) {
  const program = join(repositoryRoot, 'build/src/cli/build-image.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...words], {
    encoding: 'utf8',
    env: { PATH: folder },
  });
  return { status, stdout, lines: stderr.trimEnd().split('\n') };
}

suite('building an image fails as commands do', () => {
  for (const [what, specification, output, expected, lines] of [
    [
      'a specification that is not there',
      'none.yaml',
      'output',
      2,
      [/^error CONFIG_IMAGE: cannot read .*none\.yaml: .+/, /^ {2}because: ENOENT.+/],
    ],
    [
      'a specification with a wrong member',
      'wrong.yaml',
      'output',
      2,
      [/^error CONFIG_IMAGE: .*wrong\.yaml is no image specification: .*version.*/],
    ],
    [
      'two models of one name and version',
      'twice.yaml',
      'output',
      2,
      [
        /^error CONFIG_IMAGE: .*twice\.yaml describes a guest that would not start: .*model m 1 twice/,
      ],
    ],
    [
      'one port for calls and for metrics',
      'ports.yaml',
      'output',
      2,
      [/^error CONFIG_IMAGE: .*ports\.yaml .*listen and metrics listen on one port, 9464/],
    ],
    [
      'a mirror that does not answer',
      'right.yaml',
      'output',
      2,
      [/^error CONFIG_IMAGE_MIRROR: .+/, /^ {2}because: apt-get ended with code 100: E: no mirror/],
    ],
    [
      'an output that is a file',
      'right.yaml',
      'wrong.yaml',
      4,
      [/^error INTERNAL: EEXIST.*wrong\.yaml/],
    ],
  ] as const) {
    test(`${what} ends it with ${expected}, and is said without a stack`, () => {
      const {
        status,
        stdout,
        lines: said,
      } = build(inFolder(specification), inFolder(output), inFolder('packages'));
      assert.equal(status, expected);
      assert.equal(stdout, '');
      assert.equal(said.length, lines.length, said.join('\n'));
      lines.forEach((line, index) => {
        assert.match(said[index] ?? '', line);
      });
    });
  }

  test('a missing argument ends it with 2 and the usage', () => {
    const { status, lines } = build(inFolder('right.yaml'));
    assert.equal(status, 2);
    assert.match(lines[0] ?? '', /^usage: /);
  });
});
