import { type Command, InvalidArgumentError } from 'commander';
import { fromHex } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';

/** Groups of commands, and what their help says. */
const GROUPS = {
  verify: 'appraise evidence and receipts from files',
  policy: 'make appraisal policies',
  hub: 'keep models in OCI registries and folders',
  'launch-policy': 'what an enclave may serve, pinned when its VM is launched',
  measure: 'expected measurements, computed before the launch',
  show: 'print what a file says, without judging it',
} as const;

/** The command group with this name, made on first use: several files add commands to one. */
export function group(program: Command, name: keyof typeof GROUPS): Command {
  const known = program.commands.find((command) => command.name() === name);
  return known ?? program.command(name).description(GROUPS[name]);
}

/** Help text with examples; each line is a command that works as it stands. */
export function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}\n`;
}

/** The option of a member of commander's options, as it is written. */
export function flag(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/**
 * An option without effect would let its caller believe that it had one: throws USAGE_OPTION for the first
 * of these that was given.
 * @param why when it has none; follows `changes nothing`.
 */
export function refuseIdle<T extends object>(
  given: T,
  names: readonly (keyof T & string)[],
  why: string,
): void {
  const isGiven = (value: unknown): boolean =>
    value !== undefined && !(Array.isArray(value) && value.length === 0);
  const idle = names.find((name) => isGiven(given[name]));
  if (idle !== undefined) {
    const option = given[idle] === false ? flag(idle).replace('--', '--no-') : flag(idle);
    throw new AssayError('USAGE_OPTION', `${option} changes nothing ${why}`);
  }
}

/**
 * Of an option that is given twice, or beside the one that says the contrary, one value would be dropped:
 * has this command throw USAGE_OPTION there, but for options that gather their values.
 */
export function refuseRepeated(command: Command): void {
  const given = new Map<string, string>();
  for (const option of command.options) {
    const member = option.attributeName();
    const long = option.long ?? option.flags;
    const takesOne =
      (option.required || option.optional) && !option.variadic && option.parseArg !== collect;
    command.on(`option:${option.name()}`, () => {
      const earlier = given.get(member) ?? '';
      if (earlier === long && takesOne) {
        throw new AssayError('USAGE_OPTION', `expected ${long} once`);
      }
      if (earlier !== long && earlier !== '') {
        throw new AssayError('USAGE_OPTION', `expected one of ${earlier} and ${long}`);
      }
      given.set(member, long);
    });
  }
  command.commands.forEach(refuseRepeated);
}

const RFC3339 = /^(\d{4}-\d\d-\d\d)(T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-]\d\d:\d\d))?$/i;

/** Parses `--at`: an RFC 3339 time, or a date (midnight UTC); days that no month has are refused. */
export function parseTime(text: string): Date {
  const [, day = ''] = RFC3339.exec(text) ?? [];
  const [time, midnight] = [new Date(text.toUpperCase()), new Date(day)];
  const holds = [time, midnight].every((each) => !Number.isNaN(each.getTime()));
  if (!holds || !midnight.toISOString().startsWith(day)) {
    throw new InvalidArgumentError(
      'expected an RFC 3339 time such as 2026-11-21T12:00:00Z, or a date.',
    );
  }
  return time;
}

/** Parses a non-negative integer that a number holds exactly. */
export function parseCount(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
    throw new InvalidArgumentError('expected a non-negative integer.');
  }
  return value;
}

/** Parses a positive integer that a number holds exactly. */
export function parsePositive(text: string): number {
  const value = parseCount(text);
  if (value === 0) throw new InvalidArgumentError('expected a positive integer.');
  return value;
}

/**
 * Parses a decimal without sign and exponent.
 * @param expected what `holds` says of it.
 */
export function decimal(
  expected: string,
  holds: (value: number) => boolean,
): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+(\.\d+)?$/.test(text) || !holds(value)) {
      throw new InvalidArgumentError(`expected ${expected}.`);
    }
    return value;
  };
}

/** Gathers the values of an option that may be given several times. */
export function collect(value: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, value];
}

/**
 * Parses the base URL of a vendor's service. Slashes at its end do not count. Credentials in it are refused with
 * an error that does not repeat them, as is what is no such URL and may have some: USAGE_OPTION.
 */
export function parseServiceUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isBase = url !== undefined && /^https?:$/.test(url.protocol) && !/[?#]/.test(text);
  const hasCredentials = isBase ? url.username + url.password !== '' : text.includes('@');
  if (hasCredentials) {
    throw new AssayError(
      'USAGE_OPTION',
      'expected the URL of a vendor’s service without a user name or a password',
    );
  }
  if (!isBase) {
    throw new InvalidArgumentError(
      'expected an http or https URL such as https://pccs.example:8081.',
    );
  }
  return url.href.replace(/\/+$/, '');
}

/** Parses a nonce of 32 bytes in hexadecimal. */
export function parseNonce(text: string): Uint8Array {
  if (!/^[0-9a-fA-F]{64}$/.test(text)) {
    throw new InvalidArgumentError('expected 32 bytes in hexadecimal.');
  }
  return fromHex(text);
}
