import { functionKey } from '../../attestation/model/computation.js';
import type { ExternalFiles } from '../../attestation/model/external.js';
import {
  type Definition,
  type NodeState,
  needsOf,
  type Scope,
  subgraphsOf,
} from '../../attestation/model/scope.js';
import type { AttributeView, NodeView } from '../../attestation/model/views.js';
import { type NodeVisitor, walkNeeds } from '../../attestation/model/walk.js';
import {
  anyOf,
  BOOL,
  declared,
  type Elements,
  FOREIGN,
  hull,
  isTyped,
  ofConstant,
  UNKNOWN,
} from './element-range.js';
import { countOf, operatorElements } from './operator-ranges.js';
import { supportOf } from './operators.js';

/** What a call of a model-local function executes. */
export interface Callee {
  readonly scope: Scope;
  /** Attributes that a call may leave out. */
  readonly defaults: readonly AttributeView[];
}

/** What the graphs of one model have in common. */
export interface ModelContext {
  /** Model-local functions by `functionKey`. */
  readonly functions: ReadonlyMap<string, Callee>;
  readonly files: ExternalFiles;
  /** Told of each node and what its inputs hold, in each call of a function anew. */
  readonly visit: (state: NodeState, inputs: readonly (Elements | undefined)[]) => void;
  /** Told of a call that is not followed, whose nodes are visited in no other way. */
  readonly skip: () => void;
  /**
   * What is still looked at in functions, in all calls together: nodes, attributes, and what nodes, subgraphs and
   * functions take and give. Calls beyond are skipped.
   */
  calledParts: number;
  readonly constants: Map<Definition, Elements>;
}

/** A function that is called in functions more deeply is skipped; each level takes some of the stack. */
const MOST_CALLS_DEEP = 100;

/** Inputs and outputs: an operator of ONNX has more of the one or of the other. */
const MANY = 9;

/** What a graph is given by what is around it: the call of a function. */
interface Call {
  /** What the parameters hold. */
  readonly inputs: readonly Elements[];
  readonly attributes: ReadonlyMap<string, AttributeView>;
  readonly depth: number;
}

/** Which input of its node an input of a body is made of, as a whole, by slices or by elements; -1: none. */
function operandOf({ node, scope }: NodeState, index: number): number {
  if (node.domain !== '') return -1;
  if (node.op === 'Loop') return index > 1 ? index : -1;
  // The first input that Scan has in opset 8 says how long the others are.
  if (node.op === 'Scan') return (scope.opsets.get('') ?? 0) < 9 ? index + 1 : index;
  return node.op === 'SequenceMap' ? index : -1;
}

/**
 * What the values of a graph, or of one call of a function, can hold, subgraphs included. `Computation`
 * has found that nothing depends on itself.
 */
export class ValueElements implements NodeVisitor {
  readonly #shared: ModelContext;
  /** undefined: the graph is the model's. */
  readonly #call: Call | undefined;
  readonly #outputs = new Map<NodeState, readonly Elements[]>();

  constructor(shared: ModelContext, call?: Call) {
    this.#shared = shared;
    this.#call = call;
  }

  /** Visits every node that the scope's outputs need, in subgraphs too; returns what they hold. */
  walk(scope: Scope): readonly Elements[] {
    const outputs = scope.outputs.map(({ name }) => scope.resolve(name));
    for (const output of outputs) if (output.kind === 'output') walkNeeds(output.state, this);
    return outputs.map((output) => this.#value(output));
  }

  /** What a node's outputs depend on: its inputs, and the outputs of its subgraphs. */
  needs(state: NodeState): readonly NodeState[] {
    const needs: NodeState[] = [];
    const need = (definition: Definition | undefined): void => {
      if (definition?.kind === 'output') needs.push(definition.state);
      else if (definition?.kind === 'input') need(this.#carried(definition));
    };
    for (const definition of needsOf(state)) need(definition);
    return needs;
  }

  known(state: NodeState): boolean {
    return this.#outputs.has(state);
  }

  visit(state: NodeState): void {
    this.#outputs.set(state, this.#node(state));
  }

  /** What an input of a body is made of; undefined for every other input. */
  #carried({ scope, index }: Definition & { readonly kind: 'input' }): Definition | undefined {
    const { owner } = scope;
    if (owner === null) return undefined;
    const name = owner.node.inputs[operandOf(owner, index)] ?? '';
    return name === '' ? undefined : owner.scope.resolve(name);
  }

  #value(definition: Definition): Elements {
    if (definition.kind === 'output') {
      return this.#outputs.get(definition.state)?.[definition.index] ?? UNKNOWN;
    }
    if (definition.kind === 'input') return this.#input(definition);
    const { constants, files } = this.#shared;
    const known = constants.get(definition) ?? ofConstant(definition.constant, files);
    constants.set(definition, known);
    return known;
  }

  #input(definition: Definition & { readonly kind: 'input' }): Elements {
    const { scope, index, value } = definition;
    const { owner } = scope;
    if (owner === null) return this.#call?.inputs[index] ?? declared(value.type);
    const { domain, op } = owner.node;
    if (domain === '' && op === 'Loop' && index < 2)
      return index === 0 ? countOf(true) : anyOf(BOOL);
    const carried = this.#carried(definition);
    const foreign = domain !== '' && this.#callee(owner.node) === undefined;
    const { type } = carried === undefined ? anyOf(foreign ? FOREIGN : 0) : this.#value(carried);
    const stated = declared(value.type);
    return type <= 0 && isTyped(stated) ? stated : anyOf(type);
  }

  #charge(...parts: readonly (readonly unknown[])[]): void {
    this.#shared.calledParts -= parts.reduce((sum, { length }) => sum + length, 1);
  }

  #chargeNode(state: NodeState): void {
    const { inputs, outputs, attributes } = state.node;
    this.#charge(inputs, outputs, attributes);
    for (const inner of subgraphsOf(state)) this.#charge(inner.outputs);
  }

  #callee(node: NodeView): Callee | undefined {
    return this.#shared.functions.get(functionKey({ ...node, name: node.op }));
  }

  /** The node with the attributes of the call that it refers to; those that the call has not got are left out. */
  #bound(node: NodeView): NodeView {
    if (node.attributes.every(({ reference }) => reference === '')) return node;
    const attributes = node.attributes.flatMap((attribute) => {
      const { name, reference } = attribute;
      if (reference === '') return attribute;
      const given = this.#call?.attributes.get(reference);
      return given === undefined ? [] : { ...given, name };
    });
    return { ...node, attributes };
  }

  #node(state: NodeState): readonly Elements[] {
    const { scope } = state;
    const inputs = state.node.inputs.map((name) =>
      name === '' ? undefined : this.#value(scope.resolve(name)),
    );
    this.#shared.visit(state, inputs);
    if (this.#call !== undefined) this.#chargeNode(state);
    const node = this.#bound(state.node);
    const callee = this.#callee(node);
    if (callee !== undefined) {
      const outputs = this.#called(callee, node, inputs);
      // ONNX Runtime may execute an operator of its own in place of a function of that name.
      const version = scope.opsets.get(node.domain) ?? 0;
      return supportOf(node.domain, node.op, version) === 'supported' ? [] : outputs;
    }
    if (subgraphsOf(state).length > 0) return this.#branches(state, inputs);
    // No operator of ONNX has so many of both.
    if (inputs.length > MANY && node.outputs.length > MANY) return node.outputs.map(() => UNKNOWN);
    return node.outputs.map((_, index) =>
      node.domain === ''
        ? operatorElements(node, inputs, index, this.#shared.files)
        : anyOf(FOREIGN),
    );
  }

  #called(
    { scope, defaults }: Callee,
    node: NodeView,
    given: readonly (Elements | undefined)[],
  ): readonly Elements[] {
    const depth = (this.#call?.depth ?? 0) + 1;
    this.#charge(scope.inputs, scope.outputs, defaults);
    if (this.#shared.calledParts < 0 || depth > MOST_CALLS_DEEP) {
      this.#shared.skip();
      return [];
    }
    const inputs = scope.inputs.map((_, index) => given[index] ?? UNKNOWN);
    const attributes = new Map([...defaults, ...node.attributes].map((each) => [each.name, each]));
    return new ValueElements(this.#shared, { inputs, attributes, depth }).walk(scope);
  }

  #branches(state: NodeState, inputs: readonly (Elements | undefined)[]): readonly Elements[] {
    const { node } = state;
    const inners = subgraphsOf(state);
    // No operator of ONNX has more.
    if (node.domain === '' && inners.length > 2) return node.outputs.map(() => UNKNOWN);
    const bodies = inners.map((inner) =>
      inner.outputs.map(({ name }) => this.#value(inner.resolve(name))),
    );
    const ends = (index: number): readonly Elements[] =>
      bodies.flatMap((outputs) => outputs[index] ?? []);
    return node.outputs.map((_, index) => {
      if (node.domain !== '') return anyOf(FOREIGN);
      if (node.op === 'If' || node.op === 'SequenceMap') return hull(ends(index));
      if (node.op === 'Loop')
        return hull([...ends(index + 1), ...[inputs[index + 2] ?? []].flat()]);
      return node.op === 'Scan' ? anyOf(hull(ends(index)).type) : UNKNOWN;
    });
  }
}
