/** `warn`: it can be executed, and someone should know; `refuse`: not every node would execute it alike. */
export type AdmissionOutcome = 'pass' | 'warn' | 'refuse';

/** One rule and what it found. */
export interface AdmissionFinding {
  /** Stable dotted name, for example `static.operator` or `quality.y`. */
  readonly rule: string;
  readonly outcome: AdmissionOutcome;
  /** One sentence: what was found, and what to do about it. */
  readonly message: string;
  /** The nodes that are meant, as `Operator "name"`; at most 20. */
  readonly nodes: readonly string[];
  /** How many there are. */
  readonly count: number;
  /** What was measured, for programs; names end in their unit where they have one. */
  readonly measured?: { readonly [name: string]: number };
}

const MAX_NODES = 20;

/** A finding about nodes, whose list is shortened. */
export function finding(
  rule: string,
  outcome: AdmissionOutcome,
  message: string,
  nodes: readonly string[] = [],
): AdmissionFinding {
  return { rule, outcome, message, nodes: nodes.slice(0, MAX_NODES), count: nodes.length };
}

/** A finding about something that was measured. */
export function measurement(
  rule: string,
  outcome: AdmissionOutcome,
  message: string,
  measured: { readonly [name: string]: number },
): AdmissionFinding {
  return { ...finding(rule, outcome, message), measured };
}

/** The worst outcome of all rules. */
export function worstOf(findings: readonly AdmissionFinding[]): AdmissionOutcome {
  if (findings.some(({ outcome }) => outcome === 'refuse')) return 'refuse';
  return findings.some(({ outcome }) => outcome === 'warn') ? 'warn' : 'pass';
}
