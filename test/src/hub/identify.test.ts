import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { verifyPackage } from '../../../src/hub/identify.js';
import type { ModelPackage } from '../../../src/hub/package.js';
import { stockedRegistry } from './setting.js';

const lies: readonly (readonly [string, string, (honest: ModelPackage) => ModelPackage])[] = [
  [
    'external data that its model does not read',
    'HUB_PACKAGE',
    ({ files, ...rest }) => ({
      ...rest,
      files: files.map((file) => (file.role === 'card' ? { ...file, role: 'external' } : file)),
    }),
  ],
  [
    'no external data that its model reads',
    'HUB_PACKAGE',
    ({ files, ...rest }) => ({ ...rest, files: files.filter(({ role }) => role !== 'external') }),
  ],
  [
    'external data of another digest',
    'HUB_DIGEST',
    ({ files, ...rest }) => ({
      ...rest,
      files: files.map((file) =>
        file.role === 'external'
          ? { ...file, blob: { ...file.blob, digest: `sha256:${'0'.repeat(64)}` } }
          : file,
      ),
    }),
  ],
  ['another computation', 'HUB_GRAPH', (honest) => ({ ...honest, graph: '0'.repeat(64) })],
];
for (const [what, code, change] of lies) {
  test(`a package that states ${what} is refused`, async (t) => {
    const { source, pushed } = await stockedRegistry(t);
    const locate = (path: string): string => join(source, path);
    await verifyPackage(pushed.contents, locate);
    await assert.rejects(verifyPackage(change(pushed.contents), locate), { code });
  });
}
