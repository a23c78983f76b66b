import { attributeType } from './attribute.js';
import { functionKey, isRival, PURE_DOMAINS } from './computation.js';
import { type ExternalFiles, externalBytes } from './external.js';
import { type Definition, type NodeState, needsOf, Scope, subgraphsOf } from './scope.js';
import { type Constant, nameOf, type SparseView, type TensorView } from './tensor.js';
import type {
  AttributeView,
  FunctionView,
  GraphView,
  ModelView,
  Opsets,
  ValueView,
} from './views.js';
import { WireReader } from './wire.js';
import { WireWriter } from './wire-writer.js';

/** The oldest that is written: since IR version 4 the constants are no inputs, 8 has functions, 10 overloads. */
const IR_VERSION = 10;

/** Of a model without operators: ONNX Runtime loads none that imports nothing. */
const OPSET = 21;

/** What outputs need: nodes, and everything that has a name. */
class Needed {
  readonly states = new Set<NodeState>();
  readonly definitions = new Set<Definition>();

  /** Adds what the outputs of a graph or function body need. */
  addOutputs(scope: Scope): void {
    const stack = scope.outputs.map(({ name }) => scope.resolve(name));
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      if (this.definitions.has(next)) continue;
      this.definitions.add(next);
      const state = next.scope.states[next.node];
      if (state === undefined || this.states.has(state)) continue;
      this.states.add(state);
      for (const need of needsOf(state)) stack.push(need);
    }
  }
}

interface FunctionBody {
  readonly view: FunctionView;
  readonly scope: Scope;
  readonly name: string;
}

/** A message with the fields of another as they are encoded there, but for some. */
function without(message: Uint8Array, left: readonly number[]): WireWriter {
  const writer = new WireWriter();
  const fields = new WireReader(message, 'message', null);
  let from = 0;
  while (fields.next()) {
    fields.skip();
    if (!left.includes(fields.number)) continue;
    writer.raw(message.subarray(from, fields.tagOffset));
    from = fields.offset;
  }
  writer.raw(message.subarray(from));
  return writer;
}

/** Of TensorProto: name, doc_string, metadata_props. */
const NOT_OF_TENSOR = [8, 12, 16] as const;
/** external_data, data_location. */
const NOT_OF_PLACED_TENSOR = [...NOT_OF_TENSOR, 13, 14] as const;
/**
 * External data up to this size, bytes, is placed in the model, for as long as all of it together is no more
 * than there are files: ONNX Runtime refuses to infer a shape from a tensor of a few sizes that lies in a file.
 */
const PLACED = 4096;
/** Of AttributeProto: doc_string, and all in which there are names. */
const NOT_OF_ATTRIBUTE = [5, 6, 10, 11, 13, 22, 23] as const;

function opset(domain: string, version: number): WireWriter {
  const writer = new WireWriter();
  writer.text(1, domain);
  writer.int(2, version);
  return writer;
}

class ExecutableWriter {
  readonly #model: ModelView;
  readonly #external: ExternalFiles;
  readonly #root: Scope;
  readonly #functions = new Map<string, FunctionBody>();
  readonly #needed = new Needed();
  /** Of the operators that are needed. */
  readonly #domains: ReadonlySet<string>;
  readonly #names = new Map<Definition, string>();
  readonly #taken = new Set<string>();
  #next = 0;
  /** Bytes of external data that may be placed yet: tensors may lie in the same place of a file. */
  #placeable = 0;

  constructor(model: ModelView, external: ExternalFiles) {
    this.#model = model;
    this.#external = external;
    for (const { length } of external.values()) this.#placeable += length;
    this.#root = Scope.ofGraph(model.graph, model.opsets, model.irVersion);
    this.#needed.addOutputs(this.#root);
    this.#addFunctions();
    this.#domains = new Set(Array.from(this.#needed.states, ({ node }) => node.domain));
    this.#keepNames(this.#root);
    for (const state of this.#needed.states) this.#keepNamesWithin(state);
  }

  /** The functions that are called, as those are that they call. */
  #addFunctions(): void {
    const views = new Map(this.#model.functions.map((view) => [functionKey(view), view]));
    // A set is iterated over with what is added meanwhile.
    for (const { node } of this.#needed.states) {
      const key = functionKey({ ...node, name: node.op });
      const view = views.get(key);
      if (view === undefined || this.#functions.has(key)) continue;
      const scope = Scope.ofFunction(view);
      const name = isRival(view) ? view.name : `Assay${this.#functions.size}`;
      this.#functions.set(key, { view, scope, name });
      this.#needed.addOutputs(scope);
    }
  }

  #keepNames(scope: Scope): void {
    for (const { name } of [...scope.inputs, ...scope.outputs]) {
      this.#names.set(scope.resolve(name), name);
      this.#taken.add(name);
    }
  }

  /** Operators that are not ONNX's may feed their subgraphs by name. */
  #keepNamesWithin(state: NodeState): void {
    if (PURE_DOMAINS.has(state.node.domain)) return;
    for (const inner of subgraphsOf(state)) this.#keepNames(inner);
  }

  #nameOf(definition: Definition): string {
    const known = this.#names.get(definition);
    if (known !== undefined) return known;
    let name: string;
    do {
      name = `assay${this.#next}`;
      this.#next += 1;
    } while (this.#taken.has(name));
    this.#names.set(definition, name);
    return name;
  }

  #name(scope: Scope, name: string): string {
    return name === '' ? '' : this.#nameOf(scope.resolve(name));
  }

  model(): WireWriter {
    const { irVersion, opsets, graph } = this.#model;
    const writer = new WireWriter();
    writer.int(1, Math.max(irVersion, IR_VERSION));
    writer.message(7, this.#graph(this.#root, graph));
    if (this.#domains.size > 0) this.#opsets(writer, 8, opsets);
    else writer.message(8, opset('', OPSET));
    for (const body of this.#functions.values()) writer.message(25, this.#function(body));
    return writer;
  }

  /** Sorted; those of which an operator is needed. */
  #opsets(writer: WireWriter, field: number, opsets: Opsets): void {
    const needed = [...opsets].filter(([domain]) => this.#domains.has(domain));
    for (const [domain, version] of needed.sort()) writer.message(field, opset(domain, version));
  }

  #graph(scope: Scope, { initializers, outputs, sparse: sparses }: GraphView): WireWriter {
    const writer = new WireWriter();
    this.#nodes(writer, 1, scope);
    writer.text(2, 'graph');
    const needed = (constant: Constant): boolean => {
      const definition = scope.resolve(nameOf(constant));
      // The default of an input counts, whoever needs the input.
      return definition.kind === 'input' || this.#needed.definitions.has(definition);
    };
    for (const constant of initializers.filter(needed)) {
      writer.message(5, this.#tensor(constant, this.#name(scope, constant.name)));
    }
    for (const value of scope.inputs) writer.message(11, this.#value(scope, value));
    for (const value of outputs) writer.message(12, this.#value(scope, value));
    for (const constant of sparses.filter(needed)) {
      writer.message(15, this.#sparse(constant, this.#name(scope, nameOf(constant))));
    }
    return writer;
  }

  #tensor(view: TensorView, name?: string): WireWriter {
    const { message, payload, size } = view;
    const placed = payload.kind === 'external' && size <= Math.min(PLACED, this.#placeable);
    const writer = without(message, placed ? NOT_OF_PLACED_TENSOR : NOT_OF_TENSOR);
    if (placed) {
      this.#placeable -= size;
      writer.bytes(9, externalBytes(payload.reference, size, this.#external));
    }
    if (name !== undefined) writer.text(8, name);
    return writer;
  }

  #sparse({ values, indices, dims }: SparseView, name?: string): WireWriter {
    const writer = new WireWriter();
    writer.message(1, this.#tensor(values, name));
    writer.message(2, this.#tensor(indices));
    for (const dim of dims) writer.int(3, dim);
    return writer;
  }

  #value(scope: Scope, { name, encodedType }: ValueView): WireWriter {
    const writer = new WireWriter();
    writer.text(1, this.#name(scope, name));
    if (encodedType !== null) writer.bytes(2, encodedType);
    return writer;
  }

  #nodes(writer: WireWriter, field: number, scope: Scope): void {
    for (const state of scope.states) {
      if (this.#needed.states.has(state)) writer.message(field, this.#node(state));
    }
  }

  #node({ node, scope }: NodeState): WireWriter {
    const writer = new WireWriter();
    for (const name of node.inputs) writer.text(1, this.#name(scope, name));
    for (const name of node.outputs) writer.text(2, this.#name(scope, name));
    const callee = this.#functions.get(functionKey({ ...node, name: node.op }));
    writer.text(4, callee?.name ?? node.op);
    for (const attribute of node.attributes) {
      writer.message(5, this.#attribute(attribute, scope));
    }
    if (node.domain !== '') writer.text(7, node.domain);
    if (node.overload !== '') writer.text(8, node.overload);
    return writer;
  }

  #attribute(attribute: AttributeView, scope: Scope): WireWriter {
    const { type, message, tensors, graphs, sparse: sparses } = attribute;
    const writer = without(message, NOT_OF_ATTRIBUTE);
    for (const each of tensors) {
      writer.message(type === attributeType.tensor ? 5 : 10, this.#tensor(each));
    }
    for (const each of graphs) {
      const inner = scope.subgraphs.get(each);
      if (inner === undefined) throw new TypeError('a subgraph has no scope');
      writer.message(type === attributeType.graph ? 6 : 11, this.#graph(inner, each));
    }
    for (const each of sparses) {
      writer.message(type === attributeType.sparseTensor ? 22 : 23, this.#sparse(each));
    }
    return writer;
  }

  #function({ view, scope, name }: FunctionBody): WireWriter {
    const writer = new WireWriter();
    writer.text(1, name);
    for (const input of view.inputs) writer.text(4, this.#name(scope, input));
    for (const output of view.outputs) writer.text(5, this.#name(scope, output));
    for (const attribute of view.attributes) writer.text(6, attribute);
    this.#nodes(writer, 7, scope);
    this.#opsets(writer, 9, view.opsets);
    if (view.domain !== '') writer.text(10, view.domain);
    for (const attribute of view.defaults) writer.message(11, this.#attribute(attribute, scope));
    if (view.overload !== '') writer.text(13, view.overload);
    return writer;
  }
}

/**
 * The model that a runtime is to be given: what its digest covers, and nothing else, under names of its own.
 *
 * Why: ONNX Runtime looks at more than the digest does. It believes `value_info` where it cannot infer a
 * shape; removes a Cast because of its node's name; takes an outer value for one of a branch that has the
 * same name; makes names as it inlines functions, which may be others' names; and does not fuse what a dead
 * node looks at. Each changes answers under an unchanged `graph`. So the values of a model, its nodes and its
 * functions lose their names but for those that count, and all that nothing needs is left out: two files
 * that differ in what does not count are executed as one.
 *
 * @param model which `analyseModel` accepted.
 * @param external its external data by location.
 * @param allocate bytes for it, of this length; default: of a buffer of their own.
 */
export function executableModel(
  model: ModelView,
  external: ExternalFiles = new Map(),
  allocate = (length: number): Uint8Array => new Uint8Array(length),
): Uint8Array {
  const writer = new ExecutableWriter(model, external).model();
  return writer.into(allocate(writer.length));
}
