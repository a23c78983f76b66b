import * as z from 'zod';

/** Texts that reach shells, XML and HCL: printable ASCII without quotes, backslashes and `$`. */
export const plain = z
  .string()
  .min(1)
  .max(1024)
  .regex(/^[ !#%&()*+,\-./0-9:;<=>?@A-Z[\]^_a-z{|}~]+$/, 'expected plain text without quotes');

/**
 * A kernel's command line, measured as it is written. A boot stub drops blanks at its ends, so that other
 * bytes would be measured than were written.
 */
export const commandLine = plain.regex(/^\S(.*\S)?$/, 'expected no blanks at the ends');
