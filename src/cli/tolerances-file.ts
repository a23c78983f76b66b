import { assertLimitsOfOutputs } from '../client/agreement.js';
import { parseTolerances, type Tolerances } from '../hub/package.js';
import { asFile, readInput } from './input-files.js';
import type { Io } from './io.js';

/** The publisher's `tolerances.json` that `--tolerances` names; throws USAGE_FILE. */
export async function readTolerancesFile(io: Io, path: string): Promise<Tolerances> {
  const bytes = await readInput(io, path);
  return asFile(path, 'no tolerances.json', () => parseTolerances(bytes));
}

/** Throws USAGE_FILE where what `--tolerances` names has limits for none of these outputs. */
export function requireLimitsOfOutputs(
  tolerances: Pick<Tolerances, 'outputs'>,
  outputs: readonly { readonly name: string }[],
): void {
  const names = outputs.map(({ name }) => name);
  assertLimitsOfOutputs(tolerances, names, 'USAGE_FILE', 'what --tolerances names');
}
