import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BatchTrial } from '../../../src/engine/batch-trial.js';
import { EngineError } from '../../../src/engine/error.js';
import type { Execution } from '../../../src/engine/messages.js';
import type { TensorSpec } from '../../../src/engine/tensor.js';
import { refusal } from '../../forge/refusal.js';

const LONG = 2 ** 20 + 1;

/** A trial of these inputs of bytes, and what its worker is given; each output is what the last input was. */
function trialOf(widths: readonly number[]) {
  const given: Execution[] = [];
  const run = async (execution: Execution) => {
    given.push(execution);
    const { datatype, shape, offset, length } = execution.inputs.at(-1) ?? assert.fail();
    const data = new Uint8Array(execution.buffer, offset, length);
    const times = { computeInput: 0, computeInfer: 0, computeOutput: 0 };
    const annotations = { annotations: new Uint8Array(), annotationEnds: [] };
    return { result: { outputs: [{ datatype, shape, data }], ...annotations, ...times }, took: 1 };
  };
  const inputs = widths.map((width, i): TensorSpec => {
    return { name: `x${i}`, datatype: 'UINT8', shape: ['n', width] };
  });
  const signature = { inputs, outputs: inputs.slice(-1) };
  const tails = widths.map((width) => [width]);
  return { trial: new BatchTrial({ alive: true, run }, 7, signature, tails), given };
}

const filled = (length: number, last = 1): Uint8Array => {
  const bytes = new Uint8Array(length).fill(1);
  bytes[length - 1] = last;
  return bytes;
};

for (const { what, a, b, same } of [
  { what: 'alike', a: [filled(LONG)], b: [filled(LONG)], same: true },
  { what: 'with another last byte', a: [filled(LONG)], b: [filled(LONG, 2)], same: false },
  {
    what: 'with another in the second',
    a: [filled(1), filled(2)],
    b: [filled(1), filled(2, 2)],
    same: false,
  },
  { what: 'of which one goes on', a: [filled(LONG - 1)], b: [filled(LONG)], same: false },
  { what: 'of which one is empty', a: [new Uint8Array()], b: [filled(1)], same: false },
  {
    what: 'of which one has an output more',
    a: [filled(1), filled(1)],
    b: [filled(1)],
    same: false,
  },
]) {
  test(`rows ${what} are the same, bit for bit: ${same}`, async () => {
    assert.equal(await trialOf([]).trial.same(a, b), same);
  });
}

test('rows are laid one after another to their last byte, and come back as they were', async () => {
  const { trial, given } = trialOf([3, LONG]);
  const rows = [2, 3].map((last) => [filled(3, last), filled(LONG, last)]);
  const alone = await trial.perRow(rows);
  assert.deepEqual(
    alone,
    rows.map(([, long]) => [long]),
  );
  const [{ inputs, loadId } = assert.fail()] = given;
  assert.equal(loadId, 7);
  assert.deepEqual(
    inputs.map(({ shape, length }) => [shape, length]),
    [
      [[2, 3], 6],
      [[2, LONG], 2 * LONG],
    ],
  );
  assert.equal(trial.spent, 1);
});

test('what executions that failed took is spent too', async (t) => {
  let now = 100;
  t.mock.method(performance, 'now', () => now);
  const run = async (): Promise<never> => {
    now += 7;
    throw new EngineError('execution', 'refused');
  };
  const trial = new BatchTrial({ alive: true, run }, 1, { inputs: [], outputs: [] }, []);
  await assert.rejects(trial.run([[]]), refusal('execution', /^refused$/));
  assert.equal(trial.spent, 7);
});
