/** What the hub's tests share: a forged registry, folders that go away, no waiting. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { readPackage } from '../../../src/hub/package-source.js';
import type { PullOptions } from '../../../src/hub/pull.js';
import { pushModel } from '../../../src/hub/push.js';
import { parseReference } from '../../../src/hub/reference.js';
import type { RetryPolicy } from '../../../src/hub/retry.js';
import { packageFiles, writeFiles } from '../../forge/model-package.js';
import { ForgedRegistry } from '../../forge/registry.js';

/** A folder that the test's end removes. */
export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'assay-test-hub-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A policy that notes its pauses instead of making them. */
export function impatient(pauses: number[] = [], attempts = 5): RetryPolicy {
  return {
    attempts,
    sleep: async (milliseconds) => pauses.push(milliseconds),
    now: () => new Date('2026-11-21T12:00:00Z'),
    random: () => 1,
  };
}

/** A registry that runs until the test ends. */
export async function forgedRegistry(t: TestContext): Promise<ForgedRegistry> {
  const registry = new ForgedRegistry();
  await registry.start();
  t.after(() => registry.stop());
  return registry;
}

/** A registry that holds the package of `packageFiles` as `models/tiny:v1`. */
export async function stockedRegistry(t: TestContext, elements = 1024, seed = 1) {
  const registry = await forgedRegistry(t);
  const source = temporaryFolder(t);
  writeFiles(source, packageFiles(elements, seed));
  const place = `oci://${registry.host}/models/tiny`;
  const options: PullOptions = { retry: impatient() };
  const pushed = await pushModel(
    await readPackage(source, 'tiny'),
    parseReference(`${place}:v1`),
    options,
  );
  registry.seen.length = 0;
  const digestOf = (path: string): string =>
    pushed.contents.files.find((file) => file.path === path)?.blob.digest ?? 'none';
  return { registry, source, place, options, pushed, digestOf };
}

/** Where a registry has the blobs of a package. */
export const WEIGHTS = /\/blobs\/sha256:/;

/** The folder holds the package of `packageFiles`, to the byte. */
export function assertPackage(folder: string, elements = 1024, seed = 1): void {
  for (const [path, content] of Object.entries(packageFiles(elements, seed))) {
    assert.deepEqual(readFileSync(join(folder, path)), Buffer.from(content), path);
  }
}

/** Only what is verified may have a name outside the staging folder. */
export function assertNothingServed(folder: string): void {
  const names = readdirSync(folder).filter((name) => name !== '.assay-staging');
  assert.deepEqual(names, []);
}
