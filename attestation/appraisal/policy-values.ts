import * as z from 'zod';
import { hex } from '../encoding/schema.js';

/** A set of reference values: the evidence's must be one of them. */
export const oneOf = (bytes: number) => z.array(hex(bytes)).min(1);

/** An object of optional rules that has at least one: without any it would look like a rule, and be none. */
export const notEmpty = <Schema extends z.ZodType<object>>(rules: Schema) =>
  rules.refine((value) => Object.values(value).some((rule) => rule !== undefined), {
    error: 'expected at least one member',
  });
