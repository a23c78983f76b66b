import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { ZodArray, ZodObject, ZodOptional, type ZodType } from 'zod';
import { parsePolicy } from '../../../attestation/appraisal/policy.js';
import { enclavePolicySchema } from '../../../attestation/appraisal/policy-enclave.js';
import { repositoryRoot } from '../../vectors.js';

const page = readFileSync(join(repositoryRoot, 'docs', 'enclave-policy.md'), 'utf8');

/** Every member by its path, `[]` for what is in a list. */
function membersOf(schema: unknown, path = ''): string[] {
  if (schema instanceof ZodOptional) return membersOf(schema.unwrap(), path);
  if (schema instanceof ZodArray) {
    return [path, ...membersOf(schema.element, `${path}[]`).filter((name) => name !== `${path}[]`)];
  }
  if (!(schema instanceof ZodObject)) return [path];
  return Object.entries(schema.shape as Readonly<Record<string, ZodType>>).flatMap(
    ([name, member]) => membersOf(member, path === '' ? name : `${path}.${name}`),
  );
}

test('the page names every member of the policy', () => {
  const members = membersOf(enclavePolicySchema);
  assert.ok(members.includes('models[].selfTest.outputs'), members.join());
  const missing = members.filter((name) => !page.includes(`\n| \`${name}\` |`));
  assert.deepEqual(missing, []);
});

test('the page names no member that the policy does not know', () => {
  const rows = [...page.matchAll(/^\| `([^`]+)` \|/gm)].map(([, name]) => name ?? '');
  assert.deepEqual(rows.toSorted(), membersOf(enclavePolicySchema).toSorted());
});

test('the policy on the page is one', () => {
  const [, yaml = ''] = /```yaml\n([\s\S]*?)```/.exec(page) ?? [];
  const { include, ...policy } = parse(yaml);
  assert.deepEqual(include, ['reference.json']);
  assert.equal(parsePolicy(policy).enclave?.models?.[0]?.name, 'ocr');
});
