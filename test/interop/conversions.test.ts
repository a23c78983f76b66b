import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import type { AdmissionFinding } from '../../src/admission/finding.js';
import { assay } from '../forge/cli.js';
import { repositoryRoot } from '../vectors.js';
import { python } from './peers.js';

const folder = await mkdtemp(join(tmpdir(), 'assay-conversions-'));
after(() => rm(folder, { recursive: true, force: true }));

interface Report {
  readonly outcome: string;
  readonly findings: readonly AdmissionFinding[];
}

interface Source {
  readonly name: string;
  /** What trains and converts, in `test/interop/conversions`. */
  readonly script: string;
  readonly python: string;
  /** What that Python must be able to import. */
  readonly needs: string;
}

const SOURCES: readonly Source[] = [
  {
    name: 'scikit-learn, LightGBM and XGBoost',
    script: 'scikit_models.py',
    python,
    needs: 'skl2onnx, lightgbm, xgboost, onnxmltools',
  },
  {
    name: 'Quantisation and half precision',
    script: 'quantised_models.py',
    python,
    needs: 'skl2onnx, onnxruntime',
  },
  { name: 'JAX', script: 'jax_networks.py', python, needs: 'jax2onnx' },
  {
    name: 'PyTorch',
    script: 'torch_networks.py',
    python: process.env['TORCH_PYTHON'] ?? '',
    needs: 'torch',
  },
];

function missing({ python, needs }: Source): string | false {
  if (!existsSync(python)) return 'INTEROP_PYTHON or TORCH_PYTHON names no interpreter';
  const { status } = spawnSync(python, ['-c', `import ${needs}`], { stdio: 'ignore' });
  return status !== 0 && `${python} cannot import ${needs}`;
}

/** Vectors that lie in a folder beside the model are found there. */
async function admit(path: string): Promise<Report> {
  const npz = join(path, 'reference.npz');
  const vectors = existsSync(npz) ? ['--vectors', npz] : [];
  const { out, err } = await assay(['--json', 'admit', join(path, 'model.onnx'), ...vectors]);
  assert.equal(err, '');
  return JSON.parse(out) as Report;
}

for (const source of SOURCES) {
  test(`${source.name}: correct conversions are admitted, wrong ones refused for what is wrong`, {
    skip: missing(source),
  }, async () => {
    const script = join(repositoryRoot, 'test', 'interop', 'conversions', source.script);
    const own = join(folder, source.name);
    await promisify(execFile)(source.python, [script, own]);
    const listed = await readFile(join(own, 'conversions.json'), 'utf8');
    const cases = Object.entries(JSON.parse(listed) as Record<string, readonly string[]>);
    assert.ok(cases.some(([, rules]) => rules.length === 0));
    for (const [name, rules] of cases) {
      const { outcome, findings } = await admit(join(own, name));
      const refused = findings.filter((found) => found.outcome === 'refuse');
      const quality = findings.filter(({ rule }) => rule.startsWith('quality.'));
      const baseline = findings.filter(({ rule }) => rule === 'dynamic.baseline');
      for (const { rule, message } of new Set([...refused, ...quality, ...baseline])) {
        console.log(`${name.padEnd(28)} ${outcome.padEnd(6)} ${rule}: ${message}`);
      }
      const rulesThatRefused = new Set(refused.map(({ rule }) => rule));
      assert.deepEqual([...rulesThatRefused], rules, name);
      if (rules.length === 0) assert.ok(quality.length > 0, `${name} has its errors measured`);
    }
  });
}
