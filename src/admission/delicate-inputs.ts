import { executedNodes } from '../../attestation/model/called-functions.js';
import { functionKey } from '../../attestation/model/computation.js';
import type { ModelAnalysis } from '../../attestation/model/identity.js';
import {
  type Definition,
  type NodeState,
  needsOf,
  type Scope,
} from '../../attestation/model/scope.js';
import type { NodeView } from '../../attestation/model/views.js';

/**
 * The operands that kernels take for sizes, lengths or places, by operator: large values exhaust memory or time,
 * and some kernels do not look whether they lie within a tensor.
 */
const DELICATE_OPERANDS: ReadonlyMap<string, readonly number[]> = new Map(
  Object.entries<readonly number[]>({
    AffineGrid: [1],
    Attention: [3, 4, 5, 6],
    BlackmanWindow: [0],
    CenterCropPad: [1],
    Col2Im: [1, 2],
    ConstantOfShape: [0],
    ConvTransposeWithDynamicPads: [2],
    CropAndResize: [2, 3],
    DFT: [1],
    DecoderMaskedMultiHeadAttention: [4, 7, 8, 9],
    DecoderMaskedSelfAttention: [3, 6, 7, 8],
    Expand: [1],
    GroupQueryAttention: [5, 6],
    HammingWindow: [0],
    HannWindow: [0],
    MaxUnpool: [1, 2],
    MelWeightMatrix: [0, 1, 2, 3, 4],
    MultiHeadAttention: [4],
    OneHot: [1],
    Pad: [1],
    Range: [0, 1, 2],
    Resize: [1, 2, 3],
    RoiAlign: [1, 2],
    STFT: [1, 3],
    SparseAttention: [5, 6, 7],
    Tile: [1, 2],
    Upsample: [1],
  }),
);
/** Operators that decode sequences: all that they are given beside the tokens. */
const DECODERS = new Set(['BeamSearch', 'GreedySearch', 'Sampling', 'WhisperBeamSearch']);

function operandsOf(node: NodeView, trapping: ReadonlySet<NodeView>): readonly number[] {
  const { op, inputs } = node;
  if (trapping.has(node)) return [0, 1];
  if (DECODERS.has(op)) return [...inputs.keys()].slice(1);
  return DELICATE_OPERANDS.get(op) ?? [];
}

/** What an operand is made of, followed from uses to definitions, through functions and out to their calls. */
class Origins {
  readonly #root: Scope;
  readonly #functions: ModelAnalysis['functions'];
  /** What the calls of a function give for each of its parameters. */
  readonly #given = new Map<Scope, Definition[][]>();
  readonly #seen = new Set<Definition>();
  readonly inputs = new Set<string>();

  constructor({ scope, functions }: ModelAnalysis, executed: Iterable<NodeState>) {
    this.#root = scope;
    this.#functions = functions;
    for (const state of executed) {
      const callee = this.#callee(state);
      if (callee === undefined) continue;
      const given = this.#given.get(callee) ?? [];
      this.#given.set(callee, given);
      state.node.inputs.forEach((name, index) => {
        given[index] ??= [];
        if (name !== '') given[index].push(state.scope.resolve(name));
      });
    }
  }

  #callee({ node }: NodeState): Scope | undefined {
    return this.#functions.get(functionKey({ ...node, name: node.op }))?.scope;
  }

  follow(operand: Definition): void {
    const left = [operand];
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      if (this.#seen.has(next)) continue;
      this.#seen.add(next);
      for (const definition of this.#behind(next)) left.push(definition);
    }
  }

  #behind(definition: Definition): readonly Definition[] {
    if (definition.kind === 'constant') return [];
    if (definition.kind === 'input') return this.#behindInput(definition);
    const { state, index } = definition;
    const callee = this.#callee(state);
    const output = callee?.outputs[index];
    if (callee !== undefined && output !== undefined) return [callee.resolve(output.name)];
    const { domain, op } = state.node;
    return domain === '' && (op === 'Shape' || op === 'Size') ? [] : needsOf(state);
  }

  #behindInput(definition: Definition & { readonly kind: 'input' }): readonly Definition[] {
    const { scope, index, value } = definition;
    if (scope === this.#root) {
      this.inputs.add(value.name);
      return [];
    }
    if (scope.isFunction && scope.parent === null) {
      return this.#given.get(scope)?.[index] ?? [];
    }
    // What an operator gives its subgraphs may be made of anything.
    for (const { name } of this.#root.inputs) this.inputs.add(name);
    return [];
  }
}

/**
 * Names of the model's inputs of which extreme values could exhaust memory or end the process: their values, not
 * only their sizes, reach an operand that says how large something is, or a division that may trap.
 * @param divisions what `trappingDivisions` gave of the same analysis.
 */
export function delicateInputs(
  analysis: ModelAnalysis,
  divisions: readonly NodeView[],
): readonly string[] {
  const executed = executedNodes(analysis);
  const trapping = new Set(divisions);
  const origins = new Origins(analysis, executed);
  for (const { node, scope } of executed) {
    for (const index of operandsOf(node, trapping)) {
      const name = node.inputs[index] ?? '';
      if (name !== '') origins.follow(scope.resolve(name));
    }
  }
  return [...origins.inputs].sort();
}
