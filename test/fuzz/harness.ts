import { test } from 'node:test';
import { AssayError } from '../../attestation/index.js';
import { type Random, randomFrom } from '../forge/random.js';

/** A decoder under test with inputs that it accepts. */
export interface FuzzTarget {
  readonly name: string;
  /** At least one accepted input; mutations start from these. */
  readonly seeds: readonly Uint8Array[];
  /**
   * Decodes, and returns what the result re-encodes to, or undefined where the format has no
   * encoder. May throw AssayError and nothing else.
   */
  readonly decode: (bytes: Uint8Array) => Uint8Array | undefined | Promise<Uint8Array | undefined>;
  /**
   * Upper bound for one input, milliseconds of processor time, since others may use the machine. Generous:
   * it finds hangs, it is no benchmark.
   */
  readonly deadline?: number;
}

const INTERESTING = [0, 1, 0x7f, 0x80, 0xff, 0x18, 0x1f, 0x30, 0x5f, 0x9f, 0xbf, 0xd2] as const;

function mutate(seeds: readonly Uint8Array[], random: Random): Uint8Array<ArrayBuffer> {
  const pick = (): Uint8Array => seeds[random(seeds.length)] ?? new Uint8Array();
  let bytes = new Uint8Array(pick());
  for (let round = random(4); round >= 0; round--) {
    const at = random(bytes.length + 1);
    const length = random(Math.min(64, bytes.length - at + 1));
    switch (random(8)) {
      case 0:
        if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
        break;
      case 1:
        if (at < bytes.length) bytes[at] = INTERESTING[random(INTERESTING.length)] ?? 0;
        break;
      case 2:
        bytes = bytes.slice(0, at);
        break;
      case 3:
        bytes = Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + length)]);
        break;
      case 4:
        bytes = Uint8Array.from([
          ...bytes.subarray(0, at),
          ...bytes.subarray(at, at + length),
          ...bytes.subarray(at),
        ]);
        break;
      case 5:
        bytes = Uint8Array.from([
          ...bytes,
          ...Array.from({ length: random(16) }, () => random(256)),
        ]);
        break;
      case 6: {
        const donor = pick();
        const from = random(donor.length + 1);
        bytes = Uint8Array.from([
          ...bytes.subarray(0, at),
          ...donor.subarray(from, from + random(64)),
          ...bytes.subarray(at),
        ]);
        break;
      }
      default:
        for (let i = at; i < at + Math.min(8, length) && i < bytes.length; i++)
          bytes[i] = random(256);
    }
  }
  return bytes;
}

/** `FUZZ_SECONDS` for each target (make fuzz), else a fixed number of inputs (make test). */
const seconds = Number(process.env['FUZZ_SECONDS'] ?? 0);
const seed = Number(process.env['FUZZ_SEED'] ?? 20261121);
const ITERATIONS = 2000;

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/**
 * Registers a test that throws mutations at a decoder: no crash (any error but AssayError), no hang,
 * no acceptance of what does not re-encode to the same bytes. The seeds themselves must be accepted.
 */
export function fuzz(target: FuzzTarget): void {
  test(`fuzz ${target.name} (seed ${seed})`, async () => {
    const random = randomFrom(seed);
    const judge = async (bytes: Uint8Array, isSeed: boolean): Promise<void> => {
      const shown = () => Buffer.from(bytes.subarray(0, 4096)).toString('hex');
      const started = process.cpuUsage();
      try {
        const encoded = await target.decode(new Uint8Array(bytes));
        if (encoded !== undefined && !same(encoded, bytes)) {
          throw new Error(`accepted input that re-encodes to other bytes: ${shown()}`);
        }
      } catch (error) {
        if (!(error instanceof AssayError)) throw new Error(`on ${shown()}`, { cause: error });
        if (isSeed) throw new Error('a seed was refused', { cause: error });
      }
      const { user, system } = process.cpuUsage(started);
      const elapsed = (user + system) / 1000;
      if (elapsed > (target.deadline ?? 5000)) throw new Error(`took ${elapsed} ms: ${shown()}`);
    };
    for (const bytes of target.seeds) await judge(bytes, true);
    const end = performance.now() + seconds * 1000;
    for (let i = 0; seconds > 0 ? performance.now() < end : i < ITERATIONS; i++) {
      await judge(mutate(target.seeds, random), false);
    }
  });
}
