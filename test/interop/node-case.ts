import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { Datatype, Tensor } from '../../src/engine/tensor.js';

interface StoredTensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly length: number;
}

interface StoredCase {
  readonly name: string;
  readonly model: string;
  readonly rtol: number;
  readonly atol: number;
  /** Null: a value that the protocol, and ONNX Runtime for Node, cannot carry. */
  readonly inputs: readonly (StoredTensor | null)[];
  readonly outputs: readonly (StoredTensor | null)[];
}

/** One operator case, in memory. */
export interface NodeCase {
  readonly name: string;
  readonly model: Uint8Array;
  readonly rtol: number;
  readonly atol: number;
  readonly inputs: readonly (Tensor | undefined)[];
  readonly outputs: readonly (Tensor | undefined)[];
}

/** The cases that `export_node_cases.py` wrote. */
export class NodeCases {
  readonly #folder: string;
  readonly #cases: readonly StoredCase[];

  constructor(folder: string) {
    this.#folder = folder;
    this.#cases = readFileSync(join(folder, 'cases.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line): StoredCase => JSON.parse(line));
  }

  get length(): number {
    return this.#cases.length;
  }

  name(index: number): string {
    return this.#stored(index).name;
  }

  read(index: number): NodeCase {
    const { name, model, rtol, atol, inputs, outputs } = this.#stored(index);
    const file = openSync(join(this.#folder, 'tensors.bin'), 'r');
    const tensor = (stored: StoredTensor | null): Tensor | undefined => {
      if (stored === null) return undefined;
      const data = new Uint8Array(stored.length);
      readSync(file, data, 0, stored.length, stored.offset);
      return { name: stored.name, datatype: stored.datatype, shape: stored.shape, data };
    };
    try {
      return {
        name,
        model: readFileSync(join(this.#folder, model)),
        rtol,
        atol,
        inputs: inputs.map(tensor),
        outputs: outputs.map(tensor),
      };
    } finally {
      closeSync(file);
    }
  }

  #stored(index: number): StoredCase {
    const stored = this.#cases[index];
    if (stored === undefined) throw new RangeError(`no case ${index}`);
    return stored;
  }
}

function half(bits: number): number {
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0
    ? sign * fraction * 2 ** -24
    : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function floats({ datatype, data }: Tensor): readonly number[] | undefined {
  const bytes = new Uint8Array(data).buffer;
  if (datatype === 'FP16') return Array.from(new Uint16Array(bytes), half);
  if (datatype === 'FP32') return Array.from(new Float32Array(bytes));
  if (datatype === 'FP64') return Array.from(new Float64Array(bytes));
  return undefined;
}

/** As the ONNX backend test runner compares: exact, but floats within the case's tolerances. */
export function matches(actual: Tensor, expected: Tensor, rtol: number, atol: number): boolean {
  if (actual.datatype !== expected.datatype) return false;
  if (actual.shape.join() !== expected.shape.join()) return false;
  const wanted = floats(expected);
  const got = floats(actual);
  if (wanted === undefined || got === undefined) {
    return Buffer.compare(actual.data, expected.data) === 0;
  }
  return wanted.every((want, i) => {
    const value = got[i] ?? Number.NaN;
    if (Number.isNaN(want)) return Number.isNaN(value);
    return want === value || Math.abs(value - want) <= atol + rtol * Math.abs(want);
  });
}
