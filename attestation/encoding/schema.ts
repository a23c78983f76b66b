import * as z from 'zod';
import { AssayError, type ErrorCode } from './error.js';

/**
 * Bytes in hexadecimal of either case, as lower-case text.
 * YAML reads digits alone, or with one e, as a number.
 */
export const hex = (bytes: number) =>
  z
    .string({
      error: ({ input }) =>
        typeof input === 'number'
          ? `expected a string of ${2 * bytes} hexadecimal digits, not a number: put it in quotes`
          : `expected ${bytes} bytes in hexadecimal`,
    })
    .regex(new RegExp(`^[0-9a-fA-F]{${2 * bytes}}$`), `expected ${bytes} bytes in hexadecimal`)
    .transform((text) => text.toLowerCase());

/** Characters that tell what is wrong with a value; whoever wrote it decides how much is. */
const MAX_FAULTS = 2000;

/**
 * What a value that a schema refuses is told as: one line that names each member at fault, as far as
 * they have room.
 * @param what of the value; the members follow behind a colon.
 */
export function schemaError(code: ErrorCode, what: string, error: z.ZodError): AssayError {
  const faults = z.prettifyError(error).replaceAll('\n', ' ');
  return faults.length <= MAX_FAULTS
    ? new AssayError(code, `${what}: ${faults}`, error)
    : new AssayError(code, `${what}: ${faults.slice(0, MAX_FAULTS)}… and more`);
}
