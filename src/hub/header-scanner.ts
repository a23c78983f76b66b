/** Source of an expression for a character of a token (RFC 9110, section 5.6.2). */
export const TOKEN_CHARACTER = "[A-Za-z0-9!#$%&'*+.^_`|~-]";
/**
 * Source of an expression for a quoted string (RFC 9110,
 * section 5.6.4); its group is what is between the quotes.
 */
export const QUOTED_STRING = '"((?:[^"\\\\]|\\\\.)*)"';

/** Reads a header from its start on, with sticky expressions. */
export class HeaderScanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** True when all of the header was taken. */
  get done(): boolean {
    return this.#at >= this.#text.length;
  }

  /** Takes what the expression matches where the scanner is; null, and nothing taken, where it matches nothing. */
  take(sticky: RegExp): RegExpExecArray | null {
    sticky.lastIndex = this.#at;
    const match = sticky.exec(this.#text);
    if (match !== null) this.#at = sticky.lastIndex;
    return match;
  }

  /**
   * Takes parameters as long as there are any: names in lower case, values without their quotes.
   * @param sticky its groups are the name, the quoted string and the token that is a value without quotes.
   */
  *parameters(sticky: RegExp): Generator<readonly [name: string, value: string]> {
    for (let match = this.take(sticky); match !== null; match = this.take(sticky)) {
      const [, name = '', quoted, plain = ''] = match;
      yield [name.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? plain];
    }
  }
}
