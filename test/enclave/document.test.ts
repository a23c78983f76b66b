import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePolicy } from '../../attestation/appraisal/policy.js';
import { parseYaml } from '../../enclave/document.js';

const read = (text: string): unknown => parseYaml(text, 'the file', 'USAGE_FILE');

test('digits that a number does not hold are text as they stand', () => {
  for (const text of [
    '0'.repeat(96),
    '01000000000000000000000000000000',
    '12345678901234567890123456789012',
    `${'1'.repeat(30)}e${'2'.repeat(33)}`,
    '0000001000000000',
    '1000000000000000',
    '0x3fffffffffffff',
    '007',
  ]) {
    assert.deepEqual(read(`a: [${text}]\nb: ${text}\nc:\n  - ${text}`), {
      a: [text],
      b: text,
      c: [text],
    });
  }
});

test('numbers are numbers', () => {
  for (const [text, value] of [
    ['0', 0],
    ['-1', -1],
    ['999999999999999', 999_999_999_999_999],
    ['0.50', 0.5],
    ['.5', 0.5],
    ['1e-6', 1e-6],
    ['2.5E+3', 2500],
    ['1e6', 1_000_000],
    ['0x30000', 0x30000],
    ['0o644', 0o644],
    ['.inf', Number.POSITIVE_INFINITY],
  ] as const) {
    assert.equal(read(text), value, text);
  }
});

for (const [fmspc, taken] of [
  ['906080000000', false],
  ['90608000E050', false],
  ['90608000e999', false],
  ['906E05000000', true],
  ['00906ED50000', true],
  ['00906E050000', true],
  ['000000906080', true],
  ['00E06D050000', true],
] as const) {
  test(`an FMSPC that YAML may read as a number, ${fmspc}: ${taken ? 'text' : 'needs quotes'}`, () => {
    const fmspcs = (text: string) =>
      parsePolicy(read(`version: 1\ntdx:\n  fmspcs: [${text}]`)).tdx?.fmspcs;
    assert.deepEqual(fmspcs(`"${fmspc}"`), [fmspc.toLowerCase()]);
    if (taken) assert.deepEqual(fmspcs(fmspc), [fmspc.toLowerCase()]);
    else {
      assert.throws(() => fmspcs(fmspc), {
        code: 'POLICY_INVALID',
        message:
          /expected a string of 12 hexadecimal digits, not a number: put it in quotes .* tdx\.fmspcs\[0\]$/,
      });
    }
  });
}

test('a policy in YAML takes hexadecimal without quotes', () => {
  const text = `version: 1
snp:
  familyIds: [01000000000000000000000000000000, 12345678901234567890123456789012]
  idKeyDigests:
    - ${'0'.repeat(96)}
  hostData:
    - ${'1'.repeat(30)}e${'2'.repeat(33)}
  mitigations: { launch: 0x3f, current: 0xffffffffffffffff }
tdx:
  xfam: [0000000000000003]
`;
  const { snp, tdx } = parsePolicy(read(text));
  assert.deepEqual(snp?.mitigations, { launch: 0x3fn, current: 0xffffffffffffffffn });
  assert.deepEqual(snp?.familyIds?.[0], '01000000000000000000000000000000');
  assert.deepEqual(snp?.idKeyDigests, ['0'.repeat(96)]);
  assert.equal(tdx?.xfam?.length, 1);
});
