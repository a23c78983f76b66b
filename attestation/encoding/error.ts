/** The part of the system that an error code belongs to; the first word of every code. */
export type ErrorArea =
  | 'ENCODING'
  | 'CBOR'
  | 'COSE'
  | 'ASN1'
  | 'CRYPTO'
  | 'X509'
  | 'CRL'
  | 'MERKLE'
  | 'SNP'
  | 'TDX'
  | 'HCL'
  | 'EVENT_LOG'
  | 'COLLATERAL'
  | 'ENDORSEMENTS'
  | 'MODEL'
  | 'MANIFEST'
  | 'BINDING'
  | 'BUNDLE'
  | 'LAUNCH_POLICY'
  | 'POLICY'
  | 'CLAIMS'
  | 'RECEIPT'
  | 'PROOF'
  | 'PLATFORM'
  | 'MEASUREMENT'
  | 'ENGINE'
  | 'TENSOR'
  | 'CLIENT'
  | 'HUB'
  | 'CONFIG'
  | 'USAGE';

/**
 * `AREA_REASON`, stable across releases: scripts and tests match on it, people read the message.
 * docs/error-codes.md lists each.
 */
export type ErrorCode = `${ErrorArea}_${Uppercase<string>}`;

/** Characters that tell what came; whoever sent it decides how much there is to tell. */
const MAX_TOLD = 8192;

/** A text with names or values that others chose, cut where it is too long to be told. */
export function told(text: string): string {
  return text.length <= MAX_TOLD ? text : `${text.slice(0, MAX_TOLD)}…`;
}

/**
 * The one error type of Assay. `code` names the rule that was broken; the message is one sentence
 * of bounded length that says what was expected and what came, and never contains payload bytes or
 * secrets.
 */
export class AssayError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, cause?: unknown) {
    super(told(message), cause === undefined ? undefined : { cause });
    this.name = 'AssayError';
    this.code = code;
  }
}
