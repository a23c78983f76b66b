import { executedNodes } from '../../attestation/model/called-functions.js';
import { functionKey } from '../../attestation/model/computation.js';
import type { ModelAnalysis, OperatorCount } from '../../attestation/model/identity.js';
import type { NodeView } from '../../attestation/model/views.js';
import { alike, anyOf, type Elements, INT32, INT64, UNKNOWN } from './element-range.js';
import { followsDividend } from './operator-ranges.js';
import { type Callee, ValueElements } from './value-elements.js';

const MOST_CALLED_PARTS = 4_000_000;

function mayDivide({ domain, name }: Pick<OperatorCount, 'domain' | 'name'>): boolean {
  return domain === '' && (name === 'Div' || name === 'Mod' || name === 'STFT');
}

/**
 * Div, Mod whose remainder has the divisor's sign, and STFT that has no window, but the length of one: what ONNX
 * Runtime leaves to the processor.
 */
function divides(node: NodeView): boolean {
  const { domain, op: name, inputs } = node;
  if (!mayDivide({ domain, name })) return false;
  if (name === 'STFT') return (inputs[2] ?? '') === '' && (inputs[3] ?? '') !== '';
  return name === 'Div' || !followsDividend(node);
}

/** Of an STFT the length of its frames divides. */
function mayBeNone(length: Elements | undefined): boolean {
  return length === undefined || (length.least <= 0n && length.most >= 0n);
}

/** Narrower integers are widened before, and ONNX Runtime looks for divisors of zero itself. */
function mayTrap([dividend, divisor]: readonly Elements[]): boolean {
  if (dividend === undefined || divisor === undefined || dividend.type !== divisor.type)
    return false;
  if (dividend.type === 0) return true;
  if (dividend.type !== INT32 && dividend.type !== INT64) return false;
  return (
    dividend.least === anyOf(dividend.type).least && divisor.least <= -1n && divisor.most >= -1n
  );
}

function calleesOf({ model, functions }: ModelAnalysis): ReadonlyMap<string, Callee> {
  return new Map(
    model.functions.flatMap((body): readonly (readonly [string, Callee])[] => {
      const key = functionKey(body);
      const scope = functions.get(key)?.scope;
      return scope === undefined ? [] : [[key, { scope, defaults: body.defaults }]];
    }),
  );
}

/**
 * The divisions that are executed, in subgraphs and functions too, of which it cannot be told from the model
 * that no caller makes them divide the least integer of 32 or 64 bits by -1, or by zero where ONNX Runtime does
 * not look: for the length of an STFT's frames. No integer holds that quotient:
 * x86 processors trap, ONNX Runtime does not look before (1.30), and the process ends. What is divided and
 * what divides is followed from inputs, constants and sizes of tensors through ONNX's own operators, by type
 * and bounds; values of which not even the type is known may be the least integer and -1. Operators that are
 * not ONNX's own give values of which nothing is known, and two of these are not taken for integers. Where
 * calls are too many or too deep to be followed, all divisions in functions count.
 */
export function trappingDivisions(analysis: ModelAnalysis): readonly NodeView[] {
  const { identity, scope, hasher } = analysis;
  if (!identity.operators.some(mayDivide)) return [];
  const found = new Set<NodeView>();
  let skipped = false;
  const values = new ValueElements({
    functions: calleesOf(analysis),
    files: hasher.files,
    calledParts: MOST_CALLED_PARTS,
    constants: new Map(),
    skip: () => {
      skipped = true;
    },
    visit: ({ node }, inputs) => {
      if (!divides(node)) return;
      const operands = alike(inputs.map((input) => input ?? UNKNOWN));
      if (node.op === 'STFT' ? mayBeNone(inputs[3]) : mayTrap(operands)) found.add(node);
    },
  });
  values.walk(scope);
  for (const { node, scope: at } of skipped ? executedNodes(analysis) : []) {
    if (at.isFunction && divides(node)) found.add(node);
  }
  return [...found];
}

/** A node as people find it in the file. */
export function nodeLabel({ op, name, outputs }: NodeView): string {
  return `${op} "${name === '' ? (outputs.find((output) => output !== '') ?? '') : name}"`;
}
