import { executedNodes } from '../../attestation/model/called-functions.js';
import type { ModelAnalysis } from '../../attestation/model/identity.js';
import type { NodeView } from '../../attestation/model/views.js';
import { Origins } from './origins.js';

/**
 * The operands that kernels take for sizes, lengths or places, by operator: large values exhaust memory or time,
 * and some kernels do not look whether they lie within a tensor.
 */
export const DELICATE_OPERANDS: ReadonlyMap<string, readonly number[]> = new Map(
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
  if (trapping.has(node) && op !== 'STFT') return [0, 1];
  if (DECODERS.has(op)) return [...inputs.keys()].slice(1);
  return DELICATE_OPERANDS.get(op) ?? [];
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
