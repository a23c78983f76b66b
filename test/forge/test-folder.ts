import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeFiles } from './model-package.js';

/** A folder for a file of tests; gone when its process ends, after all that the tests close. */
export function testFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'assay-test-'));
  const gone = { recursive: true, force: true, maxRetries: 9, retryDelay: 20 };
  process.once('exit', () => rmSync(folder, gone));
  const at = (...names: readonly string[]): string => join(folder, ...names);
  return {
    folder,
    at,
    /** Writes files there, by their paths. */
    place: (files: Readonly<Record<string, Uint8Array | string>>) => writeFiles(folder, files),
    /** Options that name the policy and the root there. */
    trust: (): string[] => ['--policy', at('policy.json'), '--root', at('root.pem')],
  };
}
