import assert from 'node:assert/strict';
import { test } from 'node:test';
import { qualityFindings } from '../../../src/admission/quality.js';
import { type Limits, qualityOf } from '../../../src/client/quality.js';
import { tensor } from '../../../src/client/tensor.js';
import type { Tolerances } from '../../../src/hub/package.js';

const reference = tensor('y', 'FP32', [1, 2, 4, 8], [2, 2]);
const near = tensor('y', 'FP32', [1, 2, 4, 8.5], [2, 2]);

function judge(actual = near, limits: Limits | null = null, from = reference): string {
  const tolerances: Tolerances | null = limits === null ? null : { version: 1, default: limits };
  const [found] = qualityFindings('set', [from], [actual], tolerances);
  return `${found?.outcome} ${found?.message}`;
}

test('every measure that the report has is computed', () => {
  const { distance, beyond, topK } = qualityOf(reference, near, { topK: 1 });
  assert.equal(distance.differing, 1);
  assert.equal(distance.numeric?.maxAbsolute, 0.5);
  assert.equal(distance.numeric?.meanAbsolute, 0.125);
  assert.equal(distance.numeric?.maxRelative, 0.0625);
  assert.equal(distance.numeric?.maxUlp, 2 ** 19);
  assert.equal(distance.numeric?.meanRelative, 0.015625);
  assert.equal(beyond, 1);
  assert.deepEqual(topK, { k: 1, agree: 2, rows: 2 });
});

const verdicts: Readonly<Record<string, readonly [limits: Limits | null, outcome: RegExp]>> = {
  'nothing declared': [null, /^refuse 1 of 4 elements are beyond the tolerance/],
  'identical bits declared': [{}, /^refuse 1 of 4 elements differ/],
  'an absolute tolerance that holds': [{ absolute: 0.5 }, /^pass /],
  'an absolute tolerance that does not': [{ absolute: 0.4 }, /^refuse 1 of 4/],
  'a relative tolerance that holds': [{ relative: 0.0625 }, /^pass /],
  'a relative tolerance that does not': [{ relative: 0.06 }, /^refuse 1 of 4/],
  'both, which add up as numpy has it': [{ absolute: 0.1, relative: 0.05 }, /^pass /],
  'ULP that hold': [{ ulp: 2 ** 19 }, /^pass /],
  'ULP that do not': [{ ulp: 5 }, /^refuse 524288 ULP > 5/],
  'a cosine that holds': [{ cosine: 0.999 }, /^pass /],
  'a cosine that does not': [{ cosine: 0.99999 }, /^refuse cosine 0\.99/],
  'top-k that agrees': [{ topK: 2 }, /^pass /],
};

for (const [what, [limits, expected]] of Object.entries(verdicts)) {
  test(`an output off by 6 %: ${what}`, () => assert.match(judge(near, limits), expected));
}

for (const measure of ['absolute', 'relative', 'ulp', 'cosine', 'topK'] as const) {
  test(`no output is within ${measure} of NaN`, () =>
    assert.match(judge(near, { [measure]: Number.NaN }), /^refuse /));
}

test('top-k that does not agree is told by rows', () => {
  const swapped = tensor('y', 'FP32', [2, 1, 4, 8], [2, 2]);
  assert.match(judge(swapped, { topK: 1 }), /^refuse top-1 agrees in 1 of 2 rows/);
});

test('identical bits pass, whatever is declared', () => {
  assert.match(judge(reference), /^pass identical bits in 4 elements/);
  assert.match(judge(reference, {}), /^pass/);
});

test('within ONNX’s own bounds and undeclared is a warning', () => {
  const close = tensor('y', 'FP32', [1, 2, 4, 8.00001], [2, 2]);
  assert.match(judge(close), /^warn .*the publisher declared no tolerance/);
});

test('an overflow to infinity and a NaN are beyond every tolerance', () => {
  for (const value of [Infinity, Number.NaN]) {
    const broken = tensor('y', 'FP32', [1, 2, 4, value], [2, 2]);
    assert.match(judge(broken, { absolute: 1e30, relative: 1 }), /^refuse 1 of 4/);
  }
  const nan = tensor('y', 'FP32', [Number.NaN], [1]);
  assert.match(judge(nan, { absolute: 0 }, nan), /^pass/);
});

test('another shape or type, and a missing output, are refused', () => {
  assert.match(judge(tensor('y', 'FP32', [1, 2, 4, 8], [4])), /^refuse expected FP32 \[2,2\], not/);
  assert.match(judge(tensor('y', 'FP64', [1, 2, 4, 8], [2, 2])), /^refuse expected FP32/);
  assert.equal(qualityFindings('set', [reference], [], null)[0]?.outcome, 'refuse');
});

test('an output without a reference is a warning beside those that have one', () => {
  const found = qualityFindings('set', [reference], [reference, { ...near, name: 'z' }], null);
  assert.deepEqual(
    found.map(({ rule, outcome }) => [rule, outcome]),
    [
      ['quality.set.y', 'pass'],
      ['quality.set.z', 'warn'],
    ],
  );
});

test('strings are equal or not', () => {
  const text = (value: string) => tensor('y', 'BYTES', [value], [1]);
  assert.match(judge(text('a'), { absolute: 1 }, text('a')), /^pass/);
  assert.match(judge(text('a'), { absolute: 1 }, text('b')), /^refuse 1 of 1/);
});
