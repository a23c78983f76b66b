import { attributeType } from './attribute.js';
import { writeAttribute } from './attribute-writer.js';
import { CalledFunctions, FUNCTIONS, type FunctionBody } from './called-functions.js';
import { PURE_DOMAINS } from './computation.js';
import { ConstantWriter } from './constant-writer.js';
import type { ExternalFiles } from './external.js';
import type { ModelAnalysis } from './identity.js';
import { OnceEach } from './once-each.js';
import { type NodeState, type Scope, subgraphsOf, topOf } from './scope.js';
import { type Constant, isSparse } from './tensor.js';
import type { ValueType } from './type.js';
import { writeType } from './type-writer.js';
import type { AttributeView, GraphView, NodeView, Opsets } from './views.js';
import { WireWriter } from './wire-writer.js';
import { WrittenNames } from './written-names.js';

/** With it constants are no inputs (4), and there are functions (8) and overloads (10). */
const IR_VERSION = 10;
/** Of ONNX where its version does not count: for constants, and of a model without operators. */
const OPSET = 21;
function opset(domain: string, version: number): WireWriter {
  const writer = new WireWriter();
  writer.text(1, domain);
  writer.int(2, version);
  return writer;
}

type Analysis = Pick<ModelAnalysis, 'model' | 'scope' | 'functions'>;

class ExecutableWriter {
  readonly #analysis: Analysis;
  readonly #constants: ConstantWriter;
  readonly #functions: CalledFunctions;
  readonly #onceEach: OnceEach;
  readonly #names: WrittenNames;
  readonly operators = new Set<string>();
  /** Of the operators that are needed, by the graph or function body that they are in. */
  readonly #domains = new Map<Scope, Set<string>>();
  /** As they are written: of the signature, then of subgraphs. */
  readonly #symbols = new Map<string, string>();

  constructor(analysis: Analysis, constants: ConstantWriter) {
    this.#analysis = analysis;
    this.#constants = constants;
    const { scope: root } = analysis;
    this.#functions = new CalledFunctions(analysis);
    const { needed } = this.#functions;
    for (const { node, scope } of needed.states) {
      if (node.constant === null) this.#addOperator(node, topOf(scope));
    }
    this.#onceEach = new OnceEach(needed);
    this.#names = new WrittenNames(this.#onceEach);
    this.#keepNames(root);
    for (const { type } of [...root.inputs, ...root.outputs]) {
      if (type !== null) writeType(type, (text) => this.#keepSymbol(text));
    }
    for (const body of this.#functions.bodies) this.#onceEach.outputs(body.scope);
    for (const state of needed.states) {
      for (const inner of subgraphsOf(state)) {
        // Operators that are not ONNX's may feed their subgraphs by name.
        if (PURE_DOMAINS.has(state.node.domain)) {
          this.#onceEach.outputs(inner, inner.apart);
        } else {
          this.#keepNames(inner);
        }
      }
    }
  }

  #addOperator(node: NodeView, top: Scope): void {
    const domains = this.#domains.get(top) ?? new Set<string>();
    this.#domains.set(top, domains.add(this.#domainOf(node)));
    if (this.#functions.of(node)?.rival !== false) this.operators.add(node.op);
  }

  #domainOf(node: NodeView): string {
    return (this.#functions.of(node) ?? node).domain;
  }

  #keepNames(scope: Scope): void {
    const outputs = this.#onceEach.outputs(scope);
    for (const { name } of scope.inputs) this.#names.keep(scope, scope.resolve(name), name);
    scope.outputs.forEach(({ name }, i) => {
      const definition = outputs[i];
      if (definition !== undefined) this.#names.keep(scope, definition, name);
    });
  }

  model(): WireWriter {
    const { model, scope } = this.#analysis;
    const writer = new WireWriter();
    writer.int(1, IR_VERSION);
    writer.message(7, this.#graph(scope));
    // ONNX Runtime executes functions in the versions that the model imports.
    const domains = new Set([...this.#domains.values()].flatMap((of) => [...of]));
    this.#opsets(writer, 8, model.opsets, domains);
    for (const body of this.#functions.bodies) writer.message(25, this.#function(body));
    return writer;
  }

  /** Sorted; those of which an operator is needed, and that of ONNX, which a runtime wants. */
  #opsets(writer: WireWriter, field: number, opsets: Opsets, domains: ReadonlySet<string>): void {
    const versions = new Map([...opsets, [FUNCTIONS, 1]]);
    if (!domains.has('')) versions.set('', OPSET);
    for (const [domain, version] of [...versions].sort()) {
      const needed = domain === '' || domains.has(domain);
      if (needed) writer.message(field, opset(domain, version));
    }
  }

  #graph(scope: Scope): WireWriter {
    const writer = new WireWriter();
    this.#nodes(writer, 1, scope);
    writer.text(2, 'graph');
    if (!scope.isFunction) {
      for (const [constant, name] of this.#constantsOf(scope)) {
        this.#initializer(writer, constant, name, scope);
      }
    }
    for (const { name, type, fallback } of scope.inputs) {
      const written = this.#names.use(scope, name);
      // The default of an input counts, whoever needs the input.
      if (fallback !== null) this.#initializer(writer, fallback, written, scope);
      writer.message(11, this.#value(written, type, scope));
    }
    const outputs = this.#onceEach.outputs(scope);
    scope.outputs.forEach(({ type }, i) => {
      const definition = outputs[i];
      const name = definition === undefined ? '' : this.#names.of(definition);
      writer.message(12, this.#value(name, type, scope));
    });
    return writer;
  }

  #initializer(writer: WireWriter, constant: Constant, name: string, { parent }: Scope): void {
    const message =
      parent === null
        ? this.#constants.initializer(constant, name)
        : this.#constants.constant(constant, name);
    writer.message(isSparse(constant) ? 15 : 5, message);
  }

  #constantsOf(scope: Scope): (readonly [Constant, name: string])[] {
    return this.#onceEach
      .constants(scope)
      .map((definition) => [definition.constant, this.#names.of(definition)]);
  }

  #value(name: string, type: ValueType | null, scope: Scope): WireWriter {
    const writer = new WireWriter();
    writer.text(1, name);
    if (type !== null) writer.message(2, this.#type(type, scope));
    return writer;
  }

  /** Callers know the signature's symbols; but none is like those that a runtime or this file makes. */
  #keepSymbol(text: string): string {
    const kept = /^(unk__|assay)/.test(text) ? `assay ${text}` : text;
    this.#symbols.set(text, kept);
    return kept;
  }

  /** Calls of one function have sizes of their own, which ONNX Runtime would take for equal by their symbols. */
  #type(type: ValueType, scope: Scope): WireWriter {
    if (scope.isFunction) return writeType(type, () => null);
    return writeType(type, (text) => {
      const known = this.#symbols.get(text) ?? `assay${this.#symbols.size}`;
      this.#symbols.set(text, known);
      return known;
    });
  }

  #nodes(writer: WireWriter, field: number, scope: Scope): void {
    // Function bodies have no initializers, and inlining is spared those of their subgraphs.
    if (scope.isFunction) {
      for (const [constant, name] of this.#constantsOf(scope)) {
        writer.message(field, this.#constantNode(constant, name));
      }
    }
    for (const state of this.#onceEach.nodes(scope)) writer.message(field, this.#node(state));
  }

  #node(state: NodeState): WireWriter {
    const { node, scope } = state;
    const writer = new WireWriter();
    const inputs = node.inputs.map((name) => this.#names.use(scope, name));
    // As in the digest: ONNX Runtime tells an input that is left out at the end from one that is not mentioned.
    while (inputs.at(-1) === '') inputs.pop();
    for (const name of inputs) writer.text(1, name);
    for (const name of node.outputs) {
      writer.text(2, name === '' ? '' : this.#names.of(scope.resolve(name)));
    }
    const body = this.#functions.of(node);
    writer.text(4, body?.name ?? node.op);
    for (const attribute of node.attributes) {
      writer.message(5, this.#attribute(attribute, scope));
    }
    const domain = this.#domainOf(node);
    if (domain !== '') writer.text(7, domain);
    if (body?.rival !== false && node.overload !== '') writer.text(8, node.overload);
    return writer;
  }

  #constantNode(constant: Constant, name: string): WireWriter {
    const sparse = isSparse(constant);
    const attribute = new WireWriter();
    attribute.text(1, sparse ? 'sparse_value' : 'value');
    attribute.int(20, sparse ? attributeType.sparseTensor : attributeType.tensor);
    attribute.message(sparse ? 22 : 5, this.#constants.constant(constant));
    const writer = new WireWriter();
    writer.text(2, name);
    writer.text(4, 'Constant');
    writer.message(5, attribute);
    return writer;
  }

  #attribute(attribute: AttributeView, scope: Scope): WireWriter {
    const graph = (view: GraphView): WireWriter => {
      const inner = scope.subgraphs.get(view);
      if (inner === undefined) throw new TypeError('a subgraph has no scope');
      return this.#graph(inner);
    };
    const type = (of: ValueType): WireWriter => this.#type(of, scope);
    return writeAttribute(attribute, { constants: this.#constants, graph, type });
  }

  #function({ view, scope, domain, name, rival, attributes }: FunctionBody): WireWriter {
    const writer = new WireWriter();
    writer.text(1, name);
    for (const input of view.inputs) writer.text(4, this.#names.use(scope, input));
    for (const output of this.#onceEach.outputs(scope)) writer.text(5, this.#names.of(output));
    const withDefault = new Set(view.defaults.map((attribute) => attribute.name));
    for (const attribute of [...attributes].sort()) {
      if (!withDefault.has(attribute)) writer.text(6, attribute);
    }
    this.#nodes(writer, 7, scope);
    this.#opsets(writer, 9, view.opsets, this.#domains.get(scope) ?? new Set());
    if (domain !== '') writer.text(10, domain);
    for (const attribute of view.defaults) writer.message(11, this.#attribute(attribute, scope));
    if (rival && view.overload !== '') writer.text(13, view.overload);
    return writer;
  }
}

/** A model as it is executed. */
export interface ExecutableModel {
  readonly bytes: Uint8Array;
  /** The external data that it still refers to, by location: ONNX Runtime takes no file of 0 bytes. */
  readonly external: ExternalFiles;
  /** Names of its operators, subgraphs and functions included, each once; calls of functions are none. */
  readonly operators: readonly string[];
}

/**
 * The model that a runtime is to be given: what its digest covers, and nothing else.
 *
 * Why: ONNX Runtime looks at more than the digest does. It believes `value_info` where it cannot infer a
 * shape; removes a Cast because of its node's name; takes an outer value for one of a branch that has the
 * same name; makes names as it inlines functions, which may be others' names; and fuses a node with the one
 * that uses it where no second one does, be it dead or its twin. Each changes answers under an unchanged
 * `graph`. So a model is written anew: values, nodes, functions and symbols without their names but for
 * those that count, each computation once and in the order of the walk, and nothing that no output needs.
 *
 * @param analysis what `analyseModel` found.
 * @param external its external data by location.
 * @param allocate bytes for it, of this length; default: of a buffer of their own.
 */
export function executableModel(
  analysis: Analysis,
  external: ExternalFiles = new Map(),
  allocate = (length: number): Uint8Array => new Uint8Array(length),
): ExecutableModel {
  const constants = new ConstantWriter(external);
  const writer = new ExecutableWriter(analysis, constants);
  const model = writer.model();
  const bytes = model.into(allocate(model.length));
  return { bytes, external: constants.external, operators: [...writer.operators].sort() };
}
