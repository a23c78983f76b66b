import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { toHex } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { executableModel } from '../../attestation/model/executable.js';
import { analyseModel } from '../../attestation/model/identity.js';
import { readModelSource } from '../../src/admission/model-source.js';
import { nativeSha256, nativeSha256Once } from '../../src/system/sha256.js';
import { repositoryRoot } from '../vectors.js';
import { python, withoutPython } from './peers.js';

const folder = await mkdtemp(join(tmpdir(), 'assay-identity-'));
after(() => rm(folder, { recursive: true, force: true }));

interface IdentityCase {
  readonly name: string;
  readonly same: readonly string[];
  readonly differ: readonly string[];
}

/** The graph digest of a file and SHA-256 of what is executed, or the code under which it was refused. */
async function graphOf(file: string): Promise<string> {
  try {
    const source = await readModelSource(join(folder, file));
    const analysis = analyseModel(source, { sha256: nativeSha256 });
    const executed = nativeSha256Once(executableModel(analysis, source.external).bytes);
    return `${toHex(analysis.identity.graph)} ${toHex(executed)}`;
  } catch (error) {
    if (error instanceof AssayError) return error.code;
    throw new Error(file, { cause: error });
  }
}

test('models that ONNX’s own tools rewrite keep their graph digest and what is executed', {
  skip: withoutPython,
}, async () => {
  const script = join(repositoryRoot, 'test', 'interop', 'export_identity_cases.py');
  await promisify(execFile)(python, [script, folder]);
  const lines = (await readFile(join(folder, 'identity.jsonl'), 'utf8')).trim().split('\n');
  const cases = lines.map((line): IdentityCase => JSON.parse(line));
  const refused = new Map<string, number>();
  const wrong: string[] = [];
  const digests = new Set<string>();
  let [rewritten, changed] = [0, 0];
  for (const { name, same, differ } of cases) {
    const [original = '', ...others] = await Promise.all(same.map(graphOf));
    if (original.startsWith('MODEL_')) refused.set(original, (refused.get(original) ?? 0) + 1);
    digests.add(original);
    others.forEach((digest, index) => {
      rewritten += 1;
      if (digest !== original) wrong.push(`${name}: ${same[index + 1]} is ${digest}`);
    });
    if (original.startsWith('MODEL_')) continue;
    for (const [index, digest] of (await Promise.all(differ.map(graphOf))).entries()) {
      changed += 1;
      if (digest === original) wrong.push(`${name}: ${differ[index]} is not told apart`);
    }
  }
  console.log(
    `${cases.length} models, ${digests.size} digests: ${rewritten} rewritings keep theirs, ` +
      `${changed} changes do not; refused: ${JSON.stringify(Object.fromEntries(refused))}`,
  );
  assert.deepEqual(wrong, []);
  assert.ok(cases.length > 1000);
});
