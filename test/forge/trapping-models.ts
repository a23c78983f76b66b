import { dataType, encodeModel } from './onnx.js';
import type { NodeInit } from './onnx-init.js';

/**
 * Divides `p` by `q`, and computes the remainder: of 32 and
 * 64 bits, x86 processors trap on the least integer by -1.
 * @param name of both nodes.
 */
export function divisionModel(type: number, name = ''): Uint8Array {
  const vector = { tensor: type, shape: ['n'] };
  return encodeModel({
    opsets: { '': 20 },
    graph: {
      inputs: ['p', 'q'].map((name) => ({ name, type: vector })),
      nodes: ['Div', 'Mod'].map((op) => ({ op, name, inputs: ['p', 'q'], outputs: [op] })),
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

const writing = {
  Split: { inputs: ['x'], attributes: { axis: { i: 1 }, num_outputs: { i: 2 } } },
  BatchNormalization: {
    inputs: ['x', 'ones', 'ones', 'ones', 'ones'],
    attributes: { training_mode: { i: 1 } },
  },
  Loop: {
    inputs: ['rounds', '', 'x'],
    attributes: {
      body: {
        g: {
          inputs: [
            { name: 'round', type: { tensor: dataType.int64, shape: [] } },
            { name: 'on', type: { tensor: dataType.bool, shape: [] } },
            { name: 'before', type: { tensor: dataType.float } },
          ],
          nodes: [
            { op: 'Identity', inputs: ['on'], outputs: ['still'] },
            { op: 'Neg', inputs: ['before'], outputs: ['after'] },
            { op: 'Abs', inputs: ['before'], outputs: ['scanned'] },
          ],
          outputs: ['still', 'after', 'scanned'].map((name) => ({ name })),
        },
      },
    },
  },
} as const satisfies Readonly<Record<string, Omit<NodeInit, 'op' | 'outputs'>>>;

/** Wraps what a caller sends by eight elements on either side, of which ONNX Runtime writes no more than there are. */
export function wrappingModel(): Uint8Array {
  const { float, int64 } = dataType;
  const type = { tensor: float, shape: ['N'] };
  return encodeModel({
    opsets: { '': 20 },
    graph: {
      inputs: [{ name: 'x', type }],
      initializers: [{ name: 'pads', type: int64, dims: [2], int64s: [8n, 8n] }],
      nodes: [
        {
          ...{ op: 'Pad', name: 'here', inputs: ['x', 'pads'], outputs: ['y'] },
          attributes: { mode: { s: 'wrap' } },
        },
      ],
      outputs: [{ name: 'y', type: { tensor: float, shape: [null] } }],
    },
  });
}

/** Enlarges `x`, [1, N], by as many scales as a caller sends: of two thousand ONNX Runtime copies all to its stack. */
export function enlargingModel(): Uint8Array {
  const { float } = dataType;
  return encodeModel({
    opsets: { '': 20 },
    graph: {
      inputs: [
        { name: 'x', type: { tensor: float, shape: [1, 'N'] } },
        { name: 'scales', type: { tensor: float, shape: ['K'] } },
      ],
      nodes: [{ op: 'Resize', name: 'here', inputs: ['x', '', 'scales'], outputs: ['y'] }],
      outputs: [{ name: 'y', type: { tensor: float, shape: [null, null] } }],
    },
  });
}

/**
 * Has `y` of `x`, [1, 4], from an operator with these names
 * of outputs; some end the process where one is left out.
 */
export function writingModel(op: keyof typeof writing, outputs: readonly string[]): Uint8Array {
  const { float, int64 } = dataType;
  return encodeModel({
    opsets: { '': 20 },
    graph: {
      inputs: [{ name: 'x', type: { tensor: float, shape: [1, 4] } }],
      initializers: [
        { name: 'ones', type: float, dims: [4], floats: [1, 1, 1, 1] },
        { name: 'rounds', type: int64, dims: [], int64s: [2n] },
      ],
      nodes: [{ op, name: 'here', ...writing[op], outputs }],
      outputs: [{ name: 'y', type: { tensor: float } }],
    },
  });
}
