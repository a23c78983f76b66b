import { type Findings, kebab } from './findings.js';

/** A field of bits with names, as a finding tells of it. */
interface BitField<Name extends string> {
  /** What the ids of its findings begin with. */
  readonly id: string;
  readonly name: string;
  readonly reference: string;
  readonly isSet: (name: Name) => boolean;
}

/** Records of each bit that a policy names whether it is as the policy wants it. */
export function wantedBits<Name extends string>(
  findings: Findings,
  { id, name: field, reference, isSet }: BitField<Name>,
  rules: {
    readonly require?: readonly Name[] | undefined;
    readonly forbid?: readonly Name[] | undefined;
  },
): void {
  for (const [rule, wanted] of [
    ['require', true],
    ['forbid', false],
  ] as const) {
    for (const name of rules[rule] ?? []) {
      findings.check(
        `${id}.${rule}.${kebab(name)}`,
        isSet(name) === wanted,
        { expected: bitText(name, wanted), actual: bitText(name, isSet(name)), reference },
        {
          pass: `${field} has ${name} as the appraisal policy wants it.`,
          fail: `The appraisal policy wants ${name} to be ${Number(wanted)}.`,
        },
      );
    }
  }
}

/** A bit with its value, as comparisons show it. */
export function bitText(name: string, isSet: boolean): string {
  return `${name} ${Number(isSet)}`;
}
