import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { relateAnswers } from '../../../src/client/agreement.js';
import { Ballot } from '../../../src/client/ballot.js';
import { type Tensor, tensor } from '../../../src/client/tensor.js';

const vote = (name: string, ...outputs: readonly Tensor[]) => ({ name, answer: { outputs } });
const namesOf = (votes: readonly { readonly name: string }[]) => votes.map(({ name }) => name);
const y = (...values: readonly number[]) => tensor('y', 'FP32', values);

describe('votes', () => {
  for (const [name, other] of [
    ['name', tensor('z', 'FP32', [1, 2])],
    ['datatype', tensor('y', 'INT32', [0x3f800000, 0x40000000])],
    ['shape', tensor('y', 'FP32', [1, 2], [1, 2])],
    ['bits', tensor('y', 'FP32', [1, 3])],
    ['length', tensor('y', 'FP32', [1])],
  ] as const) {
    test(`of another ${name} are another answer`, () => {
      const ballot = new Ballot<ReturnType<typeof vote>>(undefined);
      for (const cast of [vote('a', y(1, 2)), vote('b', other), vote('c', y(1, 2))]) {
        ballot.cast(cast);
      }
      assert.deepEqual(namesOf(ballot.largest()), ['a', 'c']);
      assert.equal(ballot.size, 3);
    });
  }

  test('of another number of outputs, or another order, are another answer', () => {
    const z = tensor('z', 'FP32', [1]);
    const ballot = new Ballot<ReturnType<typeof vote>>({ default: { absolute: 9 } });
    ballot.cast(vote('a', y(1), z));
    ballot.cast(vote('b', y(1)));
    ballot.cast(vote('c', z, y(1)));
    assert.deepEqual(namesOf(ballot.largest()), ['a']);
  });

  test('agree with one of them, not each with each', () => {
    const ballot = new Ballot<ReturnType<typeof vote>>({ default: { absolute: 1 } });
    const [low, middle, high] = [vote('low', y(0)), vote('middle', y(1)), vote('high', y(2))];
    for (const cast of [low, high, middle, vote('as low', y(0))]) ballot.cast(cast);
    assert.deepEqual(namesOf(ballot.agreeingWith(low)), ['low', 'as low', 'middle']);
    assert.deepEqual(namesOf(ballot.largest()), ['middle', 'low', 'as low', 'high']);
  });
});

const LARGE = 2 ** 18;
const large = (value: number) => tensor('y', 'FP32', new Array<number>(LARGE).fill(value));

test('large answers of many nodes are counted in no time, where the bits are the same and where they are near', () => {
  const [some, near] = [large(1), large(1 + 2 ** -20)];
  for (const agreement of [undefined, {}, { default: { absolute: 1 } }]) {
    const ballot = new Ballot<ReturnType<typeof vote>>(agreement);
    for (let i = 0; i < 50; i++) {
      ballot.cast(vote(`${i}`, i % 2 === 0 ? some : near));
      const agreeing = agreement?.default === undefined ? Math.floor(i / 2) + 1 : i + 1;
      assert.equal(ballot.largest().length, agreeing);
    }
  }
});

test('large answers of the same bits are known to be identical in no time', () => {
  const [one, other] = [large(1), large(1)];
  for (let i = 0; i < 2500; i++) {
    assert.equal(relateAnswers([one], [other], { default: { topK: 1 } }).kind, 'identical');
  }
});
