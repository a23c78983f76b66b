/** What test models are written from: plain data, one interface a message. */

export type Pairs = Readonly<Record<string, string>>;

/** TensorProto: exactly one way of carrying values should be given. */
export interface TensorInit {
  readonly name?: string;
  readonly type: number;
  readonly dims: readonly (number | bigint)[];
  readonly floats?: readonly number[];
  readonly int32s?: readonly number[];
  readonly int64s?: readonly (number | bigint)[];
  readonly doubles?: readonly number[];
  readonly uint64s?: readonly (number | bigint)[];
  readonly strings?: readonly (string | Uint8Array)[];
  readonly raw?: Uint8Array;
  /** Members of external_data (location, offset, length, checksum); sets data_location. */
  readonly external?: Pairs;
  readonly doc?: string;
}

/** SparseTensorProto; as an initializer its name is that of `values`. */
export interface SparseInit {
  readonly values: TensorInit;
  readonly indices: TensorInit;
  readonly dims: readonly number[];
}

/** TypeProto. A dimension is a size, a symbol, or null for unknown. */
export type TypeInit =
  | { readonly tensor: number; readonly shape?: readonly (number | string | null)[] }
  | { readonly sparse: number; readonly shape?: readonly (number | string | null)[] }
  | { readonly sequence: TypeInit }
  | { readonly optional: TypeInit }
  | { readonly map: readonly [key: number, value: TypeInit] }
  | { readonly opaque: readonly [domain: string, name: string] };

export interface ValueInit {
  readonly name: string;
  readonly type?: TypeInit;
  readonly doc?: string;
}

/** The value of an attribute; the member decides AttributeProto.type. */
export type AttributeValue =
  | { readonly f: number }
  | { readonly i: number | bigint }
  | { readonly s: string | Uint8Array }
  | { readonly t: TensorInit }
  | { readonly g: GraphInit }
  | { readonly sparse: SparseInit }
  | { readonly tp: TypeInit }
  | { readonly floats: readonly number[] }
  | { readonly ints: readonly (number | bigint)[] }
  | { readonly strings: readonly string[] }
  | { readonly tensors: readonly TensorInit[] }
  | { readonly graphs: readonly GraphInit[] }
  | { readonly sparses: readonly SparseInit[] }
  | { readonly tps: readonly TypeInit[] }
  /** ref_attr_name with the AttributeType that it stands for. */
  | { readonly ref: string; readonly type: number };

export type Attributes = Readonly<Record<string, AttributeValue>>;

export interface NodeInit {
  readonly op: string;
  /** An empty name is an optional input that is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Written in this order. */
  readonly attributes?: Attributes;
  readonly domain?: string;
  readonly overload?: string;
  readonly name?: string;
  readonly doc?: string;
  readonly metadata?: Pairs;
}

export interface GraphInit {
  readonly nodes: readonly NodeInit[];
  readonly outputs: readonly ValueInit[];
  readonly inputs?: readonly ValueInit[];
  readonly initializers?: readonly TensorInit[];
  readonly sparse?: readonly SparseInit[];
  readonly values?: readonly ValueInit[];
  readonly name?: string;
  readonly doc?: string;
  readonly metadata?: Pairs;
}

export interface FunctionInit {
  readonly domain: string;
  readonly name: string;
  readonly overload?: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Names of attributes without a default. */
  readonly attributes?: readonly string[];
  /** Attributes with a default. */
  readonly defaults?: Attributes;
  readonly nodes: readonly NodeInit[];
  readonly opsets: Readonly<Record<string, number>>;
  readonly values?: readonly ValueInit[];
  readonly doc?: string;
}

export interface ModelInit {
  readonly graph: GraphInit;
  /** Domain to version; the default is `{ '': 21 }`. */
  readonly opsets?: Readonly<Record<string, number>>;
  readonly functions?: readonly FunctionInit[];
  /** Default 10. */
  readonly irVersion?: number;
  readonly producer?: readonly [name: string, version: string];
  readonly domain?: string;
  readonly modelVersion?: number;
  readonly doc?: string;
  readonly metadata?: Pairs;
  /** Algorithm graphs of training_info. */
  readonly training?: readonly GraphInit[];
}
