import { concat } from '../../attestation/encoding/bytes.js';
import { ByteReader } from '../../attestation/encoding/reader.js';
import { readSized, sized, u16, u32 } from '../../enclave/platform/tpm/command.js';
import type { Tpm } from '../../enclave/platform/tpm/device.js';

/** Response codes that the tests provoke (TCG, TPM Library, Part 2, section 6.6). */
export const TPM_RC = {
  badIndex: 0x18b,
  badAuth: 0x9a2,
  lockout: 0x921,
  retry: 0x922,
  nvDefined: 0x14c,
  nvRange: 0x146,
  commandCode: 0x143,
} as const;

const OWNER_WRITE = 0x00060006;

/**
 * The non-volatile indices of a TPM 2.0, as far as a program can tell from outside: `make test-guest` runs
 * the same driver on swtpm. Whatever is not a command that it knows is an error of the test.
 */
export class ForgedTpm implements Tpm {
  readonly indices = new Map<number, Uint8Array>();
  /** Codes that answer the next commands, before any of them is looked at. */
  failures: number[] = [];
  /** Changes a response before it is given. */
  tamper: (response: Uint8Array) => Uint8Array = (response) => response;
  open = 0;

  async close(): Promise<void> {
    this.open -= 1;
  }

  async transact(command: Uint8Array): Promise<Uint8Array> {
    const reader = new ByteReader(command, 'PLATFORM_TPM');
    const sessions = reader.u16be('tag') === 0x8002;
    if (reader.u32be('size') !== command.length) throw new Error('a size that is not the size');
    const failed = this.failures.shift();
    const answer = failed ?? this.#execute(reader, reader.u32be('code'));
    if (typeof answer === 'number') return this.tamper(concat(u16(0x8001), u32(10), u32(answer)));
    const body = sessions
      ? concat(u32(answer.length), answer, Uint8Array.of(0, 0, 1, 0, 0))
      : answer;
    const head = concat(u16(sessions ? 0x8002 : 0x8001), u32(10 + body.length), u32(0));
    return this.tamper(concat(head, body));
  }

  #execute(reader: ByteReader, code: number): number | Uint8Array {
    if (code === 0x169) return this.#describe(reader.u32be('index'));
    if (reader.u32be('owner') !== 0x40000001) return TPM_RC.badAuth;
    const index = code === 0x12a ? undefined : reader.u32be('index');
    const password = reader.bytes(reader.u32be('authorisation size'), 'authorisation');
    if (password.length !== 9) return TPM_RC.badAuth;
    if (index === undefined) return this.#define(reader);
    const content = this.indices.get(index);
    if (content === undefined) return TPM_RC.badIndex;
    if (code === 0x122) {
      this.indices.delete(index);
      return new Uint8Array();
    }
    return code === 0x137 ? write(reader, content) : read(reader, content, code);
  }

  #describe(index: number): number | Uint8Array {
    const content = this.indices.get(index);
    if (content === undefined) return TPM_RC.badIndex;
    const policy = u16(0);
    const area = concat(u32(index), u16(11), u32(OWNER_WRITE), policy, u16(content.length));
    return concat(sized(area), sized(new Uint8Array(34)));
  }

  #define(reader: ByteReader): number | Uint8Array {
    readSized(reader, 'authorisation value', 0);
    const area = new ByteReader(readSized(reader, 'public area', 64), 'PLATFORM_TPM');
    const index = area.u32be('index');
    area.u16be('algorithm');
    area.u32be('attributes');
    readSized(area, 'policy', 0);
    if (this.indices.has(index)) return TPM_RC.nvDefined;
    this.indices.set(index, new Uint8Array(area.u16be('size')));
    return new Uint8Array();
  }
}

function write(reader: ByteReader, content: Uint8Array): number | Uint8Array {
  const data = readSized(reader, 'data', 1024);
  const offset = reader.u16be('offset');
  if (offset + data.length > content.length) return TPM_RC.nvRange;
  content.set(data, offset);
  return new Uint8Array();
}

function read(reader: ByteReader, content: Uint8Array, code: number): number | Uint8Array {
  if (code !== 0x14e) return TPM_RC.commandCode;
  const length = reader.u16be('size');
  const offset = reader.u16be('offset');
  if (offset + length > content.length) return TPM_RC.nvRange;
  return sized(content.subarray(offset, offset + length));
}
