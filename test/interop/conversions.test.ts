import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import type { AdmissionFinding } from '../../src/admission/finding.js';
import { run } from '../../src/cli/program.js';
import { repositoryRoot } from '../vectors.js';

const python = process.env['INTEROP_PYTHON'] ?? '';
const skip = existsSync(python) ? false : 'INTEROP_PYTHON names no interpreter';
const folder = await mkdtemp(join(tmpdir(), 'assay-conversions-'));
after(() => rm(folder, { recursive: true, force: true }));

interface Report {
  readonly outcome: string;
  readonly findings: readonly AdmissionFinding[];
}

async function admit(name: string): Promise<Report> {
  let out = '';
  const vectors = join(folder, name, 'reference.npz');
  await run(['--json', 'admit', join(folder, name, 'model.onnx'), '--vectors', vectors], {
    stdin: Readable.from([]),
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => process.stderr.write(text) },
    env: {},
    now: () => new Date(),
  });
  return JSON.parse(out) as Report;
}

test('correct conversions are admitted, spoiled ones refused for what is wrong', {
  skip,
}, async () => {
  const script = join(repositoryRoot, 'test', 'interop', 'export_conversions.py');
  await promisify(execFile)(python, [script, folder]);
  const expected = JSON.parse(await readFile(join(folder, 'conversions.json'), 'utf8')) as Record<
    string,
    readonly string[]
  >;
  for (const [name, rules] of Object.entries(expected)) {
    const { outcome, findings } = await admit(name);
    const refused = findings.filter((found) => found.outcome === 'refuse');
    const quality = findings.filter(({ rule }) => rule.startsWith('quality.'));
    for (const { rule, message } of new Set([...refused, ...quality])) {
      console.log(`${name}: ${outcome}: ${rule}: ${message}`);
    }
    for (const rule of rules)
      assert.ok(
        refused.some((found) => found.rule === rule),
        `${name} ${rule}`,
      );
    assert.equal(refused.length > 0, rules.length > 0, name);
    if (rules.length === 0) assert.ok(quality.length > 0, `${name} has its errors measured`);
  }
});
