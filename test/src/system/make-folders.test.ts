import assert from 'node:assert/strict';
import { mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { makeFolders } from '../../../src/system/make-folders.js';

const folder = await mkdtemp(join(tmpdir(), 'assay-folders-'));
after(() => rm(folder, { recursive: true }));
const file = join(folder, 'file');
await writeFile(file, '');
await symlink(join(folder, 'nowhere'), join(folder, 'link'));

test('makes what is not there with the mode, and leaves what is', async () => {
  const path = join(folder, 'a', 'b', 'c');
  await Promise.all([makeFolders(path, 0o700), makeFolders(path, 0o700)]);
  await makeFolders(path, 0o755);
  for (const made of [path, join(path, '..')]) {
    assert.equal((await stat(made)).mode & 0o777, 0o700);
  }
});

for (const [path, code] of [
  [file, 'EEXIST'],
  [join(file, 'below', 'it'), 'ENOTDIR'],
  [join(folder, 'link'), 'EEXIST'],
  ['/proc/none/below', 'ENOENT'],
] as const) {
  test(`no folder at ${path.replace(folder, '')}: ${code}`, async () => {
    await assert.rejects(makeFolders(path), { code, syscall: 'mkdir' });
  });
}
