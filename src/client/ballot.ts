import { type Agreement, isSameAnswer, relateAnswers } from './agreement.js';
import type { Tensor } from './tensor.js';

/** An answer that may agree with others. */
interface Cast {
  readonly answer: { readonly outputs: readonly Tensor[] };
}

/**
 * The votes of one request. Answers of the same bits count as one, and two that differ are compared once: how
 * far apart they are takes a second for a million elements, in which nothing else is answered.
 */
export class Ballot<Vote extends Cast> {
  readonly #agreement: Agreement | undefined;
  /** Votes of the same bits, by the first of them, in the order in which they came. */
  readonly #answers = new Map<Vote, Vote[]>();
  /** By the reference's answer, those that agree with it and those that do not. */
  readonly #agrees = new Map<Vote, Map<Vote, boolean>>();

  /** @param agreement without limits, as none: then identical bits alone agree. */
  constructor(agreement: Agreement = {}) {
    const { default: others, outputs = {} } = agreement;
    const isExact = others === undefined && Object.keys(outputs).length === 0;
    this.#agreement = isExact ? undefined : agreement;
  }

  /** Votes that were cast. */
  get size(): number {
    return this.votes().length;
  }

  votes(): readonly Vote[] {
    return [...this.#answers.values()].flat();
  }

  cast(vote: Vote): void {
    const { outputs } = vote.answer;
    for (const [first, votes] of this.#answers) {
      if (!isSameAnswer(first.answer.outputs, outputs)) continue;
      votes.push(vote);
      return;
    }
    this.#answers.set(vote, [vote]);
  }

  /** The votes that agree with one of them, that one first. */
  agreeingWith(reference: Vote): readonly Vote[] {
    const [own = reference] =
      [...this.#answers].find(([, votes]) => votes.includes(reference)) ?? [];
    const agreeing = [...this.#answers].flatMap(([first, votes]) =>
      this.#isAgreeing(own, first) ? votes : [],
    );
    return [reference, ...agreeing.filter((vote) => vote !== reference)];
  }

  /** The largest set of votes that agree with one of them, that one first; empty where there are none. */
  largest(): readonly Vote[] {
    return [...this.#answers.keys()]
      .map((reference) => this.agreeingWith(reference))
      .reduce<readonly Vote[]>((best, set) => (set.length > best.length ? set : best), []);
  }

  #isAgreeing(reference: Vote, other: Vote): boolean {
    if (reference === other || this.#agreement === undefined) return reference === other;
    const related = this.#agrees.get(reference) ?? new Map<Vote, boolean>();
    this.#agrees.set(reference, related);
    const known = related.get(other);
    if (known !== undefined) return known;
    const { kind } = relateAnswers(reference.answer.outputs, other.answer.outputs, this.#agreement);
    related.set(other, kind === 'within');
    return kind === 'within';
  }
}
