import { told } from '../encoding/error.js';
import type { Finding, Outcome } from './result.js';

/** What a check compared, and where the rule comes from. Of what came, a bounded part is told. */
export interface Comparison {
  readonly expected: string;
  readonly actual: string;
  readonly reference: string;
}

/** A bit's name as the id of its check has it. */
export function kebab(name: string): string {
  return name.toLowerCase().replaceAll('_', '-');
}

/** Gathers findings: appraisal reports every one, it does not stop at the first that fails. */
export class Findings {
  readonly #all: Finding[] = [];

  get all(): readonly Finding[] {
    return this.#all;
  }

  /**
   * Records a check.
   * @param reason one sentence for each way it may end.
   * @param waiver the policy member that waives a failure, where the policy has it.
   */
  check(
    id: string,
    holds: boolean,
    { expected, actual, reference }: Comparison,
    reason: { readonly pass: string; readonly fail: string },
    waiver?: string,
  ): void {
    const failed: Outcome = waiver === undefined ? 'fail' : 'waived';
    this.#all.push({
      id,
      outcome: holds ? 'pass' : failed,
      expected,
      actual: told(actual),
      reference,
      reason: holds
        ? reason.pass
        : waiver === undefined
          ? reason.fail
          : `${reason.fail} The policy waives this by ${waiver}.`,
    });
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
      { expected: accepted.join(' or '), actual, reference },
      { pass: `${name} is as expected.`, fail: `${name} is not one that is accepted.` },
    );
  }

  /** Records what authentication has established already. */
  pass(id: string, comparison: Comparison, reason: string): void {
    this.#all.push({ id, outcome: 'pass', ...comparison, reason });
  }

  /** Records what could not be checked for want of something: neither a pass nor a fail. */
  unchecked(id: string, comparison: Comparison, reason: string): void {
    this.#all.push({ id, outcome: 'unchecked', ...comparison, reason });
  }
}
