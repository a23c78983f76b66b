import { concat } from '../../../attestation/encoding/bytes.js';
import { AssayError, type ErrorCode } from '../../../attestation/encoding/error.js';
import { ByteReader } from '../../../attestation/encoding/reader.js';
import {
  decodeResponse,
  encodeCommand,
  readSized,
  sized,
  type TpmCommand,
  type TpmResponse,
  u16,
  u32,
} from './command.js';
import type { Tpm } from './device.js';

/** TPM_RH_OWNER: the guest itself, whose authorisation is empty unless someone set one. */
const OWNER = 0x40000001;
/** TPM_CC (Part 2, section 6.5.2); the commands are in Part 3, section 31. */
const NV_UNDEFINE_SPACE = 0x122;
const NV_DEFINE_SPACE = 0x12a;
const NV_WRITE = 0x137;
const NV_READ = 0x14e;
const NV_READ_PUBLIC = 0x169;
const SHA256 = 0x000b;
/** TPMA_NV: OWNERWRITE, AUTHWRITE, OWNERREAD, AUTHREAD. */
const ATTRIBUTES = 0x00060006;
/** Every TPM for PCs moves this much at once (PC Client Platform TPM Profile, TPM_PT_NV_BUFFER_MAX). */
const CHUNK = 512;
/** No index that is read here is near this size. */
const MAX_INDEX = 16 * 1024;
const MAX_NAME = 2 + 64;
const MAX_PUBLIC = 4 + 2 + 4 + 2 + 64 + 2;

/** Error number of a response code of format one, without what it is about (Part 2, section 6.6). */
function formatOne(code: number): number | undefined {
  return (code & 0x80) === 0 ? undefined : code & 0x3f;
}

/** TPM_RC_HANDLE about a handle, and not about a parameter. */
function isUndefinedIndex(code: number): boolean {
  return formatOne(code) === 0x0b && (code & 0x40) === 0;
}

const WARNINGS = new Map<number, string>([
  [0x908, 'YIELDED'],
  [0x90a, 'TESTING'],
  [0x920, 'NV_RATE'],
  [0x922, 'RETRY'],
  [0x923, 'NV_UNAVAILABLE'],
]);

function failure(what: string, code: number): AssayError {
  const text = `0x${code.toString(16)}`;
  const error = (reason: ErrorCode, why: string) =>
    new AssayError(reason, `${what}: the TPM answered ${text}, ${why}`);
  const warning = WARNINGS.get(code);
  if (warning !== undefined) return error('PLATFORM_BUSY', `${warning}: it asks to be tried again`);
  if (isUndefinedIndex(code)) return error('PLATFORM_NO_INDEX', 'the index is not defined');
  const authorisation = [0x0e, 0x22].includes(formatOne(code) ?? 0) || code === 0x149;
  if (authorisation || code === 0x921) {
    return error('PLATFORM_PERMISSION', 'it wants another authorisation than the empty one');
  }
  return error('PLATFORM_TPM', 'a code of TCG, TPM Library, Part 2, section 6.6');
}

/** Non-volatile indices of a TPM, used with the owner's empty authorisation. */
export class NvIndices {
  readonly #tpm: Tpm;

  constructor(tpm: Tpm) {
    this.#tpm = tpm;
  }

  async #send(command: TpmCommand): Promise<TpmResponse> {
    return decodeResponse(await this.#tpm.transact(encodeCommand(command)), command.authorised);
  }

  async #run(what: string, command: TpmCommand): Promise<Uint8Array> {
    const { code, parameters } = await this.#send(command);
    if (code !== 0) throw failure(what, code);
    return parameters;
  }

  /** Bytes that the index holds; undefined where it is not defined. Throws PLATFORM_TPM*. */
  async size(index: number): Promise<number | undefined> {
    const handles = [index];
    const empty = new Uint8Array();
    const command = { code: NV_READ_PUBLIC, handles, authorised: false, parameters: empty };
    const { code, parameters } = await this.#send(command);
    if (isUndefinedIndex(code)) return undefined;
    if (code !== 0) throw failure('reading what an index is', code);
    return publicSize(parameters, index);
  }

  /** The whole content. Throws PLATFORM_NO_INDEX, PLATFORM_BUSY, PLATFORM_PERMISSION, PLATFORM_TPM*. */
  async read(index: number): Promise<Uint8Array<ArrayBuffer>> {
    const size = await this.size(index);
    if (size === undefined) {
      throw new AssayError('PLATFORM_NO_INDEX', `the TPM has no index 0x${index.toString(16)}`);
    }
    const content = new Uint8Array(size);
    for (let offset = 0; offset < size; offset += CHUNK) {
      const length = Math.min(CHUNK, size - offset);
      const parameters = await this.#run('reading an index', {
        code: NV_READ,
        handles: [OWNER, index],
        authorised: true,
        parameters: concat(u16(length), u16(offset)),
      });
      const reader = new ByteReader(parameters, 'PLATFORM_TPM_RESPONSE');
      const part = readSized(reader, 'data', length);
      reader.end('the data');
      if (part.length !== length) {
        const got = `the TPM gave ${part.length} bytes of an index, not ${length}`;
        throw new AssayError('PLATFORM_TPM_RESPONSE', got);
      }
      content.set(part, offset);
    }
    return content;
  }

  /**
   * Writes all that the index holds: of this size, made if it is not there, and made anew if another size
   * is. Throws PLATFORM_BUSY, PLATFORM_PERMISSION or PLATFORM_TPM*.
   */
  async write(index: number, content: Uint8Array): Promise<void> {
    const size = await this.size(index);
    if (size !== undefined && size !== content.length) {
      await this.#run('removing an index of another size', {
        code: NV_UNDEFINE_SPACE,
        handles: [OWNER, index],
        authorised: true,
        parameters: new Uint8Array(),
      });
    }
    if (size !== content.length) await this.#define(index, content.length);
    for (let offset = 0; offset < content.length; offset += CHUNK) {
      await this.#run('writing an index', {
        code: NV_WRITE,
        handles: [OWNER, index],
        authorised: true,
        parameters: concat(sized(content.subarray(offset, offset + CHUNK)), u16(offset)),
      });
    }
  }

  async #define(index: number, size: number): Promise<void> {
    const authorisation = sized(new Uint8Array());
    const policy = sized(new Uint8Array());
    const area = concat(u32(index), u16(SHA256), u32(ATTRIBUTES), policy, u16(size));
    await this.#run('making an index', {
      code: NV_DEFINE_SPACE,
      handles: [OWNER],
      authorised: true,
      parameters: concat(authorisation, sized(area)),
    });
  }
}

/** TPM2B_NV_PUBLIC and the index's name (Part 2, section 13.6). */
function publicSize(parameters: Uint8Array, index: number): number {
  const code = 'PLATFORM_TPM_RESPONSE';
  const outer = new ByteReader(parameters, code);
  const reader = new ByteReader(readSized(outer, 'public area', MAX_PUBLIC), code);
  readSized(outer, 'name', MAX_NAME);
  outer.end('the public area');
  const named = reader.u32be('index');
  reader.u16be('name algorithm');
  reader.u32be('attributes');
  readSized(reader, 'policy', 64);
  const size = reader.u16be('data size');
  reader.end('the public area');
  if (named !== index || size > MAX_INDEX) {
    throw new AssayError(code, 'the TPM described another index, or one that is too large');
  }
  return size;
}
