import { told } from '../encoding/error.js';
import type { Finding, Outcome } from './result.js';

/** What a check compared, and where the rule comes from. Of each text a bounded part is told. */
export interface Comparison {
  readonly expected: string;
  readonly actual: string;
  readonly reference: string;
}

/** A bit's name as the id of its check has it. */
export function kebab(name: string): string {
  return name.toLowerCase().replaceAll('_', '-');
}

/** Alternatives that one finding names. */
const MAX_NAMED = 64;

/** What is accepted, in words. Evidence may bring thousands of alternatives: no more are looked at than named. */
export function anyOf<Item>(items: Iterable<Item>, text: (item: Item) => string): string {
  const named = new Set<string>();
  for (const item of items) {
    const each = text(item);
    if (named.size === MAX_NAMED && !named.has(each)) return `${[...named].join(' or ')} or others`;
    named.add(each);
  }
  return [...named].join(' or ');
}

/** Gathers findings: appraisal reports every one, it does not stop at the first that fails. */
export class Findings {
  readonly #all: Finding[] = [];

  get all(): readonly Finding[] {
    return this.#all;
  }

  #add(
    id: string,
    outcome: Outcome,
    { expected, actual, reference }: Comparison,
    reason: string,
  ): void {
    this.#all.push({
      id,
      outcome,
      expected: told(expected),
      actual: told(actual),
      reason: told(reason),
      reference,
    });
  }

  /**
   * Records a check.
   * @param reason one sentence for each way it may end.
   * @param waiver the policy member that waives a failure, where the policy has it.
   */
  check(
    id: string,
    holds: boolean,
    comparison: Comparison,
    reason: { readonly pass: string; readonly fail: string },
    waiver?: string,
  ): void {
    if (holds) this.#add(id, 'pass', comparison, reason.pass);
    else if (waiver === undefined) this.#add(id, 'fail', comparison, reason.fail);
    else {
      const waived = `${reason.fail} The policy waives this by ${waiver}.`;
      this.#add(id, 'waived', comparison, waived);
    }
  }

  /** Records whether a value is one of those that are accepted; nothing where all are. */
  among(
    id: string,
    name: string,
    actual: string,
    accepted: readonly string[] | undefined,
    reference: string,
  ): void {
    if (accepted === undefined) return;
    this.check(
      id,
      accepted.includes(actual),
      { expected: anyOf(accepted, (value) => value), actual, reference },
      { pass: `${name} is as expected.`, fail: `${name} is not one that is accepted.` },
    );
  }

  /** Records what authentication has established already. */
  pass(id: string, comparison: Comparison, reason: string): void {
    this.#add(id, 'pass', comparison, reason);
  }

  /** Records what could not be checked for want of something: neither a pass nor a fail. */
  unchecked(id: string, comparison: Comparison, reason: string): void {
    this.#add(id, 'unchecked', comparison, reason);
  }
}
