import { setImmediate } from 'node:timers/promises';
import { AssayError } from '../../attestation/encoding/error.js';
import { label, sha256 } from '../../attestation/encoding/hash.js';
import type { SignedTreeHead } from '../../attestation/receipt/tree-head.js';
import { nativeSha256Once } from '../system/sha256.js';

function assertFraction(fraction: number): void {
  if (!(fraction >= 0 && fraction <= 1)) {
    throw new AssayError('USAGE_OPTION', `expected a fraction from 0 to 1, not ${fraction}`);
  }
}

/** The first 48 bits of a digest as a number. */
function position(digest: Uint8Array): number {
  return digest.slice(0, 6).reduce((value, byte) => value * 256 + byte, 0);
}

/**
 * Whether a proof belongs to a sample. The seed decides, and whoever made the proofs must not know it
 * before: SHA-256(label ‖ seed ‖ proof) below the fraction.
 */
export function isSampled(proof: Uint8Array, seed: Uint8Array, fraction: number): boolean {
  assertFraction(fraction);
  return position(sha256(label('replay-sample'), seed, proof)) < fraction * 2 ** 48;
}

/** Entries of the largest sample. */
const MAX_SAMPLE = 2 ** 22;
/** Entries that are drawn before other events have their turn. */
const AT_ONCE = 2 ** 13;

/** Entries to draw; throws USAGE_OPTION for more than can be. */
function countOf(size: number, fraction: number): number {
  assertFraction(fraction);
  const count = Math.ceil(Math.max(0, size - 1) * fraction);
  if (count <= MAX_SAMPLE) return count;
  throw new AssayError(
    'USAGE_OPTION',
    `expected a sample of at most ${MAX_SAMPLE} entries, not ${count} of ${size - 1}: choose a smaller fraction`,
  );
}

/** A digest's first 128 bits, big-endian, modulo `bound`: of so many no remainder is the likelier one. */
function remainder(digest: Uint8Array, bound: number): number {
  const view = new DataView(digest.buffer, digest.byteOffset);
  const bits = (view.getBigUint64(0) << 64n) | view.getBigUint64(8);
  return Number(bits % BigInt(bound));
}

/**
 * Entries of a log that belong to a sample, in order: of all but entry 0, which is the first manifest's,
 * the fraction (rounded up), each set of so many as likely as any other. Floyd's algorithm (Bentley, CACM
 * 30(9), 1987) draws k of the entries 1 to n: for each j from n - k + 1 to n it takes entry
 * 1 + (SHA-256(label ‖ seed ‖ root ‖ j as u64), its first 128 bits, modulo j), or j where it has that one.
 * The log's root is in it, so that a log made for a known seed is another sample; still, draw the seed
 * after the log was published. Rejects with USAGE_OPTION for no fraction or a sample of more than 2^22.
 */
export async function sampleLog(
  { size, root }: Pick<SignedTreeHead, 'size' | 'root'>,
  seed: Uint8Array,
  fraction: number,
): Promise<readonly number[]> {
  const count = countOf(size, fraction);
  const domain = label('log-sample');
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  const drawn = new Set<number>();
  for (let last = size - count; last < size; last++) {
    view.setBigUint64(0, BigInt(last));
    const entry = 1 + remainder(nativeSha256Once(domain, seed, root, bytes), last);
    drawn.add(drawn.has(entry) ? last : entry);
    if (drawn.size % AT_ONCE === 0) await setImmediate();
  }
  return [...drawn].sort((a, b) => a - b);
}

/** What a sample in which nothing was wrong says of what it was drawn from. */
export interface Confidence {
  /** Answers that were executed again and decided. */
  readonly replayed: number;
  /** These, and the entries that were not drawn. */
  readonly population: number;
  /** If this part of the population, rounded up to whole answers, were wrong and could be replayed … */
  readonly missed: readonly { readonly wrong: number; readonly probability: number }[];
  /** With 95 % confidence at most this part of the population is wrong and can be replayed. */
  readonly bound95: number;
}

/** How likely `drawn` of a population, drawn without replacement, are none of the `wrong` (hypergeometric). */
function missProbability(population: number, drawn: number, wrong: number): number {
  if (drawn + wrong > population) return 0;
  const [few, many] = drawn < wrong ? [drawn, wrong] : [wrong, drawn];
  let probability = 1;
  for (let i = 0; i < few && probability > 0; i++) {
    probability *= (population - many - i) / (population - i);
  }
  return probability;
}

/** The most wrong ones that are missed with a probability of more than 5 %. */
function mostMissed(population: number, drawn: number): number {
  let [most, beyond] = [0, population];
  while (beyond - most > 1) {
    const middle = most + Math.floor((beyond - most) / 2);
    if (missProbability(population, drawn, middle) > 0.05) most = middle;
    else beyond = middle;
  }
  return most;
}

/**
 * Null where nothing was replayed. Entries that were not drawn and cannot be replayed count as right: with
 * fewer to draw from, each probability would be smaller.
 * @param undrawn entries that the sample left out.
 */
export function confidenceOf(replayed: number, undrawn: number): Confidence | null {
  if (replayed === 0) return null;
  const population = replayed + undrawn;
  const missed = [0.1, 0.01, 0.001].map((wrong) => ({
    wrong,
    probability: missProbability(population, replayed, Math.ceil(wrong * population)),
  }));
  return { replayed, population, missed, bound95: mostMissed(population, replayed) / population };
}
