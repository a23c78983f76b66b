import { byteText } from '../../attestation/encoding/bytes.js';
import { executedNodes } from '../../attestation/model/called-functions.js';
import { DRAWS, functionKey } from '../../attestation/model/computation.js';
import { elementBytes } from '../../attestation/model/elements.js';
import type { ExternalFiles } from '../../attestation/model/external.js';
import type { ModelAnalysis } from '../../attestation/model/identity.js';
import { type NodeState, type Scope, subgraphsOf } from '../../attestation/model/scope.js';
import { isSparse } from '../../attestation/model/tensor.js';
import { BY_ELEMENT_TYPE } from '../client/datatype.js';
import { attributeOf, intAttribute } from './attributes.js';
import { divisionRule } from './division-rule.js';
import { fatalRule } from './fatal-rule.js';
import { fileRules } from './file-rules.js';
import { type AdmissionFinding, finding } from './finding.js';
import { manifestRule } from './manifest-rule.js';
import { newestOpset, supportOf } from './operators.js';
import { overrunRule } from './overrun-rule.js';
import { RUNTIME_VERSION } from './runtime-operators.js';
import { nodeLabel } from './trapping-divisions.js';
import { unwrittenRule } from './unwritten-rule.js';

/** A node with the names and opsets that hold where it is. */
type Placed = Pick<NodeState, 'node' | 'scope'>;

/** The nodes that are executed, in the file's order. Others change no answer, and so no verdict. */
function placedNodes(analysis: ModelAnalysis): Placed[] {
  const { scope, functions } = analysis;
  const executed = executedNodes(analysis);
  const within = ({ states }: Scope): NodeState[] =>
    states.flatMap((state) => [state, ...subgraphsOf(state).flatMap(within)]);
  return [scope, ...[...functions.values()].map((body) => body.scope)]
    .flatMap(within)
    .filter((state) => executed.has(state));
}

/** Imports of which no operator is executed do not count. */
function opsetRule({ identity }: ModelAnalysis, nodes: readonly Placed[]): AdmissionFinding[] {
  const used = new Set(nodes.map(({ node }) => node.domain));
  const imports = identity.opsets.filter(({ domain }) => used.has(domain));
  return imports.map(({ domain, version }) => {
    const newest = newestOpset(domain);
    const shown = domain === '' ? 'ai.onnx' : domain;
    if (newest !== undefined && version > newest) {
      const message = `opset ${shown} ${version} is newer than ${newest}, the newest that ONNX Runtime ${RUNTIME_VERSION} supports: export for ${newest} or lower`;
      return finding('static.opset', 'refuse', message);
    }
    return finding('static.opset', 'pass', `opset ${shown} ${version}`);
  });
}

function operatorRules(analysis: ModelAnalysis, nodes: readonly Placed[]): AdmissionFinding[] {
  const groups = new Map<string, { message: string; refuse: boolean; nodes: string[] }>();
  const add = (placed: Placed, refuse: boolean, message: string): void => {
    const group = groups.get(message) ?? { message, refuse, nodes: [] };
    group.nodes.push(nodeLabel(placed.node));
    groups.set(message, group);
  };
  for (const placed of nodes) {
    const { domain, op } = placed.node;
    if (analysis.functions.has(functionKey({ ...placed.node, name: op }))) continue;
    const version = placed.scope.opsets.get(domain) ?? 0;
    const support = supportOf(domain, op, version);
    const shown = domain === '' ? `${op} of opset ${version}` : `${domain}.${op}`;
    if (support === 'unknown-domain') {
      add(
        placed,
        true,
        `${shown}: operators of custom libraries are not executed; write it with ONNX's own, or as a function in the model`,
      );
    } else if (support !== 'supported') {
      add(placed, true, `${shown}: ONNX Runtime ${RUNTIME_VERSION} cannot execute it on a CPU`);
    } else if (domain === 'com.microsoft') {
      add(placed, false, `${shown}: no part of ONNX; only ONNX Runtime executes it`);
    }
  }
  const found = [...groups.values()].map((group) =>
    finding('static.operator', group.refuse ? 'refuse' : 'warn', group.message, group.nodes),
  );
  if (found.some(({ outcome }) => outcome === 'refuse')) return found;
  const message = `all ${nodes.length} nodes have operators that ONNX Runtime ${RUNTIME_VERSION} executes`;
  return [finding('static.operator', 'pass', message), ...found];
}

function signatureRules({ identity }: ModelAnalysis): AdmissionFinding[] {
  const values = [...identity.inputs, ...identity.outputs];
  const foreign = values.filter(
    ({ type, elementType }) =>
      type !== 'undefined' &&
      !(type.startsWith('tensor(') && (elementType === null || BY_ELEMENT_TYPE.has(elementType))),
  );
  const dynamic = identity.inputs.filter(
    ({ dims }) => dims === null || dims.slice(1).some((dim) => typeof dim !== 'number'),
  );
  return [
    foreign.length === 0
      ? finding('static.types', 'pass', 'every input and output is a tensor that callers can send')
      : finding(
          'static.types',
          'refuse',
          'these inputs or outputs have types that no caller can send: convert them inside the model',
          foreign.map(({ name, type }) => `${type} "${name}"`),
        ),
    dynamic.length === 0
      ? finding('static.dimensions', 'pass', 'every input is fixed but for its first dimension')
      : finding(
          'static.dimensions',
          'warn',
          'these inputs are dynamic beyond their first dimension: memory and time depend on the caller',
          dynamic.map(
            ({ name, dims }) => `"${name}" [${dims?.map((dim) => dim ?? '?') ?? 'any rank'}]`,
          ),
        ),
  ];
}

/** The training_mode input of Dropout; also true where it is computed, or a caller's to say. */
function trainingMode({ node, scope }: Placed, files: ExternalFiles): boolean {
  const name = node.inputs[2] ?? '';
  if (name === '') return false;
  const definition = scope.resolve(name);
  if (definition.kind !== 'constant' || isSparse(definition.constant)) return true;
  const { constant } = definition;
  return constant.elements !== 1 || elementBytes(constant, files)[0] !== 0;
}

/** Also true where it is computed, a caller's to say, or where the call of a function says it. */
function inTraining(placed: Placed, files: ExternalFiles): boolean {
  const { node, scope } = placed;
  const version = scope.opsets.get('') ?? 0;
  if (node.domain !== '')
    return node.domain.startsWith('ai.onnx.') && node.domain.includes('training');
  if (node.op === 'BatchNormalization') {
    const given = node.attributes.some(({ name }) => name === 'training_mode');
    if (given && intAttribute(node, 'training_mode') !== 0n) return true;
    return version < 14 && node.outputs.filter((output) => output !== '').length > 1;
  }
  if (node.op !== 'Dropout') return false;
  if (version >= 12) return trainingMode(placed, files);
  return version < 7 && (intAttribute(node, 'is_test') ?? 0n) === 0n;
}

const NO_CASE: ReadonlySet<string> = new Set(['', 'NONE']);
/** What these hold does not differ between machines. */
const FIXED_LOCALES: ReadonlySet<string> = new Set(['C', 'POSIX']);

/** A StringNormalizer that asks the machine's locales which letter is which: its default is en_US.UTF-8. */
function asksLocale({ node }: Placed): boolean {
  if (node.domain !== '' || node.op !== 'StringNormalizer') return false;
  const text = (name: string): string => byteText.decode(attributeOf(node, name)?.bytes);
  const given = node.attributes.some(({ reference }) => reference !== '');
  const compares =
    attributeOf(node, 'stopwords') !== undefined && intAttribute(node, 'is_case_sensitive') === 0n;
  const asks = compares || !NO_CASE.has(text('case_change_action'));
  return given || (asks && !FIXED_LOCALES.has(text('locale')));
}

/** Nodes that change what an answer is worth. */
interface BehaviourRule {
  readonly name: string;
  readonly outcome: 'warn' | 'refuse';
  readonly matches: (placed: Placed, files: ExternalFiles) => boolean;
  /** Of nodes that match, and of none. */
  readonly wrong: string;
  readonly right: string;
}

/** @param listed operators by their domains. */
function isOneOf(...listed: readonly (readonly [string, Iterable<string>])[]) {
  const operators = new Map(listed.map(([domain, ops]) => [domain, new Set(ops)]));
  return ({ node }: Placed): boolean => operators.get(node.domain)?.has(node.op) === true;
}

const BEHAVIOUR: readonly BehaviourRule[] = [
  {
    name: 'random',
    outcome: 'refuse',
    matches: isOneOf(['', DRAWS], ['com.microsoft', ['Sampling']]),
    wrong: 'these draw random numbers: no two nodes would answer alike, seeded or not',
    right: 'nothing draws random numbers',
  },
  {
    name: 'training',
    outcome: 'refuse',
    matches: inTraining,
    wrong:
      'these are in training mode, or whether they are is computed, or said by a caller or the call of a function: export the model for inference',
    right: 'nothing is in training mode',
  },
  {
    name: 'locale',
    outcome: 'refuse',
    matches: asksLocale,
    wrong:
      "these take letters for upper or lower case as the machine's locales have them, which nodes need not have, nor alike: state the locale C, or change the case before",
    right: "nothing asks for the machine's locales",
  },
  {
    name: 'batch',
    outcome: 'warn',
    matches: isOneOf(
      ['', ['DynamicQuantizeLinear']],
      ['com.microsoft', ['DynamicQuantizeMatMul', 'DynamicQuantizeLSTM']],
    ),
    wrong:
      'these scale by all rows of a batch, so that neighbours would change an answer: requests will be executed one at a time',
    right:
      'no operator is known to scale by all rows of a batch; a node proves at load that neighbours change no bit, or executes requests one at a time',
  },
  {
    name: 'trees',
    outcome: 'warn',
    matches: isOneOf([
      'ai.onnx.ml',
      ['TreeEnsemble', 'TreeEnsembleRegressor', 'TreeEnsembleClassifier'],
    ]),
    wrong: 'the bits of tree ensembles depend on threads and batch size',
    right: 'no tree ensembles',
  },
];

function behaviourRules(
  { hasher }: ModelAnalysis,
  nodes: readonly Placed[],
): readonly AdmissionFinding[] {
  return BEHAVIOUR.map(({ name, outcome, matches, wrong, right }) => {
    const found = nodes.filter((placed) => matches(placed, hasher.files));
    return found.length === 0
      ? finding(`static.${name}`, 'pass', right)
      : finding(
          `static.${name}`,
          outcome,
          wrong,
          found.map(({ node }) => nodeLabel(node)),
        );
  });
}

function trainingInfoRule({ model: { trainingInfo } }: ModelAnalysis): AdmissionFinding {
  if (trainingInfo === 0) return finding('static.training-info', 'pass', 'no training graphs');
  const message = `${trainingInfo} training graphs are left in the file`;
  return finding('static.training-info', 'warn', message);
}

/** What a model's file alone tells about whether every node can execute it, and alike. */
export function staticFindings(analysis: ModelAnalysis): AdmissionFinding[] {
  const nodes = placedNodes(analysis);
  return [
    ...opsetRule(analysis, nodes),
    ...operatorRules(analysis, nodes),
    ...signatureRules(analysis),
    ...fileRules(analysis),
    manifestRule(analysis.identity),
    trainingInfoRule(analysis),
    ...behaviourRules(analysis, nodes),
    divisionRule(analysis),
    fatalRule(analysis),
    overrunRule(analysis),
    unwrittenRule(analysis),
  ];
}
