import type { ModelAnalysis, OperatorCount } from '../../attestation/model/identity.js';
import type { NodeView } from '../../attestation/model/views.js';
import { alike, anyOf, type Elements, INT32, INT64, UNKNOWN } from './element-range.js';
import { followsDividend } from './operator-ranges.js';
import { ValueElements } from './value-elements.js';

const MOST_CALLED_NODES = 1_000_000;

function mayDivide({ domain, name }: Pick<OperatorCount, 'domain' | 'name'>): boolean {
  return domain === '' && (name === 'Div' || name === 'Mod');
}

/** Div, and Mod whose remainder has the divisor's sign: what ONNX Runtime leaves to the processor. */
function divides(node: NodeView): boolean {
  const { domain, op: name } = node;
  return mayDivide({ domain, name }) && (name === 'Div' || !followsDividend(node));
}

/** Narrower integers are widened before, and ONNX Runtime looks for divisors of zero itself. */
function mayTrap([dividend, divisor]: readonly Elements[]): boolean {
  if (dividend === undefined || divisor === undefined || dividend.type !== divisor.type)
    return false;
  if (dividend.type !== INT32 && dividend.type !== INT64) return false;
  return (
    dividend.least === anyOf(dividend.type).least && divisor.least <= -1n && divisor.most >= -1n
  );
}

/**
 * The divisions, in subgraphs and functions too, of which it cannot be told from the model that no
 * caller makes them divide the least integer of 32 or 64 bits by -1. No integer holds that quotient: x86
 * processors trap, ONNX Runtime does not look before (1.30), and the process ends. What is divided and
 * what divides is followed from inputs, constants and sizes of tensors through ONNX's own operators, by
 * type and bounds; operators that are not ONNX's own give values of which nothing is known, and two of
 * these are not taken for integers.
 */
export function trappingDivisions(analysis: ModelAnalysis): readonly NodeView[] {
  const { identity, scope, functions, hasher } = analysis;
  if (!identity.operators.some(mayDivide)) return [];
  const found = new Set<NodeView>();
  const values = new ValueElements({
    functions,
    files: hasher.files,
    calledNodes: MOST_CALLED_NODES,
    visit: ({ node }, inputs) => {
      const operands = alike(inputs.map((input) => input ?? UNKNOWN));
      if (divides(node) && mayTrap(operands)) found.add(node);
    },
  });
  values.walk(scope);
  return [...found];
}

/** A node as people find it in the file. */
export function nodeLabel({ op, name, outputs }: NodeView): string {
  return `${op} "${name === '' ? (outputs.find((output) => output !== '') ?? '') : name}"`;
}
