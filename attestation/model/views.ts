import type { Constant, SparseView, TensorView } from './tensor.js';
import type { ValueType } from './type.js';

/** An AttributeProto. Lists of numbers and strings stay in the message until they are wanted. */
export interface AttributeView {
  readonly name: string;
  readonly type: number;
  /** In a function: the attribute of the call that this one stands for; else empty. */
  readonly reference: string;
  /** FLOAT: 4 bytes; STRING: the string. */
  readonly bytes: Uint8Array;
  /** INT. */
  readonly int: bigint;
  readonly tensors: readonly TensorView[];
  readonly sparse: readonly SparseView[];
  readonly types: readonly ValueType[];
  readonly graphs: readonly GraphView[];
  readonly message: Uint8Array;
}

/** ValueInfoProto. */
export interface ValueView {
  readonly name: string;
  readonly type: ValueType | null;
}

/** NodeProto. Empty names stand for optional inputs and outputs that are left out. */
export interface NodeView {
  readonly name: string;
  readonly domain: string;
  readonly op: string;
  readonly overload: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Sorted by name, each once. */
  readonly attributes: readonly AttributeView[];
  /** What the node gives if it is ONNX's Constant, else null. */
  readonly constant: Constant | null;
}

/** GraphProto. */
export interface GraphView {
  readonly name: string;
  readonly nodes: readonly NodeView[];
  readonly initializers: readonly TensorView[];
  readonly sparse: readonly SparseView[];
  readonly inputs: readonly ValueView[];
  readonly outputs: readonly ValueView[];
}

/** Domain to version; the domain of ONNX itself is the empty one. */
export type Opsets = ReadonlyMap<string, number>;

/** FunctionProto. */
export interface FunctionView {
  readonly domain: string;
  readonly name: string;
  readonly overload: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly defaults: readonly AttributeView[];
  readonly nodes: readonly NodeView[];
  readonly opsets: Opsets;
}

/** ModelProto: what a runtime executes, as views into the file. */
export interface ModelView {
  readonly irVersion: number;
  readonly producer: { readonly name: string; readonly version: string };
  readonly opsets: Opsets;
  readonly graph: GraphView;
  readonly functions: readonly FunctionView[];
  /** Entries of training_info, which inference ignores. */
  readonly trainingInfo: number;
}
