import { executedNodes } from '../../attestation/model/called-functions.js';
import type { ModelAnalysis } from '../../attestation/model/identity.js';
import type { Definition, NodeState } from '../../attestation/model/scope.js';
import type { NodeView } from '../../attestation/model/views.js';
import { type AdmissionFinding, finding } from './finding.js';
import { lengthIsFree } from './free-lengths.js';
import { KnownDims } from './known-dims.js';
import { nodeLabel } from './trapping-divisions.js';

/** So many at most are judged each by itself, so that the others are not named with them. */
const JUDGED_ALONE = 20;

/** Which input of a node says how much larger to make something, an element for each axis; -1: none. */
function scalesOf({ node, scope }: NodeState): number {
  if (node.domain !== '') return -1;
  if (node.op === 'Upsample') return 1;
  if (node.op !== 'Resize') return -1;
  return (scope.opsets.get('') ?? 0) < 11 ? 1 : 2;
}

function scalesDefinition(state: NodeState): Definition | undefined {
  const name = state.node.inputs[scalesOf(state)] ?? '';
  return name === '' ? undefined : state.scope.resolve(name);
}

/** The kernel copies all scales to a place on its stack before it counts them. */
function overscaling(analysis: ModelAnalysis, executed: ReadonlySet<NodeState>): NodeState[] {
  const scaling = [...executed].filter((state) => {
    const scales = scalesDefinition(state);
    return scales !== undefined && scales.kind !== 'constant';
  });
  const free = (states: readonly NodeState[]): boolean =>
    lengthIsFree(
      analysis,
      executed,
      states.flatMap((state) => scalesDefinition(state) ?? []),
    );
  if (scaling.length === 0 || !free(scaling)) return [];
  return scaling.length > JUDGED_ALONE ? scaling : scaling.filter((state) => free([state]));
}

/**
 * Inputs that tell, by domain and name, of attention to a past in a buffer that is longer than it: all of the
 * buffer is copied to outputs that may have less. `past_sequence_length`, and the past itself, which the latter
 * takes in no other way.
 */
const LONGER_PAST: ReadonlyMap<string, number> = new Map([
  ['com.microsoft MultiHeadAttention', 8],
  ['com.microsoft DecoderMaskedMultiHeadAttention', 5],
]);

function keepsPastInLonger({ node: { domain, op, inputs } }: NodeState): boolean {
  const input = LONGER_PAST.get(`${domain} ${op}`);
  return input !== undefined && (inputs[input] ?? '') !== '';
}

/** Inverts each matrix as if it had as many columns as rows. */
function invertsAny({ node, scope }: NodeState, known: KnownDims): boolean {
  const [matrix = ''] = node.inputs;
  if (node.domain !== 'com.microsoft' || node.op !== 'Inverse' || matrix === '') return false;
  const [rows = null, columns = null] = known.of(scope.resolve(matrix))?.slice(-2) ?? [];
  return rows === null || rows !== columns;
}

/**
 * The nodes that are executed, in subgraphs and functions too, of which it cannot be told that no caller has
 * their kernels write beyond their memory (ONNX Runtime 1.30).
 */
export function overrunningNodes(analysis: ModelAnalysis): readonly NodeView[] {
  const executed = executedNodes(analysis);
  const found = new Set(overscaling(analysis, executed));
  const known = new KnownDims(analysis.hasher.files);
  return [...executed]
    .filter((state) => found.has(state) || keepsPastInLonger(state) || invertsAny(state, known))
    .map(({ node }) => node);
}

/** Whether a caller can have memory overwritten that holds what is others'; nodes do not load such a model. */
export function overrunRule(analysis: ModelAnalysis): AdmissionFinding {
  const overrunning = overrunningNodes(analysis);
  return overrunning.length === 0
    ? finding('static.overrun', 'pass', 'no node is known to write beyond its memory')
    : finding(
        'static.overrun',
        'refuse',
        'callers may have these write beyond their memory: give scales as a constant or a vector of fixed length, attention no past in a buffer that is longer, and Inverse matrices that are known to be square',
        overrunning.map(nodeLabel),
      );
}
