import { analyseModel } from '../../attestation/model/identity.js';
import { divisionRule } from '../../src/admission/division-rule.js';
import { dataType, encodeModel } from './onnx.js';
import type { AttributeValue, FunctionInit, NodeInit, TypeInit } from './onnx-init.js';

const { int64, bool, float } = dataType;

export function node(
  op: string,
  inputs: string,
  outputs: string,
  attributes: Readonly<Record<string, number | AttributeValue>> = {},
  domain = '',
): NodeInit {
  const names = (text: string): string[] =>
    text.split(' ').flatMap((name) => (name === '' ? [] : name === '-' ? '' : name));
  const given = Object.entries(attributes).map(([name, value]): [string, AttributeValue] => [
    name,
    typeof value === 'number' ? { i: BigInt(value) } : value,
  ]);
  const attributed = given.length === 0 ? {} : { attributes: Object.fromEntries(given) };
  return { op, inputs: names(inputs), outputs: names(outputs), domain, ...attributed };
}

export const divide = node('Div', 'a b', 'y');
export const vector = (type: number): TypeInit => ({ tensor: type, shape: ['n'] });

/** `p` and `q` are inputs of the type; `two`, `minus`, `table` and `mixed` constants of 64 bits. */
export function findingOf(
  nodes: readonly NodeInit[],
  type: number = int64,
  functions: readonly FunctionInit[] = [],
): { readonly outcome: string; readonly nodes: readonly string[] } {
  const constant = (name: string, ...values: bigint[]) => ({
    name,
    type: int64,
    dims: [values.length],
    int64s: values,
  });
  const bytes = encodeModel({
    irVersion: 9,
    opsets: { '': 20, local: 1, 'com.microsoft': 1 },
    functions,
    graph: {
      inputs: [
        { name: 'p', type: vector(type) },
        { name: 'q', type: vector(type) },
        { name: 'signal', type: vector(float) },
        { name: 'window', type: vector(float) },
        { name: 'length', type: vector(int64) },
        { name: 'yes', type: { tensor: bool, shape: [] } },
        { name: 'words', type: vector(dataType.string) },
        { name: 'preset', type: { tensor: int64, shape: [1] } },
      ],
      initializers: [
        constant('two', 2n),
        constant('minus', -1n),
        constant('table', 5n, 6n),
        constant('mixed', -3n, 4n),
        constant('preset', 7n),
        { name: 'place', type: int64, dims: [], int64s: [0n] },
      ],
      nodes,
      outputs: [{ name: 'y', type: { tensor: type } }],
    },
  });
  return divisionRule(analyseModel({ path: 'm', bytes }));
}

export interface Case {
  readonly nodes: readonly NodeInit[];
  readonly type?: number;
  readonly functions?: readonly FunctionInit[];
}

export const both = (a: NodeInit, b: NodeInit): readonly NodeInit[] => [a, b, divide];

/** A function of `u` and `v`. */
export const ratio = (op: string, inputs: string): FunctionInit => ({
  domain: 'local',
  name: 'Ratio',
  inputs: ['u', 'v'],
  outputs: ['w'],
  nodes: [node(op, inputs, 'w')],
  opsets: { '': 20 },
});
