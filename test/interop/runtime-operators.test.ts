import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { InferenceSession } from 'onnxruntime-node';
import { analyseModel } from '../../attestation/model/identity.js';
import { staticFindings } from '../../src/admission/static-rules.js';
import { repositoryRoot } from '../vectors.js';
import { python, withoutPython } from './peers.js';

const folder = await mkdtemp(join(tmpdir(), 'assay-operators-'));
after(() => rm(folder, { recursive: true, force: true }));

const RULES: ReadonlySet<string> = new Set(['static.operator', 'static.opset']);

test('no model that ONNX Runtime loads is refused for its operators', {
  skip: withoutPython,
}, async () => {
  const script = join(repositoryRoot, 'test', 'interop', 'export_node_cases.py');
  await promisify(execFile)(python, [script, folder]);
  const files = (await readdir(folder)).filter((name) => name.endsWith('.onnx'));
  const counts = { loads: 0, 'refused, and does not load': 0, 'only loading tells': 0 };
  const wrong: string[] = [];
  for (const file of files) {
    const bytes = await readFile(join(folder, file));
    const refused = staticFindings(analyseModel({ path: file, bytes })).find(
      ({ rule, outcome }) => outcome === 'refuse' && RULES.has(rule),
    );
    const loads = await InferenceSession.create(bytes, { logSeverityLevel: 4 }).then(
      (session) => session.release().then(() => true),
      () => false,
    );
    if (loads && refused !== undefined) wrong.push(`${file}: ${refused.message}`);
    if (loads) counts.loads += 1;
    else if (refused !== undefined) counts['refused, and does not load'] += 1;
    else counts['only loading tells'] += 1;
  }
  console.log(`${files.length} operator cases: ${JSON.stringify(counts)}`);
  assert.deepEqual(wrong, []);
  assert.ok(files.length > 1000);
});
