import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { compressedInitrd } from '../../../enclave/image/cpio.js';
import { compileInit, lz4Of } from '../../../enclave/image/toolchain.js';
import { repositoryRoot } from '../../vectors.js';

const folder = mkdtempSync(join(tmpdir(), 'assay-toolchain-'));
const { PATH } = process.env;
after(() => {
  process.env['PATH'] = PATH;
  rmSync(folder, { recursive: true });
});

const sources = join(repositoryRoot, 'enclave/image');
const output = join(folder, 'output');
const calls = join(folder, 'calls');
const { debian } = JSON.parse(readFileSync(join(sources, 'packages.json'), 'utf8')) as {
  readonly debian: readonly { readonly name: string }[];
};
const packages = new Map(debian.map(({ name }) => [name, join(folder, 'packages', name)]));

/** The pinned loader, played: it notes its words, and writes into the file behind `-o`. */
const LOADER = `#!/bin/sh
echo "$*" >>'${calls}'
while [ $# -gt 1 ]; do
  if [ "$1" = -o ] && [ "$2" != - ]; then echo linked >"$2"; fi
  shift
done
`;
const libraries = join(folder, 'packages/libc6/usr/lib/x86_64-linux-gnu');
mkdirSync(libraries, { recursive: true });
mkdirSync(output);
writeFileSync(join(libraries, 'ld-linux-x86-64.so.2'), LOADER);
chmodSync(join(libraries, 'ld-linux-x86-64.so.2'), 0o755);

suite("what the image's own programs are made with", () => {
  test('are pinned programs on pinned libraries, headers and objects, and none of this machine', async () => {
    process.env['PATH'] = join(folder, 'nowhere');
    const init = await compileInit(packages, sources, output);
    await compressedInitrd([init], lz4Of(packages));
    process.env['PATH'] = PATH;
    assert.deepEqual(
      [init.path, Buffer.from(init.data).toString(), init.executable],
      ['/init', 'linked\n', true],
    );
    const lines = readFileSync(calls, 'utf8').trimEnd().split('\n');
    const programs = lines.map(
      (line) => /^--library-path \S+ \S+\/packages\/(\S+)/.exec(line)?.[1],
    );
    const compiler = 'cpp-14-x86-64-linux-gnu/usr/libexec/gcc/x86_64-linux-gnu/14/cc1';
    const binutils = 'binutils-x86-64-linux-gnu/usr/bin/x86_64-linux-gnu';
    assert.deepEqual(programs, [
      ...[compiler, `${binutils}-as`, compiler, `${binutils}-as`],
      ...[`${binutils}-ld`, 'lz4/usr/bin/lz4'],
    ]);
    for (const line of lines) {
      for (const path of line.split(/[ :]/).filter((word) => word.startsWith('/'))) {
        const known = [join(folder, 'packages/'), join(output, '')];
        assert.ok(
          known.some((place) => path.startsWith(place)),
          path,
        );
      }
    }
    for (const compiled of lines.filter((line) => line.includes('/cc1 '))) {
      assert.match(compiled, / -nostdinc -isystem /);
    }
  });

  for (const name of ['libc6', 'libc6-dev', 'linux-libc-dev', 'libgcc-14-dev', 'libisl23']) {
    test(`are refused where ${name} is not pinned`, async () => {
      const fewer = new Map([...packages].filter(([each]) => each !== name));
      await assert.rejects(compileInit(fewer, sources, output), {
        code: 'CONFIG_IMAGE',
        message: `packages.json does not pin ${name}`,
      });
    });
  }
});
