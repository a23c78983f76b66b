import type { ModelAnalysis } from '../../attestation/model/identity.js';
import { nameOf } from '../../attestation/model/tensor.js';
import type { NodeView } from '../../attestation/model/views.js';
import { constantsOf } from '../../attestation/model/weights.js';
import { type AdmissionFinding, finding } from './finding.js';

/** TensorProto.DataType: INT32 and INT64, whose quotients the processor traps on. */
const WIDE_INTEGERS: ReadonlySet<bigint> = new Set([6n, 7n]);

/** Inputs whose elements an operator passes on, computed with or not; every input unless listed. */
const PASSES: Readonly<Record<string, readonly number[] | 'all'>> = {
  ...Object.fromEntries(
    ['Abs', 'Add', 'Concat', 'Div', 'Identity', 'Max', 'Min', 'Mod', 'Mul', 'Neg', 'Sub'].map(
      (op) => [op, 'all' as const],
    ),
  ),
  ...Object.fromEntries(
    [
      ...['Cast', 'Clip', 'CumSum', 'Expand', 'Flatten', 'Gather', 'GatherElements', 'GatherND'],
      ...['ReduceMax', 'ReduceMin', 'ReduceProd', 'ReduceSum', 'Reshape', 'Slice', 'Split'],
      ...['Squeeze', 'Tile', 'Transpose', 'Unsqueeze'],
    ].map((op) => [op, [0]]),
  ),
  Where: [1, 2],
};

function castsAway({ op, attributes }: NodeView): boolean {
  const to = attributes.find(({ name }) => name === 'to')?.int;
  return op === 'Cast' && (to === undefined || !WIDE_INTEGERS.has(to));
}

/** Names of values of the model's own graph that hold integers which a caller chose, or made of such. */
function chosenIntegers({ model, identity }: ModelAnalysis): ReadonlySet<string> {
  const chosen = new Set(
    identity.inputs
      .filter(({ elementType }) => elementType === 'INT32' || elementType === 'INT64')
      .map(({ name }) => name),
  );
  const passesOn = (node: NodeView): boolean => {
    const passes = node.domain === '' ? PASSES[node.op] : undefined;
    if (passes === undefined || castsAway(node)) return false;
    const from = passes === 'all' ? node.inputs : passes.map((index) => node.inputs[index] ?? '');
    return from.some((name) => chosen.has(name));
  };
  for (let before = -1; before !== chosen.size; ) {
    before = chosen.size;
    for (const node of model.graph.nodes) {
      if (passesOn(node)) for (const name of node.outputs) chosen.add(name);
    }
  }
  return chosen;
}

/**
 * Whether a caller can make the runtime divide the least integer by -1, whose quotient no integer holds:
 * x86 processors trap, and ONNX Runtime's kernels do not look before (Div, Mod; seen with 1.30). Looks
 * at the model's own graph, not into subgraphs and functions.
 */
export function divisionRule(analysis: ModelAnalysis): AdmissionFinding {
  const chosen = chosenIntegers(analysis);
  const constants = new Set(constantsOf(analysis.model).map(nameOf));
  const exposed = analysis.model.graph.nodes.filter(
    ({ domain, op, inputs: [dividend = '', divisor = ''] }) =>
      domain === '' &&
      (op === 'Div' || op === 'Mod') &&
      chosen.has(dividend) &&
      !constants.has(divisor),
  );
  return exposed.length === 0
    ? finding('static.division', 'pass', 'no division of integers of which callers choose both')
    : finding(
        'static.division',
        'warn',
        'callers choose both integers of these: the least one divided by -1 ends the process of a node on x86; divide by a constant, or in floating point',
        exposed.map(({ op, name, outputs }) => `${op} "${name === '' ? outputs[0] : name}"`),
      );
}
