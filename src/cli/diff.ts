import type { Command } from 'commander';
import { equalBytes, toHex } from '../../attestation/encoding/bytes.js';
import { computationDifference } from '../../attestation/model/difference.js';
import type {
  ComputationDifference,
  WeightDifference,
} from '../../attestation/model/differences.js';
import {
  analyseModel,
  type ModelIdentity,
  type ValueSignature,
} from '../../attestation/model/identity.js';
import { readModelSource } from '../admission/model-source.js';
import { nativeSha256 } from '../system/sha256.js';
import { EXIT } from './exit-code.js';
import { ofModel } from './input-files.js';
import { domainText, signatureText } from './inspect.js';
import type { Io } from './io.js';
import { examples } from './options.js';
import { type Cell, type Style, section } from './output.js';
import { numericTexts } from './relation-text.js';

type Verdict = 'same bytes' | 'same computation in other bytes' | 'another computation';

/** A named thing that the two models have differently; null where one has it not. */
type Entry = {
  readonly name: string;
  readonly a: string | null;
  readonly b: string | null;
};

function entries<T>(
  a: readonly T[],
  b: readonly T[],
  name: (item: T) => string,
  text: (item: T) => string,
): Entry[] {
  const [left, right] = [a, b].map(
    (items) => new Map(items.map((item) => [name(item), text(item)])),
  );
  return [...new Set([...(left?.keys() ?? []), ...(right?.keys() ?? [])])]
    .map((key) => ({ name: key, a: left?.get(key) ?? null, b: right?.get(key) ?? null }))
    .filter((entry) => entry.a !== entry.b);
}

/** The verdict: equal files, equal computations, or neither. */
function verdictOf(a: ModelIdentity, b: ModelIdentity): Verdict {
  const files = ({ files }: ModelIdentity) => files.map(({ sha256 }) => toHex(sha256)).join();
  if (!equalBytes(a.graph, b.graph)) return 'another computation';
  return files(a) === files(b) ? 'same bytes' : 'same computation in other bytes';
}

/** Inputs or outputs that differ; their order counts in the graph, so it is told where it differs. */
function signatureEntries(a: readonly ValueSignature[], b: readonly ValueSignature[]): Entry[] {
  const common = (of: readonly ValueSignature[], other: readonly ValueSignature[]): string[] =>
    of.map(({ name }) => name).filter((name) => other.some((value) => value.name === name));
  if (common(a, b).join('\0') === common(b, a).join('\0')) {
    return entries(a, b, ({ name }) => name, signatureText);
  }
  const placed = (values: readonly ValueSignature[]) =>
    values.map((value, i) => ({
      name: value.name,
      text: `number ${i + 1}, ${signatureText(value)}`,
    }));
  return entries(
    placed(a),
    placed(b),
    ({ name }) => name,
    ({ text: shown }) => shown,
  );
}

function summaries(a: ModelIdentity, b: ModelIdentity) {
  const operator = ({ domain, name }: { domain: string; name: string }) =>
    `${domainText(domain)} ${name}`;
  return {
    inputs: signatureEntries(a.inputs, b.inputs),
    outputs: signatureEntries(a.outputs, b.outputs),
    opsets: entries(
      a.opsets,
      b.opsets,
      ({ domain }) => domainText(domain),
      ({ version }) => String(version),
    ),
    operators: entries(a.operators, b.operators, operator, ({ count }) => String(count)),
  };
}

function weightRow({ a, b, shapeOfA, shapeOfB, distance }: WeightDifference): Cell[] {
  const name = a === b ? a : `${a} → ${b}`;
  if (distance === null)
    return [name, shapeOfA === shapeOfB ? shapeOfA : `${shapeOfA} → ${shapeOfB}`];
  const { differing, elements, numeric } = distance;
  return [
    name,
    shapeOfA,
    `${differing} of ${elements} elements`,
    ...(numeric === null ? [] : numericTexts(numeric)),
  ];
}

function text(
  verdict: Verdict,
  [a, b]: readonly [ModelIdentity, ModelIdentity],
  difference: ComputationDifference,
  style: Style,
): string {
  const { inputs, outputs, opsets, operators } = summaries(a, b);
  const rows = (list: readonly Entry[]): Cell[][] =>
    list.map((entry) => [entry.name, entry.a ?? '—', '→', entry.b ?? '—']);
  const differs = verdict === 'another computation';
  const weights = equalBytes(a.weights, b.weights)
    ? 'the same constants under the same names'
    : 'other constants, or other names for them';
  return [
    `${differs ? style.yellow(verdict) : style.green(verdict)}\n`,
    section(style, 'Identity', [
      ['graph', toHex(a.graph), '→', differs ? toHex(b.graph) : 'the same'],
      ['weights', weights],
    ]),
    section(style, 'Inputs', rows(inputs)),
    section(style, 'Outputs', rows(outputs)),
    section(style, 'Opsets', rows(opsets)),
    section(style, 'Operators, how often', rows(operators)),
    section(
      style,
      'Where the computations part',
      difference.graph.map(({ kind, at, a: from, b: to }) => [
        kind,
        at,
        from ?? '—',
        '→',
        to ?? '—',
      ]),
    ),
    section(style, 'Weights', difference.weights.map(weightRow)),
    difference.truncated ? 'There are more differences than are shown.\n' : '',
  ]
    .filter((part) => part !== '')
    .join('\n');
}

async function diff(io: Io, paths: readonly [string, string]): Promise<void> {
  const [a, b] = await io.during('comparing', async () => {
    const analyse = (path: string) =>
      ofModel(path, async () =>
        analyseModel(await readModelSource(path), { sha256: nativeSha256 }),
      );
    return [await analyse(paths[0]), await analyse(paths[1])] as const;
  });
  const verdict = verdictOf(a.identity, b.identity);
  const difference = computationDifference(a, b);
  if (verdict === 'another computation') io.exitCode = EXIT.refused;
  const value = {
    verdict,
    graph: [toHex(a.identity.graph), toHex(b.identity.graph)],
    weights: [toHex(a.identity.weights), toHex(b.identity.weights)],
    ...summaries(a.identity, b.identity),
    differences: difference.graph.map((entry) => ({ ...entry })),
    changedWeights: difference.weights.map((entry) => ({
      ...entry,
      distance: entry.distance && {
        ...entry.distance,
        numeric: entry.distance.numeric && { ...entry.distance.numeric },
      },
    })),
    truncated: difference.truncated,
  };
  io.print(value, (style) => text(verdict, [a.identity, b.identity], difference, style));
}

/** `assay diff A B`: why two models differ, or that they are one computation in other bytes. */
export function registerDiff(program: Command, io: Io): void {
  program
    .command('diff')
    .description('say where two models part: operators, attributes, weights, opsets, signature')
    .argument('<a>', 'an ONNX file, not standard input; its external data lie beside it')
    .argument('<b>', 'another')
    .addHelpText('after', examples('assay diff before.onnx after.onnx'))
    .addHelpText('after', '\nExits with 0 if both are the same computation, else with 1.\n')
    .action((a: string, b: string) => diff(io, [a, b]));
}
