import type { Readable } from 'node:stream';
import { AssayError } from '../../attestation/encoding/error.js';
import { EngineError } from '../engine/error.js';
import type { Environment } from '../system/environment.js';
import { EXIT, type ExitCode, exitCodeOf } from './exit-code.js';
import { printable, printableJson, type Style, styleFor } from './output.js';

/** A stream that a command writes to; `isTTY` as Node sets it. */
interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

/** What a call of the command line has of its process, or of a test. */
export interface Call {
  readonly stdin: Readable;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Environment;
  /** The only clock of the command line; everything below takes a time. */
  readonly now: () => Date;
}

/** What `formatJson` writes without losing anything. */
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [name: string]: Json | undefined };

function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

/**
 * JSON as JSON.stringify indents it by two spaces, but with the sign of a negative zero, which that drops, with the
 * text `Infinity`, `-Infinity` or `NaN` where that writes null, and with all that `printable` escapes as escapes: a
 * terminal shows it as well as text.
 */
export function formatJson(value: Json, indent = ''): string {
  if (Object.is(value, -0)) return '-0';
  if (typeof value === 'number' && !Number.isFinite(value)) return `"${value}"`;
  if (value === null || typeof value !== 'object') return printableJson(JSON.stringify(value));
  const inner = `${indent}  `;
  const items = isArray(value)
    ? value.map((item) => formatJson(item, inner))
    : Object.entries(value).flatMap(([name, member]) =>
        member === undefined ? [] : [`${formatJson(name)}: ${formatJson(member, inner)}`],
      );
  const [open, close] = isArray(value) ? '[]' : '{}';
  if (items.length === 0) return `${open}${close}`;
  return `${open}\n${inner}${items.join(`,\n${inner}`)}\n${indent}${close}`;
}

/** A line on standard error that is overwritten while something takes long. */
export interface Progress {
  update(text: string): void;
  done(): void;
}

/** What commands read from and write to. Results go to standard output, all else to standard error. */
export class Io {
  readonly call: Call;
  readonly json: boolean;
  /** Style for standard output. */
  readonly style: Style;
  exitCode: ExitCode = EXIT.affirmed;
  readonly #errorStyle: Style;
  /** Remarks that are part of the one JSON value on standard error. */
  readonly #notes: string[] = [];
  #stdinTaken = false;

  /** @param json whether `--json` is among the arguments; known before they are parsed. */
  constructor(call: Call, json: boolean) {
    const { env, stdout, stderr } = call;
    const allowed = (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb';
    this.call = call;
    this.json = json;
    this.style = styleFor(allowed && !json && stdout.isTTY === true);
    this.#errorStyle = styleFor(allowed && stderr.isTTY === true);
  }

  /** Standard input, which can be read once: throws USAGE_OPTION afterwards. */
  takeStdin(): Readable {
    if (this.#stdinTaken) {
      throw new AssayError('USAGE_OPTION', 'expected - once: standard input is read already');
    }
    this.#stdinTaken = true;
    return this.call.stdin;
  }

  /** The time that an appraisal is made for where the caller names none. */
  now(): Date {
    return this.call.now();
  }

  /** Prints a result: the value with `--json`, else the text. */
  print(value: Json, text: (style: Style) => string): void {
    const shown = this.json ? formatJson(value) : text(this.style);
    this.call.stdout.write(`${shown.trimEnd()}\n`);
  }

  /** Prints on standard error why there is no result: standard output may be a file that is to hold it. */
  printError(value: Json, text: (style: Style) => string): void {
    const shown = this.json ? formatJson(value) : text(this.#errorStyle);
    this.call.stderr.write(`${shown.trimEnd()}\n`);
  }

  /** A remark, on standard error: at once for people, with the failure or at the end with `--json`. */
  note(text: string): void {
    if (this.json) this.#notes.push(text);
    else this.call.stderr.write(`${printable(text)}\n`);
  }

  /** Writes the remarks that no failure took along. */
  end(): void {
    const notes = this.#notes.splice(0);
    if (notes.length === 0) return;
    this.call.stderr.write(`${formatJson({ notes })}\n`);
  }

  /** Prints a failure and sets the exit code that its code implies. */
  fail(error: unknown): void {
    this.exitCode = exitCodeOf(error);
    const code = codeOf(error);
    const message = error instanceof Error ? error.message : String(error);
    if (this.json) {
      const causes: Json[] = causesOf(error).map((cause) => ({ ...cause }));
      const notes = this.#notes.splice(0);
      const value = { error: { code, message, causes }, ...(notes.length > 0 && { notes }) };
      this.call.stderr.write(`${formatJson(value)}\n`);
      return;
    }
    const { red, dim } = this.#errorStyle;
    const [first = '', ...rest] = message.trim().split('\n');
    const lines = [`${red('error')} ${code}: ${printable(first)}`];
    for (const line of rest) lines.push(`  ${printable(line)}`);
    for (const cause of causesOf(error)) {
      // Without the status, which gRPC writes before the details.
      const said = cause.message.replace(/^\d+ [A-Z_]+: /, '');
      if (message.includes(said) || said.includes('\n')) continue;
      lines.push(dim(`  because: ${printable(cause.message)}`));
    }
    this.call.stderr.write(`${lines.join('\n')}\n`);
  }

  /** A progress line; silent unless a person watches. */
  progress(label: string): Progress {
    const { stderr } = this.call;
    if (stderr.isTTY !== true || this.json) return { update: () => {}, done: () => {} };
    const show = (text: string): void => {
      stderr.write(`\r\u001b[K${printable(text === '' ? label : `${label}: ${text}`)}`);
    };
    show('');
    return { update: show, done: () => stderr.write('\r\u001b[K') };
  }

  /** Runs something that takes long under a progress line. */
  async during<T>(label: string, work: (progress: Progress) => Promise<T>): Promise<T> {
    const progress = this.progress(label);
    try {
      return await work(progress);
    } finally {
      progress.done();
    }
  }
}

function codeOf(error: unknown): string {
  if (error instanceof AssayError) return error.code;
  if (!(error instanceof EngineError)) return 'INTERNAL';
  return `ENGINE_${error.reason.replaceAll('-', '_').toUpperCase()}`;
}

function causesOf(error: unknown): { code?: string; message: string }[] {
  const causes: { code?: string; message: string }[] = [];
  let cause = error instanceof Error ? error.cause : undefined;
  while (cause instanceof Error && causes.length < 8) {
    causes.push({
      ...(cause instanceof AssayError ? { code: cause.code } : {}),
      message: cause.message,
    });
    cause = cause.cause;
  }
  return causes;
}
