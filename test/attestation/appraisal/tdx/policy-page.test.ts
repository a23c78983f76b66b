import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { ZodObject, ZodOptional, type ZodType } from 'zod';
import { parsePolicy } from '../../../../attestation/appraisal/policy.js';
import { ACCEPTABLE, tdxPolicySchema } from '../../../../attestation/appraisal/policy-tdx.js';
import { TD_ATTRIBUTE_BITS } from '../../../../attestation/evidence/tdx-fields.js';
import { repositoryRoot } from '../../../vectors.js';

const page = readFileSync(join(repositoryRoot, 'docs', 'tdx-policy.md'), 'utf8');

function membersOf(schema: ZodType, path = ''): string[] {
  const type = schema instanceof ZodOptional ? schema.unwrap() : schema;
  if (!(type instanceof ZodObject)) return [path];
  return Object.entries(type.shape).flatMap(([name, member]) =>
    membersOf(member as ZodType, path === '' ? name : `${path}.${name}`),
  );
}

test('the page names every member of the policy', () => {
  const members = membersOf(tdxPolicySchema);
  assert.ok(members.length >= 28, members.join());
  assert.deepEqual(
    members.filter((name) => !page.includes(`\`${name}\``)),
    [],
  );
});

test('the page names the statuses and bits that the policy knows, and no other', () => {
  const named = (member: string): string[] => {
    const row = page.split('\n').find((line) => line.includes(`\`${member}\`, `)) ?? '';
    return [...row.matchAll(/`([A-Z][A-Za-z0-9_]+)`/g)].map(([, name = '']) => name);
  };
  assert.deepEqual(named('attributes.require'), Object.keys(TD_ATTRIBUTE_BITS));
  const row = page.split('\n').find((line) => line.includes('`tcb.acceptStatuses`')) ?? '';
  const statuses = [...row.matchAll(/`([A-Z]\w+)`/g)].map(([, name]) => name);
  assert.deepEqual(statuses, [...ACCEPTABLE, 'Revoked']);
});

test('the policy on the page is one', () => {
  const [, yaml = ''] = /```yaml\n([\s\S]*?)```/.exec(page) ?? [];
  assert.equal(parsePolicy(parse(yaml)).tdx?.mrTd?.length, 1);
});
