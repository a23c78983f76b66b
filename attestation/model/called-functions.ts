import { toHex } from '../encoding/bytes.js';
import { functionKey, isRival } from './computation.js';
import type { ModelAnalysis } from './identity.js';
import { Needed } from './needed.js';
import { type NodeState, type Scope, topOf } from './scope.js';
import type { Constant } from './tensor.js';
import type { FunctionView, NodeView } from './views.js';

/** Of the functions of a model, but for those whose own domain counts. */
export const FUNCTIONS = 'assay.functions';

/** A function as it is written. */
export interface FunctionBody {
  readonly digest: string;
  readonly view: FunctionView;
  readonly scope: Scope;
  /** Names of those that it refers to, or that a call gives. */
  readonly attributes: Set<string>;
  /** A runtime may have its own operator of this name, which then counts. */
  readonly rival: boolean;
  readonly domain: string;
  name: string;
}

function order(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

/** Rivals may have one digest and two names. */
function byDigest(a: FunctionBody, b: FunctionBody): number {
  return order(a.digest, b.digest) || order(a.domain, b.domain) || order(a.name, b.name);
}

type Analysis = Pick<ModelAnalysis, 'model' | 'scope' | 'functions'>;

/** The functions that a model needs: those that are called, as those are that they call. One for each digest. */
export class CalledFunctions {
  /** What the outputs of the model's graph need, and those of the functions. */
  readonly needed = new Needed();
  readonly bodies: readonly FunctionBody[];
  readonly #byKey = new Map<string, FunctionBody>();

  constructor({ model, scope, functions }: Analysis) {
    const { needed } = this;
    needed.addOutputs(scope);
    const views = new Map(model.functions.map((view) => [functionKey(view), view]));
    const bodies = new Map<string, FunctionBody>();
    const operators = new Set<string>();
    // A set is iterated over with what is added meanwhile.
    for (const { node } of needed.states) {
      const key = functionKey({ ...node, name: node.op });
      const [view, known] = [views.get(key), functions.get(key)];
      if (node.constant !== null || view === undefined || known === undefined) {
        operators.add(node.op);
        continue;
      }
      const digest = toHex(known.digest);
      const rival = isRival(view);
      let body = bodies.get(rival ? key : digest);
      if (body === undefined) {
        const domain = rival ? view.domain : FUNCTIONS;
        const { name } = view;
        body = { digest, view, scope: known.scope, attributes: new Set(), rival, domain, name };
        bodies.set(rival ? key : digest, body);
        needed.addOutputs(body.scope);
      }
      this.#byKey.set(key, body);
      for (const { name } of node.attributes) body.attributes.add(name);
    }
    this.bodies = [...bodies.values()].sort(byDigest);
    this.#addReferences();
    this.#name(operators);
  }

  /** The function that a node calls. */
  of(node: NodeView): FunctionBody | undefined {
    return node.constant === null
      ? this.#byKey.get(functionKey({ ...node, name: node.op }))
      : undefined;
  }

  #addReferences(): void {
    const byScope = new Map(this.bodies.map((body) => [body.scope, body]));
    for (const { node, scope } of this.needed.states) {
      const body = byScope.get(topOf(scope));
      for (const { reference } of node.attributes) {
        if (reference !== '') body?.attributes.add(reference);
      }
    }
  }

  /** As no operator is called. */
  #name(operators: ReadonlySet<string>): void {
    let next = 0;
    for (const body of this.bodies) {
      if (body.rival) continue;
      do {
        body.name = `Assay${next}`;
        next += 1;
      } while (operators.has(body.name));
    }
  }
}

const EXECUTED = new WeakMap<Analysis, ReadonlySet<NodeState>>();

/**
 * The nodes that are executed: operators and calls that outputs need, in the graph and in the functions that it
 * calls. Models of one graph digest have the same, though one may have a node for each use of what it gives.
 * Found once for each analysis.
 */
export function executedNodes(analysis: Analysis): ReadonlySet<NodeState> {
  const known = EXECUTED.get(analysis);
  if (known !== undefined) return known;
  const { states } = new CalledFunctions(analysis).needed;
  const executed = new Set([...states].filter(({ node }) => node.constant === null));
  EXECUTED.set(analysis, executed);
  return executed;
}

/** The constants that these nodes and the outputs of the model's graph need, the defaults of inputs too. */
export function neededConstants(analysis: Analysis): Constant[] {
  const { definitions } = new CalledFunctions(analysis).needed;
  return [...definitions].flatMap((definition) => {
    if (definition.kind === 'constant') return [definition.constant];
    return definition.kind === 'input' && definition.fallback !== null ? [definition.fallback] : [];
  });
}
