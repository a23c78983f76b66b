import * as z from 'zod';

/** Bytes in hexadecimal of either case, as lower-case text. */
export const hex = (bytes: number) =>
  z
    .string()
    .regex(new RegExp(`^[0-9a-fA-F]{${2 * bytes}}$`), `expected ${bytes} bytes in hexadecimal`)
    .transform((text) => text.toLowerCase());

/** A set of reference values: the evidence's must be one of them. */
export const oneOf = (bytes: number) => z.array(hex(bytes)).min(1);
