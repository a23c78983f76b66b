import { setImmediate } from 'node:timers/promises';
import { AssayError } from '../../attestation/encoding/error.js';
import { label, sha256 } from '../../attestation/encoding/hash.js';
import type { SignedTreeHead } from '../../attestation/receipt/tree-head.js';

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

/** Entries of the largest log that samples are drawn of: each is hashed, which takes minutes for so many. */
const MAX_LOG_SIZE = 2 ** 28;
/** Entries of the largest sample. */
const MAX_SAMPLE = 2 ** 22;
/** Entries that are hashed before other events have their turn. */
const AT_ONCE = 2 ** 13;

interface Ranked {
  readonly index: number;
  readonly rank: number;
}

/** The entries of the smallest ranks, of two alike the first one; in the order in which they are given. */
function smallestOf(entries: readonly Ranked[], count: number): Ranked[] {
  const limit = Float64Array.from(entries, ({ rank }) => rank).sort()[count - 1];
  if (limit === undefined) return [...entries];
  let alike = count - entries.filter(({ rank }) => rank < limit).length;
  return entries.filter(({ rank }) => {
    if (rank === limit) alike -= 1;
    return rank < limit || (rank === limit && alike >= 0);
  });
}

/** Entries to draw; throws RECEIPT_LOG_SIZE or USAGE_OPTION for more than can be. */
function countOf(size: number, fraction: number): number {
  assertFraction(fraction);
  if (size > MAX_LOG_SIZE) {
    throw new AssayError(
      'RECEIPT_LOG_SIZE',
      `expected a log of at most ${MAX_LOG_SIZE} entries, not ${size}: no sample is drawn of more`,
    );
  }
  const count = Math.ceil(Math.max(0, size - 1) * fraction);
  if (count <= MAX_SAMPLE) return count;
  throw new AssayError(
    'USAGE_OPTION',
    `expected a sample of at most ${MAX_SAMPLE} entries, not ${count} of ${size - 1}: choose a smaller fraction`,
  );
}

/**
 * Entries of a log that belong to a sample, in order: of all but entry 0, which is the first manifest's,
 * the fraction (rounded up) whose SHA-256(label ‖ seed ‖ root ‖ index as u64) is smallest. The log's root
 * is in it, so that a log made for a known seed is another sample; still, draw the seed after the log
 * was published. Rejects with RECEIPT_LOG_SIZE for a log of more than 2^28 entries, USAGE_OPTION for no
 * fraction or a sample of more than 2^22.
 */
export async function sampleLog(
  { size, root }: Pick<SignedTreeHead, 'size' | 'root'>,
  seed: Uint8Array,
  fraction: number,
): Promise<readonly number[]> {
  const count = countOf(size, fraction);
  if (count === 0) return [];
  const domain = label('log-sample');
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  let drawn: Ranked[] = [];
  for (let index = 1; index < size; index++) {
    view.setBigUint64(0, BigInt(index));
    drawn.push({ index, rank: position(sha256(domain, seed, root, bytes)) });
    if (index % AT_ONCE !== 0) continue;
    await setImmediate();
    if (drawn.length >= 2 * count) drawn = smallestOf(drawn, count);
  }
  return smallestOf(drawn, count).map(({ index }) => index);
}

/** What a sample in which nothing was wrong says of what it was drawn from. */
export interface Confidence {
  /** Answers that were executed again and decided. */
  readonly replayed: number;
  /** If this part of the answers were wrong … */
  readonly missed: readonly { readonly wrong: number; readonly probability: number }[];
  /** With 95 % confidence less than this part of the answers is wrong. */
  readonly bound95: number;
}

/**
 * Null where nothing was replayed. A sample of n answers misses all of the wrong ones with probability
 * (1 − p)^n at most if a part p is wrong (drawn without replacement, it is less); the bound is the p for
 * which that is 5 %.
 */
export function confidenceOf(replayed: number): Confidence | null {
  if (replayed === 0) return null;
  const missed = [0.1, 0.01, 0.001].map((wrong) => ({
    wrong,
    probability: (1 - wrong) ** replayed,
  }));
  return { replayed, missed, bound95: 1 - 0.05 ** (1 / replayed) };
}
