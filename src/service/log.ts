import pino, { type Logger } from 'pino';
import { AssayError } from '../../attestation/encoding/error.js';
import { EngineError } from '../engine/error.js';

/**
 * Structured logs. What is logged is named field by field at each call: no request, response, tensor
 * or key is ever passed, and errors of Assay carry none.
 */
export type Log = Pick<Logger, 'info' | 'warn' | 'error' | 'fatal'>;

/**
 * An error as it is logged. Messages of other libraries may quote what they were given, so only those
 * that keep to Assay's rule are shown; of the others, the name, the system's code and where it happened.
 */
export function describeError(error: unknown): Readonly<Record<string, string>> {
  if (error instanceof AssayError) return { code: error.code, message: error.message };
  if (error instanceof EngineError) return { code: error.reason, message: error.message };
  if (!(error instanceof Error)) return { error: typeof error };
  // A line of the message may look like a frame.
  const stack = (error.stack ?? '').replace(error.message, '');
  const frames = stack.split('\n').filter((line) => /^\s+at /.test(line));
  const code = 'code' in error && /^[A-Z0-9_]+$/.test(String(error.code)) ? String(error.code) : '';
  return { error: error.name, ...(code === '' ? {} : { code }), stack: frames.join('\n') };
}

/** Most that waits for a log that cannot be written, bytes; lines beyond are lost. */
const MAX_UNWRITTEN = 2 ** 20;

/**
 * Logs to standard output, one JSON object a line, written before the call returns. A log that cannot
 * be written (a full disk, a pipe whose reader is gone) ends no service.
 */
export function makeLog(level: string): Log {
  const output = pino.destination({ dest: 1, sync: true, maxLength: MAX_UNWRITTEN });
  output.on('error', () => undefined);
  return pino({ name: 'assay', level }, output);
}
