import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { type ZodArray, ZodObject, ZodOptional, type ZodType } from 'zod';
import { parsePolicy } from '../../../attestation/appraisal/policy.js';
import { snpPolicySchema } from '../../../attestation/appraisal/policy-snp.js';
import { repositoryRoot } from '../../vectors.js';

const page = readFileSync(join(repositoryRoot, 'docs', 'snp-policy.md'), 'utf8');

/** Members that the page has to name: what is inside a floor or a vector is told with it. */
function membersOf(schema: ZodType, path = ''): string[] {
  const type = schema instanceof ZodOptional ? schema.unwrap() : schema;
  const grouped = path === '' || path === 'guestPolicy' || path === 'platformInfo';
  if (!(type instanceof ZodObject) || !grouped) return [path];
  return Object.entries(type.shape).flatMap(([name, member]) =>
    membersOf(member as ZodType, path === '' ? name : `${path}.${name}`),
  );
}

test('the page names every member of the policy', () => {
  const members = membersOf(snpPolicySchema);
  assert.ok(members.length >= 29, members.join());
  const missing = members.filter((name) => !page.includes(`\`${name}\``) && name !== 'crl');
  assert.deepEqual(missing, []);
  assert.match(page, /`crl: optional`/);
});

test('the page names no bit that the policy does not know, and every one that it knows', () => {
  for (const group of ['guestPolicy', 'platformInfo'] as const) {
    const shape = (snpPolicySchema.shape[group].unwrap() as ZodObject).shape;
    const list = (shape['require'] as ZodOptional<ZodArray<ZodType>>).unwrap();
    const known = (list.element as unknown as { options: readonly string[] }).options;
    const row = page.split('\n').find((line) => line.includes(`\`${group}.require\``)) ?? '';
    assert.deepEqual(
      [...row.matchAll(/`([A-Z0-9_]+)`/g)].map(([, name]) => name),
      [...known],
    );
  }
});

test('the policy on the page is one', () => {
  const [, yaml = ''] = /```yaml\n([\s\S]*?)```/.exec(page) ?? [];
  assert.equal(parsePolicy(parse(yaml)).snp?.measurements?.length, 1);
});
