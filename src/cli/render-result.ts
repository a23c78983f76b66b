import {
  type AttestationResult,
  type Claims,
  type ClaimValue,
  type Finding,
  type Outcome,
  type TdxTcbResult,
  verdictOf,
} from '../../attestation/appraisal/result.js';
import { EXIT } from './exit-code.js';
import type { Io, Json } from './io.js';
import { type Cell, printable, type Style, section, table } from './output.js';

const SIMULATED =
  'SIMULATED: no hardware signed this. It proves nothing about where the code runs.';

function findings(style: Style, checks: readonly Finding[]): string {
  const paint = {
    pass: style.green,
    fail: style.red,
    waived: style.yellow,
    unchecked: style.yellow,
  } satisfies Record<Outcome, (text: string) => string>;
  const outcomes = Math.max(...checks.map((check) => check.outcome.length));
  const ids = Math.max(...checks.map((check) => check.id.length));
  const lines = checks.map((check) => {
    const outcome = paint[check.outcome](check.outcome.padEnd(outcomes));
    const line = `  ${outcome}  ${printable(check.id).padEnd(ids)}  ${printable(check.reason)}\n`;
    if (check.outcome === 'pass') return line;
    const detail: readonly (readonly Cell[])[] = [
      ['expected', check.expected],
      ['actual', check.actual],
      ['see', check.reference],
    ];
    return `${line}${style.dim(table(detail, ' '.repeat(outcomes + 4)))}\n`;
  });
  return lines.length === 0 ? '' : `${style.bold('Checks')}\n${lines.join('')}\n`;
}

function claimRows(claims: Claims, prefix = ''): Cell[][] {
  const scalar = (value: ClaimValue): value is string | number | boolean | null =>
    value === null || typeof value !== 'object';
  return Object.entries(claims).flatMap(([name, value]): Cell[][] => {
    const path = prefix === '' ? name : `${prefix}.${name}`;
    if (scalar(value)) return [[path, String(value)]];
    const items: readonly ClaimValue[] | Claims = value;
    if (!Array.isArray(items)) return claimRows(items as Claims, path);
    if (items.every(scalar)) return [[path, items.join(', ')]];
    return claimRows(Object.fromEntries(items.map((item, i) => [String(i), item])), path);
  });
}

/** The banner that goes with everything that shows simulated evidence; empty for hardware. */
export function simulatedBanner(style: Style, simulated: boolean): string {
  return simulated ? `${style.yellow(style.bold(SIMULATED))}\n` : '';
}

function tcbFacts(tcb: TdxTcbResult): Cell[][] {
  const { status, sgx, tdx, module, qe, advisories, date, evaluationDataNumber } = tcb;
  const number: Cell[] = ['evaluation data', `number ${evaluationDataNumber}`];
  if (advisories === null || date === null) return [['TCB status', status], number];
  return [
    ['TCB status', `${status} (SGX ${sgx}, TDX ${tdx}, module ${module}, QE ${qe})`],
    ['TCB date', date],
    number,
    ['advisories', advisories.length === 0 ? 'none' : advisories.join(', ')],
  ];
}

/** The levels that the platform's parts meet, and what keeps them from those above. */
function tcbLevels(style: Style, { matched, missed }: TdxTcbResult): string {
  const rows = [
    ...matched.map((level): Cell[] => ['met', level, '']),
    ...missed.map(({ level, component, required, actual }): Cell[] => [
      'not met',
      level,
      `${component}: needs ${required}, has ${actual}`,
    ]),
  ];
  return `${section(style, 'TCB levels', rows)}\n`;
}

/** An Attestation Result for people: verdict, every check, claims, caveats. */
function renderResult(style: Style, result: AttestationResult): string {
  const verdict = verdictOf(result);
  const paint = { affirmed: style.green, refused: style.red, unchecked: style.yellow }[verdict];
  const anchor = result.trustAnchor;
  const facts: Cell[][] = [
    ['evidence', result.tee ?? 'unknown'],
    ['authentic', result.authentic ? 'yes' : 'no'],
    [
      'fresh',
      result.fresh
        ? 'yes: under the verifier’s own nonce'
        : 'no: not under a nonce of the verifier',
    ],
    [
      'trust anchor',
      anchor === null ? 'none' : `${anchor.commonName} (${anchor.source}) ${anchor.sha256}`,
    ],
    ['appraised for', result.at],
  ];
  const tcb = result.tcb;
  if (tcb !== undefined) {
    facts.push(...tcbFacts(tcb));
  }
  return [
    simulatedBanner(style, result.simulated),
    `${paint(style.bold(verdict.toUpperCase()))} ${printable(result.summary)}\n`,
    table(facts, '  '),
    '\n\n',
    findings(style, result.checks),
    tcb === undefined ? '' : tcbLevels(style, tcb),
    section(style, 'Claims', claimRows(result.claims)),
    result.caveats.length > 0 ? `\n${style.bold('What this does not prove')}\n` : '',
    ...result.caveats.map((caveat) => `  - ${printable(caveat)}\n`),
  ].join('');
}

function resultJson(result: AttestationResult): { readonly [name: string]: Json } {
  const { tcb, ...rest } = result;
  return {
    verdict: verdictOf(result),
    ...rest,
    trustAnchor: result.trustAnchor === null ? null : { ...result.trustAnchor },
    checks: result.checks.map((check) => ({ ...check })),
    ...(tcb === undefined
      ? {}
      : { tcb: { ...tcb, missed: tcb.missed.map((shortfall) => ({ ...shortfall })) } }),
  };
}

/** Prints a result and sets the exit code of its verdict. Commands may put members of their own beside it. */
export function printResult(
  io: Io,
  result: AttestationResult,
  extra: { readonly json?: { readonly [name: string]: Json }; readonly text?: string } = {},
): void {
  io.exitCode = EXIT[verdictOf(result)];
  io.print(
    { ...resultJson(result), ...extra.json },
    (style) => `${renderResult(style, result)}${extra.text ?? ''}`,
  );
}

/** Prints a result that is why a command has nothing to give, on standard error; sets the exit code. */
export function printRefusal(io: Io, result: AttestationResult): void {
  io.exitCode = EXIT[verdictOf(result)];
  io.printError(resultJson(result), (style) => renderResult(style, result));
}
