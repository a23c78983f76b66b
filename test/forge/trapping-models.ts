import { dataType, encodeModel } from './onnx.js';

/** Divides `p` by `q`, and computes the remainder: of 32 and 64 bits, x86 processors trap on the least integer by -1. */
export function divisionModel(type: number): Uint8Array {
  const vector = { tensor: type, shape: ['n'] };
  return encodeModel({
    opsets: { '': 20 },
    graph: {
      inputs: ['p', 'q'].map((name) => ({ name, type: vector })),
      nodes: ['Div', 'Mod'].map((op) => ({ op, inputs: ['p', 'q'], outputs: [op] })),
      outputs: ['Div', 'Mod'].map((name) => ({ name, type: vector })),
    },
  });
}

/** `y = -(p / 2)`, which states the type of the value between: exporters that infer shapes write such. */
export function annotatedModel(): Uint8Array {
  const vector = { tensor: dataType.int64, shape: ['n'] };
  return encodeModel({
    opsets: { '': 20 },
    graph: {
      inputs: [{ name: 'p', type: vector }],
      initializers: [{ name: 'two', type: dataType.int64, dims: [1], int64s: [2n] }],
      nodes: [
        { op: 'Div', inputs: ['p', 'two'], outputs: ['half'] },
        { op: 'Neg', inputs: ['half'], outputs: ['y'] },
      ],
      values: [{ name: 'half', type: vector }],
      outputs: [{ name: 'y', type: vector }],
    },
  });
}

/** An LSTM over `x`, [steps, rows, 1]: ONNX Runtime ends the process on no rows. */
export function recurrentModel(): Uint8Array {
  const weights = (name: string) => ({
    name,
    type: dataType.float,
    dims: [1, 4, 1],
    floats: [1, 1, 1, 1],
  });
  return encodeModel({
    opsets: { '': 20 },
    graph: {
      inputs: [{ name: 'x', type: { tensor: dataType.float, shape: ['steps', 'rows', 1] } }],
      initializers: [weights('w'), weights('r')],
      nodes: [
        {
          op: 'LSTM',
          inputs: ['x', 'w', 'r'],
          outputs: ['y'],
          attributes: { hidden_size: { i: 1 } },
        },
      ],
      outputs: [{ name: 'y', type: { tensor: dataType.float } }],
    },
  });
}

/** The second half of `x`, [4], by a Split with these names; ONNX Runtime ends the process where one is left out. */
export function splitModel(outputs: readonly string[] = ['', 'y']): Uint8Array {
  const split = {
    op: 'Split',
    name: 'halves',
    inputs: ['x'],
    attributes: { num_outputs: { i: 2 } },
  };
  return encodeModel({
    opsets: { '': 20 },
    graph: {
      inputs: [{ name: 'x', type: { tensor: dataType.float, shape: [4] } }],
      nodes: [{ ...split, outputs }],
      outputs: [{ name: 'y', type: { tensor: dataType.float } }],
    },
  });
}
