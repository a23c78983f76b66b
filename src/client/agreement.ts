import { AssayError, type ErrorCode } from '../../attestation/encoding/error.js';
import { schemaError } from '../../attestation/encoding/schema.js';
import type { VectorTolerances } from '../../attestation/evidence/self-test.js';
import { tolerancesSchema } from '../../attestation/model/tolerances.js';
import type { OutputDistance } from './output-distance.js';
import { broken, type Limits, type Quality, qualityOf } from './quality.js';
import { assertTensor, type Tensor } from './tensor.js';

/**
 * Limits for each output, as a package's `tolerances.json` has them; `default` is for those that
 * `outputs` does not name. Without any, bits must be identical.
 */
export type Agreement = VectorTolerances;

/** Refuses limits that a `tolerances.json` could not have: NaN, negative ones, unknown members. Throws `code`. */
export function assertAgreement(agreement: Agreement, code: ErrorCode, what: string): void {
  const { error } = tolerancesSchema.partial({ version: true }).safeParse(agreement);
  if (error !== undefined) throw schemaError(code, what, error);
}

/** How two answers compare, output by output. */
export type AnswerRelation =
  | { readonly kind: 'identical' }
  | { readonly kind: 'within' | 'apart'; readonly outputs: readonly OutputDistance[] }
  | { readonly kind: 'incomparable'; readonly reason: string };

/** The declared limits of an output: its own, else the default. */
export function limitsFor(
  { outputs = {}, default: others }: Agreement,
  name: string,
): Limits | undefined {
  return Object.hasOwn(outputs, name) ? outputs[name] : others;
}

/**
 * Refuses limits for what is no output of the model: misspelt strict ones would give way to the default.
 * Throws `code`.
 * @param what has the limits, in messages.
 */
export function assertLimitsOfOutputs(
  { outputs = {} }: Agreement,
  names: readonly string[],
  code: ErrorCode,
  what: string,
): void {
  const stray = Object.keys(outputs).find((name) => !names.includes(name));
  if (stray === undefined) return;
  const shown = names.map((name) => JSON.stringify(name)).join(', ');
  throw new AssayError(
    code,
    `${what}: expected limits for outputs of the model (${shown}), not for ${JSON.stringify(stray)}`,
  );
}

/**
 * Either answer may be the wrong one: no limit excuses a
 * NaN or an infinity of one where the other has a number.
 */
function isWithin(quality: Quality, limits: Limits): boolean {
  const gained = quality.distance.numeric?.gained ?? 0;
  return gained === 0 && broken(quality, limits).length === 0;
}

/** Whether two answers are the same outputs, bit for bit: told far sooner than how far apart they are. */
export function isSameAnswer(a: readonly Tensor[], b: readonly Tensor[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ name, datatype, shape, data }, i) => {
      const other = b[i];
      return (
        other?.name === name &&
        other.datatype === datatype &&
        String(other.shape) === String(shape) &&
        Buffer.compare(other.data, data) === 0
      );
    })
  );
}

/**
 * Compares an answer with a reference answer of the same outputs, to which `relative` limits are relative.
 * Limits for other outputs count for nothing, and NaN is a limit that nothing meets.
 */
export function relateAnswers(
  reference: readonly Tensor[],
  actual: readonly Tensor[],
  agreement: Agreement = {},
): AnswerRelation {
  if (reference.length !== actual.length) {
    return { kind: 'incomparable', reason: `${reference.length} outputs and ${actual.length}` };
  }
  const isSame = isSameAnswer(reference, actual);
  const outputs: OutputDistance[] = [];
  let within = true;
  for (const [i, expected] of reference.entries()) {
    const got = actual[i] ?? expected;
    try {
      if (isSame) {
        assertTensor(expected);
        continue;
      }
      const limits = limitsFor(agreement, expected.name) ?? {};
      const quality = qualityOf(expected, got, limits);
      within &&= isWithin(quality, limits);
      outputs.push(quality.distance);
    } catch (error) {
      if (!(error instanceof AssayError)) throw error;
      return { kind: 'incomparable', reason: error.message };
    }
  }
  if (outputs.every(({ differing }) => differing === 0)) return { kind: 'identical' };
  return { kind: within ? 'within' : 'apart', outputs };
}
