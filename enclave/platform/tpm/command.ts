import { concat } from '../../../attestation/encoding/bytes.js';
import { AssayError } from '../../../attestation/encoding/error.js';
import { ByteReader } from '../../../attestation/encoding/reader.js';

/*
 * Commands and responses of TCG, Trusted Platform Module Library, Part 1 (section 18, command and response
 * structure) and Part 2 (structures). All numbers are big-endian.
 */

/** TPM_ST_NO_SESSIONS and TPM_ST_SESSIONS. */
const NO_SESSIONS = 0x8001;
const SESSIONS = 0x8002;
/** TPM_RS_PW: the authorisation is a password in the command. */
const PASSWORD_SESSION = 0x40000009;

export const u16 = (value: number): Uint8Array => Uint8Array.of(value >>> 8, value);
export const u32 = (value: number): Uint8Array =>
  Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
/** A TPM2B: its length, then the bytes. */
export const sized = (bytes: Uint8Array): Uint8Array => concat(u16(bytes.length), bytes);

/** One authorisation, with the empty password; nothing is encrypted or audited. */
const EMPTY_PASSWORD = concat(
  u32(PASSWORD_SESSION),
  sized(new Uint8Array()),
  Uint8Array.of(1),
  sized(new Uint8Array()),
);

/** What a command is about, before it is bytes. */
export interface TpmCommand {
  /** TPM_CC. */
  readonly code: number;
  readonly handles: readonly number[];
  /** Whether the first handle is authorised, with the empty password. */
  readonly authorised: boolean;
  readonly parameters: Uint8Array;
}

export function encodeCommand(command: TpmCommand): Uint8Array<ArrayBuffer> {
  const { code, handles, authorised, parameters } = command;
  const body = concat(
    ...handles.map(u32),
    ...(authorised ? [u32(EMPTY_PASSWORD.length), EMPTY_PASSWORD] : []),
    parameters,
  );
  return concat(u16(authorised ? SESSIONS : NO_SESSIONS), u32(10 + body.length), u32(code), body);
}

/** TPM_RC, and the parameters where it is zero. */
export interface TpmResponse {
  readonly code: number;
  readonly parameters: Uint8Array;
}

const CODE = 'PLATFORM_TPM_RESPONSE';

/**
 * Takes a response apart, strictly: a failure has no body, and a success of an authorised command ends in
 * the answer of the password session, which is empty. Throws PLATFORM_TPM_RESPONSE.
 */
export function decodeResponse(bytes: Uint8Array, authorised: boolean): TpmResponse {
  const reader = new ByteReader(bytes, CODE);
  const tag = reader.u16be('tag');
  const size = reader.u32be('response size');
  const code = reader.u32be('response code');
  if (size !== bytes.length) {
    throw new AssayError(CODE, `expected a response of ${size} bytes, not ${bytes.length}`);
  }
  const expected = authorised && code === 0 ? SESSIONS : NO_SESSIONS;
  if (tag !== expected) throw new AssayError(CODE, `expected the tag ${expected}, not ${tag}`);
  if (code !== 0) {
    reader.end('a failed response');
    return { code, parameters: new Uint8Array() };
  }
  if (!authorised) return { code, parameters: reader.bytes(reader.remaining, 'parameters') };
  const parameters = reader.bytes(reader.u32be('parameter size'), 'parameters');
  readSized(reader, 'nonce', 0);
  reader.u8('session attributes');
  readSized(reader, 'acknowledgement', 0);
  reader.end('the response');
  return { code, parameters };
}

/** A TPM2B of at most `limit` bytes. */
export function readSized(reader: ByteReader, field: string, limit: number): Uint8Array {
  const length = reader.u16be(`${field} size`);
  if (length > limit) {
    throw new AssayError(CODE, `${field} has ${length} bytes, more than ${limit}`);
  }
  return reader.bytes(length, field);
}
