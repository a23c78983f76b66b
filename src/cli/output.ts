/** Marks text for a terminal; the identity where colour is off. */
export interface Style {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly red: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
}

/** Styles by ECMA-48 SGR sequences, or none. */
export function styleFor(color: boolean): Style {
  const sgr = (on: number, off: number) => (text: string) =>
    color ? `\u001b[${on}m${text}\u001b[${off}m` : text;
  return {
    bold: sgr(1, 22),
    dim: sgr(2, 22),
    red: sgr(31, 39),
    green: sgr(32, 39),
    yellow: sgr(33, 39),
  };
}

/**
 * Control, format and bidirectional characters as escapes: names and messages come from evidence and
 * models, and whoever wrote those must not be able to write to the reader's terminal.
 */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

/** What `printable` escapes, of the text of a file: lines end, and strings have no lone surrogates. */
const UNPRINTABLE = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Whether a name or message has to be written with escapes. */
export const isPrintable = (text: string): boolean => printable(text) === text;

/** JSON that parses to the same, printable: what `JSON.stringify` leaves as it is becomes `\u202e`. */
export function printableJson(json: string): string {
  return json.replace(UNPRINTABLE, (character) =>
    Array.from({ length: character.length }, (_, i) =>
      escaped('u', 4, character.charCodeAt(i)),
    ).join(''),
  );
}

/** YAML that parses to the same, printable, where all that is not stands in double quotes. */
export function printableYaml(yaml: string): string {
  return yaml.replace(UNPRINTABLE, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code > 0xffff ? escaped('U', 8, code) : escaped('u', 4, code);
  });
}

const escaped = (letter: string, digits: number, code: number): string =>
  `\\${letter}${code.toString(16).padStart(digits, '0')}`;

/** A cell: text, or text with a style that is put on after padding. */
export type Cell = string | { readonly text: string; readonly style: (text: string) => string };

/** Widest that others are padded to: who made a proof or a model chose its names, of any length. */
const MAX_WIDTH = 256;

/**
 * Rows with columns padded to a common width, two spaces between, but for longer cells; the last column is not
 * padded.
 */
export function table(rows: readonly (readonly Cell[])[], indent = ''): string {
  const texts = rows.map((row) =>
    row.map((cell) => printable(typeof cell === 'string' ? cell : cell.text)),
  );
  const widths: number[] = [];
  for (const row of texts) {
    row.forEach((text, i) => {
      widths[i] = Math.min(MAX_WIDTH, Math.max(widths[i] ?? 0, text.length));
    });
  }
  const lines = rows.map((row, r) =>
    row
      .map((cell, i) => {
        const text = texts[r]?.[i] ?? '';
        const padded = i === row.length - 1 ? text : text.padEnd(widths[i] ?? 0);
        return typeof cell === 'string' ? padded : cell.style(padded);
      })
      .join('  ')
      .trimEnd(),
  );
  return lines.map((line) => indent + line).join('\n');
}

/** A row for each member, of its name and its value. */
export function factRows(facts: object): (readonly [string, string])[] {
  return Object.entries(facts).map(([name, value]) => [name, String(value)]);
}

/** A heading in bold over an indented table. */
export function section(style: Style, title: string, rows: readonly (readonly Cell[])[]): string {
  return rows.length === 0 ? '' : `${style.bold(title)}\n${table(rows, '  ')}\n`;
}

/** Bytes in binary units, for people. */
export function size(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
