import * as z from 'zod';
import { AssayError, type ErrorCode } from './error.js';

/**
 * What a value that a schema refuses is told as: one line that names each member at fault.
 * @param what of the value; the members follow behind a colon.
 */
export function schemaError(code: ErrorCode, what: string, error: z.ZodError): AssayError {
  const faults = z.prettifyError(error).replaceAll('\n', ' ');
  return new AssayError(code, `${what}: ${faults}`, error);
}
