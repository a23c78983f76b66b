import { AssayError } from '../encoding/error.js';
import { readAttribute } from './attribute.js';
import { constantOf } from './constant.js';
import { readSparse, readTensor, type SparseView, type TensorView } from './tensor.js';
import { readType, type ValueType } from './type.js';
import type {
  AttributeView,
  FunctionView,
  GraphView,
  ModelView,
  NodeView,
  ValueView,
} from './views.js';
import { WalkBudget, WireReader } from './wire.js';

/** Subgraphs within subgraphs; protobuf's own limit of 100 messages allows about as many. */
const MAX_SUBGRAPH_DEPTH = 32;

/** IR versions whose fields this walk knows. */
const IR_VERSIONS = { oldest: 3, newest: 14 } as const;

function byName(a: AttributeView, b: AttributeView): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

function sorted(attributes: AttributeView[], of: string): AttributeView[] {
  attributes.sort(byName);
  attributes.forEach((attribute, index) => {
    if (attributes[index + 1]?.name === attribute.name) {
      throw new AssayError('MODEL_DUPLICATE_NAME', `${of} has an attribute twice`);
    }
  });
  return attributes;
}

/** `ai.onnx` is another spelling of ONNX's own domain. */
function normalDomain(domain: string): string {
  return domain === 'ai.onnx' ? '' : domain;
}

/**
 * Requires what a runtime looks an operator or function up by to be one name. ONNX Runtime joins
 * domain, name and overload with colons, so that a colon within one of them makes two functions one;
 * and it takes the value of a node called Constant for an initializer, whatever domain it is in.
 */
function assertCallable(domain: string, name: string, overload: string): void {
  if ([domain, name, overload].some((part) => part.includes(':'))) {
    throw new AssayError('MODEL_NODE', 'an operator or function has a colon in its name or domain');
  }
  if (name === 'Constant' && domain !== '') {
    throw new AssayError(
      'MODEL_NODE',
      'a domain other than that of ONNX has a Constant of its own',
    );
  }
}

class ModelReader {
  readonly #budget = new WalkBudget();

  value(message: Uint8Array): ValueView {
    const fields = new WireReader(message, 'ValueInfoProto', this.#budget);
    let name = '';
    let type: ValueType | null = null;
    while (fields.next()) {
      if (fields.number === 1) name = fields.once().text();
      else if (fields.number === 2) {
        const bytes = fields.once().bytes();
        type = bytes.length === 0 ? null : readType(bytes, this.#budget);
      } else if (fields.number === 3 || fields.number === 4) fields.bytes();
      else fields.unknown();
    }
    return { name, type };
  }

  node(message: Uint8Array, depth: number): NodeView {
    const fields = new WireReader(message, 'NodeProto', this.#budget);
    const inputs: string[] = [];
    const outputs: string[] = [];
    const attributes: AttributeView[] = [];
    let name = '';
    let op = '';
    let domain = '';
    let overload = '';
    while (fields.next()) {
      if (fields.number === 1) inputs.push(fields.text());
      else if (fields.number === 2) outputs.push(fields.text());
      else if (fields.number === 3) name = fields.once().text();
      else if (fields.number === 4) op = fields.once().text();
      else if (fields.number === 5) attributes.push(this.attribute(fields.bytes(), depth));
      else if (fields.number === 7) domain = normalDomain(fields.once().text());
      else if (fields.number === 8) overload = fields.once().text();
      else if ([6, 9, 10].includes(fields.number)) fields.bytes();
      else fields.unknown();
    }
    if (op === '') throw new AssayError('MODEL_NODE', 'a node has no op_type');
    assertCallable(domain, op, overload);
    const node = {
      name,
      domain,
      op,
      overload,
      inputs,
      outputs,
      attributes: sorted(attributes, `a node of type ${op.slice(0, 100)}`),
    };
    return { ...node, constant: constantOf(node) };
  }

  attribute(message: Uint8Array, depth: number): AttributeView {
    return readAttribute(message, this.#budget, (graph) => this.graph(graph, depth + 1));
  }

  graph(message: Uint8Array, depth: number): GraphView {
    if (depth > MAX_SUBGRAPH_DEPTH) {
      throw new AssayError(
        'MODEL_TOO_DEEP',
        `subgraphs are nested deeper than ${MAX_SUBGRAPH_DEPTH}`,
      );
    }
    const fields = new WireReader(message, 'GraphProto', this.#budget);
    const nodes: NodeView[] = [];
    const initializers: TensorView[] = [];
    const sparse: SparseView[] = [];
    const inputs: ValueView[] = [];
    const outputs: ValueView[] = [];
    let name = '';
    while (fields.next()) {
      if (fields.number === 1) nodes.push(this.node(fields.bytes(), depth));
      else if (fields.number === 2) name = fields.once().text();
      else if (fields.number === 5) initializers.push(readTensor(fields.bytes(), this.#budget));
      else if (fields.number === 11) inputs.push(this.value(fields.bytes()));
      else if (fields.number === 12) outputs.push(this.value(fields.bytes()));
      else if (fields.number === 15) sparse.push(readSparse(fields.bytes(), this.#budget));
      else if ([10, 13, 14, 16].includes(fields.number)) fields.bytes();
      else fields.unknown();
    }
    return { name, nodes, initializers, sparse, inputs, outputs };
  }

  opset(message: Uint8Array, into: Map<string, number>): void {
    const fields = new WireReader(message, 'OperatorSetIdProto', this.#budget);
    let domain = '';
    let version = 0n;
    while (fields.next()) {
      if (fields.number === 1) domain = normalDomain(fields.once().text());
      else if (fields.number === 2) version = fields.once().int64();
      else fields.unknown();
    }
    const known = into.get(domain);
    const number = Number(version);
    if (!Number.isSafeInteger(number) || number < 1 || (known ?? number) !== number) {
      throw new AssayError(
        'MODEL_OPSET',
        `expected one positive version of opset ${JSON.stringify(domain.slice(0, 200))}`,
      );
    }
    into.set(domain, number);
  }

  function(message: Uint8Array): FunctionView {
    const fields = new WireReader(message, 'FunctionProto', this.#budget);
    const inputs: string[] = [];
    const outputs: string[] = [];
    const defaults: AttributeView[] = [];
    const nodes: NodeView[] = [];
    const opsets = new Map<string, number>();
    let name = '';
    let domain = '';
    let overload = '';
    while (fields.next()) {
      if (fields.number === 1) name = fields.once().text();
      else if (fields.number === 4) inputs.push(fields.text());
      else if (fields.number === 5) outputs.push(fields.text());
      else if (fields.number === 7) nodes.push(this.node(fields.bytes(), 0));
      else if (fields.number === 9) this.opset(fields.bytes(), opsets);
      else if (fields.number === 10) domain = normalDomain(fields.once().text());
      else if (fields.number === 11) defaults.push(this.attribute(fields.bytes(), 0));
      else if (fields.number === 13) overload = fields.once().text();
      else if ([6, 8, 12, 14].includes(fields.number)) fields.bytes();
      else fields.unknown();
    }
    if (name === '') throw new AssayError('MODEL_FUNCTION', 'a function has no name');
    assertCallable(domain, name, overload);
    sorted(defaults, `function ${name.slice(0, 100)}`);
    return { domain, name, overload, inputs, outputs, defaults, nodes, opsets };
  }

  model(message: Uint8Array): ModelView {
    const fields = new WireReader(message, 'ModelProto', this.#budget);
    const opsets = new Map<string, number>();
    const functions: FunctionView[] = [];
    let graph: GraphView | null = null;
    let irVersion = 0;
    let trainingInfo = 0;
    const producer = { name: '', version: '' };
    while (fields.next()) {
      if (fields.number === 1) irVersion = Number(fields.once().int64());
      else if (fields.number === 2) producer.name = fields.once().text();
      else if (fields.number === 3) producer.version = fields.once().text();
      else if (fields.number === 5) fields.once().int64();
      else if (fields.number === 7) graph = this.graph(fields.once().bytes(), 0);
      else if (fields.number === 8) this.opset(fields.bytes(), opsets);
      else if (fields.number === 25) functions.push(this.function(fields.bytes()));
      else if ([4, 6, 14, 20, 26].includes(fields.number)) {
        fields.bytes();
        if (fields.number === 20) trainingInfo += 1;
      } else fields.unknown();
    }
    if (irVersion < IR_VERSIONS.oldest || irVersion > IR_VERSIONS.newest) {
      throw new AssayError(
        'MODEL_IR_VERSION',
        `expected an IR version from ${IR_VERSIONS.oldest} to ${IR_VERSIONS.newest}, not ${irVersion}`,
      );
    }
    if (graph === null) throw new AssayError('MODEL_GRAPH', 'the model has no graph');
    return { irVersion, producer, opsets, graph, functions, trainingInfo };
  }
}

/** What ONNX Runtime's own format has at offset 4: with it, any bytes are read as that format. */
const ORT_FORMAT = [0x4f, 0x52, 0x54, 0x4d] as const;

/**
 * Walks a ModelProto (onnx.proto, IR versions 3 to 14) once, in time linear in its bytes, and refuses
 * whatever two readers could take for two models. Throws MODEL_* errors.
 */
export function readModel(bytes: Uint8Array): ModelView {
  if (ORT_FORMAT.every((byte, i) => bytes[4 + i] === byte)) {
    throw new AssayError(
      'MODEL_FORMAT',
      'expected a ModelProto without the mark of the ORT format at offset 4: a runtime would read another model',
    );
  }
  return new ModelReader().model(bytes);
}
