import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { appraiseInference } from '../../../attestation/appraisal/appraise-inference.js';
import { AssayError, type ErrorCode } from '../../../attestation/encoding/error.js';
import type { LaunchPolicyRule } from '../../../attestation/evidence/launch-policy-model.js';
import { exitCodeOf } from '../../../src/cli/exit-code.js';
import type { EngineErrorReason } from '../../../src/engine/error.js';
import { forgeEnclave, forgeExchange, forgeKey } from '../../forge/exchange.js';
import { repositoryRoot } from '../../vectors.js';

/** Literals that look like codes and are none: a field of a report, and Intel's name of a TDX module. */
const OTHERS: readonly string[] = ['PLATFORM_INFO', 'TDX_01'];

const LAUNCH_POLICY: Readonly<Record<LaunchPolicyRule, string>> = {
  model: 'LAUNCH_POLICY_MODEL',
  name: 'LAUNCH_POLICY_NAME',
  execution: 'LAUNCH_POLICY_EXECUTION',
  vectors: 'LAUNCH_POLICY_VECTORS',
  outputs: 'LAUNCH_POLICY_OUTPUTS',
};

const ENGINE: Readonly<Record<EngineErrorReason, string>> = {
  load: 'ENGINE_LOAD',
  memory: 'ENGINE_MEMORY',
  'invalid-request': 'ENGINE_INVALID_REQUEST',
  exhausted: 'ENGINE_EXHAUSTED',
  deadline: 'ENGINE_DEADLINE',
  cancelled: 'ENGINE_CANCELLED',
  timeout: 'ENGINE_TIMEOUT',
  draining: 'ENGINE_DRAINING',
  execution: 'ENGINE_EXECUTION',
};

/** `RECEIPT_` and the id of each check that an answer goes through. */
async function receiptCodes(): Promise<readonly string[]> {
  const key = await forgeKey();
  const enclave = forgeEnclave(key);
  const { checks } = await appraiseInference(await forgeExchange(key, enclave), enclave);
  return checks.map(({ id }) => id.toUpperCase().replaceAll(/[.-]/g, '_'));
}

async function sources(): Promise<string> {
  const rooms = ['attestation', 'enclave', 'src'].map(async (room) => {
    const names = await readdir(join(repositoryRoot, room), { recursive: true });
    const files = names.filter((name) => name.endsWith('.ts'));
    return Promise.all(files.map((name) => readFile(join(repositoryRoot, room, name), 'utf8')));
  });
  return (await Promise.all(rooms)).flat().join('\n');
}

/** Codes that are written out in the sources: literals that begin with one of the areas. */
async function literalCodes(): Promise<readonly string[]> {
  const page = await readFile(join(repositoryRoot, 'attestation/encoding/error.ts'), 'utf8');
  const areas = [...page.matchAll(/^ {2}\| '([A-Z0-9_]+)'/gm)].map(([, area]) => area);
  const code = new RegExp(`'((?:${areas.join('|')})_[A-Z0-9_]*[A-Z0-9])'`, 'g');
  const found = [...(await sources()).matchAll(code)].map(([, literal = '']) => literal);
  return found.filter((literal) => !OTHERS.includes(literal));
}

const page = await readFile(join(repositoryRoot, 'docs/error-codes.md'), 'utf8');
const rows = [...page.matchAll(/^\| `(\w+)` \| (\d) \| .+ \|$/gm)];
const listed = rows.map(([, code = '']) => code);

test('docs/error-codes.md lists each code that there is, once and sorted', async () => {
  const made = [...Object.values(LAUNCH_POLICY), ...Object.values(ENGINE)];
  const codes = new Set([...(await literalCodes()), ...made, ...(await receiptCodes())]);
  assert.deepEqual(listed, [...codes].sort());
});

test('docs/error-codes.md states the exit code of each code', () => {
  assert.deepEqual(
    rows.map(([, code, exit]) => `${code} ${exit}`),
    listed.map((code) => `${code} ${exitCodeOf(new AssayError(code as ErrorCode, ''))}`),
  );
});
