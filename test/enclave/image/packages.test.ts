import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { fetchPackages } from '../../../enclave/image/packages.js';

const folder = mkdtempSync(join(tmpdir(), 'assay-packages-'));
const programs = join(folder, 'bin');
const served = join(folder, 'served');
const { PATH } = process.env;
process.env['PATH'] = `${programs}:${PATH}`;
after(() => {
  process.env['PATH'] = PATH;
  rmSync(folder, { recursive: true });
});

/** Stand-ins: a mirror hands out what lies in `served`, and an archive is its only file, `content`. */
const FETCH = `cp -R '${served}/.' .`;
mkdirSync(programs);
for (const [name, script] of [
  ['npm', FETCH],
  ['tar', 'cp "$2" "$4/content"'],
  [
    'apt-get',
    `case "$*" in *indextargets*) echo 'http://mirror Debian Debian';; *download*) ${FETCH};; esac`,
  ],
  ['dpkg-deb', 'cp "$2" "$3/content"'],
] as const) {
  writeFileSync(join(programs, name), `#!/bin/sh\nset -e\n${script}\n`);
  chmodSync(join(programs, name), 0o755);
}

/** What the mirror has from now on; `undefined` is a mirror that fails. */
function serve(files: Readonly<Record<string, string>> | undefined): void {
  rmSync(served, { recursive: true, force: true });
  if (files === undefined) return;
  mkdirSync(served);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(served, name), text);
}

const GENUINE = { 'package-1': 'genuine' };
const sha256 = hash('sha256', GENUINE['package-1']);
let builds = 0;

/** A build's folder of packages, one of which is pinned, from Debian or from npm. */
function builder(source: 'debian' | 'npm') {
  const directory = join(folder, `packages-${builds++}`);
  const pins = `${directory}.json`;
  const pin = { name: 'package', version: '1', sha256 };
  const debian = source === 'debian' ? [{ ...pin, suite: 'trixie' }] : [];
  writeFileSync(pins, JSON.stringify({ debian, npm: source === 'npm' ? [pin] : [] }));
  return {
    cache: join(directory, 'cache'),
    /** Path of the one file of the unpacked package. */
    fetch: async () => join((await fetchPackages(pins, directory)).get('package') ?? '', 'content'),
  };
}

for (const source of ['debian', 'npm'] as const) {
  suite(`a pinned package of ${source}`, () => {
    test('is unpacked where its digest is the pinned one, and fetched once', async () => {
      const { fetch } = builder(source);
      serve(GENUINE);
      assert.equal(readFileSync(await fetch(), 'utf8'), 'genuine');
      serve(undefined);
      assert.equal(readFileSync(await fetch(), 'utf8'), 'genuine');
    });

    for (const [what, files, code] of [
      ['of another digest', { 'package-1': 'changed' }, 'CONFIG_IMAGE'],
      ['that is an error page', { 'package-1': '<html>' }, 'CONFIG_IMAGE'],
      ['that is not there', {}, 'CONFIG_IMAGE_MIRROR'],
      ['of a mirror that fails', undefined, 'CONFIG_IMAGE_MIRROR'],
    ] as const) {
      test(`${what} is refused with ${code}, and the genuine one taken after it`, async () => {
        const { fetch } = builder(source);
        serve(files);
        await assert.rejects(fetch(), { code });
        serve(GENUINE);
        assert.equal(readFileSync(await fetch(), 'utf8'), 'genuine');
      });
    }

    test('for which a mirror leaves a folder is refused', async () => {
      serve({});
      mkdirSync(join(served, 'package-1'));
      await assert.rejects(builder(source).fetch(), { code: 'CONFIG_IMAGE_MIRROR' });
    });

    test('is refused where its archive was changed since it was fetched', async () => {
      const { cache, fetch } = builder(source);
      serve(GENUINE);
      await fetch();
      for (const name of readdirSync(cache)) writeFileSync(join(cache, name), 'changed');
      await assert.rejects(fetch(), { code: 'CONFIG_IMAGE' });
    });

    test('is unpacked anew for each build, whatever became of its files since the last', async () => {
      const { fetch } = builder(source);
      serve(GENUINE);
      const content = await fetch();
      writeFileSync(content, 'changed');
      writeFileSync(`${content}.more`, 'added');
      assert.equal(await fetch(), content);
      assert.deepEqual(readdirSync(join(content, '..')), ['content']);
      assert.equal(readFileSync(content, 'utf8'), 'genuine');
    });
  });
}
