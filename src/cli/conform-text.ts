import { toHex } from '../../attestation/encoding/bytes.js';
import type { ExcludedNode } from '../client/quorum.js';
import type { Comparison, Conformance, NodeRelation } from '../replay/conform.js';
import type { Json } from './io.js';
import { type Cell, printable, type Style, section, table } from './output.js';
import { excludedJson, relationJson, relationLines } from './relation-text.js';

/** Everything that is compared, and what could not be. */
export interface Compared {
  readonly conformance: Conformance;
  readonly excluded: readonly ExcludedNode[];
  /** The `tolerances.json` in the folder of the test sets that said what is near enough; null where none did. */
  readonly tolerances: string | null;
}

const SIGN = { identical: '=', within: '~', apart: '≠', incomparable: '?' } as const;
const LEGEND = '= identical bits, ~ within tolerance, ≠ apart, ? not comparable';

function differences({ nodes, matrix, reference }: Conformance): string[] {
  const lines = (title: string, { testSet, relation }: NodeRelation): string[] =>
    relation.kind === 'identical'
      ? []
      : [`  ${printable(`${title}, ${testSet}`)}`, ...relationLines(relation).map((l) => `  ${l}`)];
  const between = nodes.flatMap((a, i) =>
    nodes.slice(i + 1).flatMap((b, k) => {
      const relation = matrix[i]?.[i + 1 + k];
      return relation === undefined ? [] : lines(`${a.target} and ${b.target}`, relation);
    }),
  );
  const known = nodes.flatMap(({ target }, i) => {
    const relation = reference[i] ?? null;
    return relation === null ? [] : lines(`reference and ${target}`, relation);
  });
  return [...between, ...known];
}

function matrixText(titles: readonly string[], { matrix, reference }: Comparison): string {
  const header = ['', ...titles.map((_, i) => String(i + 1)), 'reference'];
  const rows = titles.map((title, i) => [
    title,
    ...(matrix[i] ?? []).map(({ relation }) => SIGN[relation.kind]),
    reference[i] ? SIGN[reference[i].relation.kind] : '-',
  ]);
  return table([header, ...rows]);
}

/** Digests are as long as they help to tell them apart. */
function profileRows({ nodes, profile }: Conformance): Cell[][] {
  const numbers = new Map(nodes.map(({ target }, i) => [target, String(i + 1)]));
  return profile.flatMap(({ member, values, separates }) =>
    values.map(({ value, targets }, i): Cell[] => [
      i === 0 ? member : '',
      /^[0-9a-f]{64}$/.test(value) ? value.slice(0, 16) : value,
      `nodes ${targets.map((target) => numbers.get(target)).join(', ')}`,
      i === 0 && separates ? 'separates the classes' : '',
    ]),
  );
}

/** A conformance for people: the matrices, what differs and by how far, the execution classes. */
export function conformanceText(
  style: Style,
  { conformance, excluded, tolerances }: Compared,
): string {
  const { nodes, outputs, classes } = conformance;
  const simulated = nodes.some((node) => node.simulated);
  const titles = nodes.map(({ target }, i) => `${i + 1} ${target}`);
  const details = differences(conformance);
  const declared = tolerances === null ? '' : `${printable(`tolerances of ${tolerances}`)}\n`;
  return [
    simulated ? `${style.yellow('SIMULATED: no hardware vouches for some of these nodes.')}\n` : '',
    nodes.length === 0
      ? `${style.red('NO NODE LEFT')} nothing was compared\n`
      : `${matrixText(titles, conformance)}\n${style.dim(LEGEND)}\n${declared}`,
    ...(outputs.length > 1
      ? outputs.map(
          (output) =>
            `\n${style.bold(printable(`Output ${output.name}`))}\n${matrixText(titles, output)}\n`,
        )
      : []),
    ...(details.length > 0 ? [`\n${style.bold('Differences')}\n${details.join('\n')}\n`] : []),
    `\n${section(
      style,
      'Execution classes: identical bits',
      classes.map(({ targets, executions }, i) => [
        String(i + 1),
        targets.join(', '),
        executions.map((digest) => digest.slice(0, 16)).join(', '),
      ]),
    )}`,
    section(style, 'Members of the profile that differ', profileRows(conformance)),
    ...conformance.contradictions.map(
      (pair) =>
        `${style.red('CONTRADICTION')} ${printable(pair.join(' and '))} state one execution and gave other bits\n`,
    ),
    ...excluded.map(
      ({ target, error }) =>
        `${style.red('NOT COMPARED')} ${printable(`${target}: ${error.message}`)}\n`,
    ),
  ].join('');
}

/** The same for scripts. */
export function conformanceJson({ conformance, excluded, tolerances }: Compared): Json {
  const { nodes, matrix, reference, outputs, classes, profile, contradictions } = conformance;
  const show = (r: NodeRelation | null): Json =>
    r === null ? null : { testSet: r.testSet, ...(relationJson(r.relation) as { kind: string }) };
  return {
    nodes: nodes.map(({ target, model, simulated }) => ({
      target,
      graph: toHex(model.graph),
      execution: toHex(model.execution),
      simulated,
    })),
    matrix: matrix.map((row) => row.map(show)),
    reference: reference.map(show),
    outputs: outputs.map((output) => ({
      name: output.name,
      matrix: output.matrix.map((row) => row.map(show)),
      reference: output.reference.map(show),
    })),
    classes: classes.map(({ targets, executions }) => ({ targets, executions })),
    profile: profile.map(({ values, ...rest }) => ({
      ...rest,
      values: values.map((entry) => ({ ...entry })),
    })),
    contradictions: contradictions.map((pair) => [...pair]),
    excluded: excludedJson(excluded),
    tolerances,
  };
}
