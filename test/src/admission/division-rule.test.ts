import assert from 'node:assert/strict';
import { test } from 'node:test';
import { analyseModel } from '../../../attestation/model/identity.js';
import { divisionRule } from '../../../src/admission/division-rule.js';
import { dataType, encodeModel } from '../../forge/onnx.js';
import type { NodeInit } from '../../forge/onnx-init.js';

const divide: NodeInit = { op: 'Div', inputs: ['a', 'b'], outputs: ['y'] };
const into = (op: string, inputs: string[], outputs: string[], to?: number): NodeInit => ({
  op,
  inputs,
  outputs,
  ...(to === undefined ? {} : { attributes: { to: { i: BigInt(to) } } }),
});

/** Nodes, the type of the inputs `p` and `q`, and whether callers choose both integers. */
const cases: Readonly<Record<string, readonly [readonly NodeInit[], number, boolean]>> = {
  'two inputs': [[into('Div', ['p', 'q'], ['y'])], dataType.int64, true],
  'a remainder': [[into('Mod', ['p', 'q'], ['y'])], dataType.int32, true],
  'small integers, which are widened before': [
    [into('Div', ['p', 'q'], ['y'])],
    dataType.int8,
    false,
  ],
  'floating point': [[into('Div', ['p', 'q'], ['y'])], dataType.float, false],
  'a constant divisor': [[into('Div', ['p', 'two'], ['y'])], dataType.int64, false],
  'integers made of inputs, in any order of nodes': [
    [
      into('Slice', ['sum', 'two', 'two'], ['a']),
      into('Add', ['p', 'two'], ['sum']),
      into('Sub', ['q', 'two'], ['b']),
      divide,
    ],
    dataType.int64,
    true,
  ],
  'sizes, which no caller can make negative': [
    [into('Shape', ['p'], ['a']), into('Shape', ['q'], ['b']), divide],
    dataType.int64,
    false,
  ],
  'numbers that were cast to floats': [
    [
      into('Cast', ['p'], ['a'], dataType.float),
      into('Cast', ['q'], ['b'], dataType.float),
      divide,
    ],
    dataType.int64,
    false,
  ],
  'numbers that were cast to wide integers': [
    [
      into('Cast', ['p'], ['a'], dataType.int32),
      into('Cast', ['q'], ['b'], dataType.int32),
      divide,
    ],
    dataType.int64,
    true,
  ],
  'what an integer selects': [
    [into('Gather', ['table', 'p'], ['a']), into('Identity', ['q'], ['b']), divide],
    dataType.int64,
    false,
  ],
};

for (const [name, [nodes, type, exposed]] of Object.entries(cases)) {
  test(`division of ${name}: ${exposed ? 'a warning' : 'none'}`, () => {
    const bytes = encodeModel({
      irVersion: 9,
      opsets: { '': 20 },
      graph: {
        inputs: ['p', 'q'].map((input) => ({ name: input, type: { tensor: type, shape: [4] } })),
        initializers: [
          { name: 'two', type: dataType.int64, dims: [1], int64s: [2n] },
          { name: 'table', type: dataType.int64, dims: [2], int64s: [5n, 6n] },
        ],
        nodes,
        outputs: [{ name: 'y', type: { tensor: type } }],
      },
    });
    const found = divisionRule(analyseModel({ path: 'm', bytes }));
    assert.deepEqual([found.outcome, found.count], exposed ? ['warn', 1] : ['pass', 0]);
  });
}
