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

/**
 * Entries of a log that belong to a sample, in order: of all but entry 0, which is the first manifest's,
 * the fraction (rounded up) whose SHA-256(label ‖ seed ‖ root ‖ index as u64) is smallest. The log's root
 * is in it, so that a log made for a known seed is another sample; still, draw the seed after the log
 * was published.
 */
export function sampleLog(
  { size, root }: Pick<SignedTreeHead, 'size' | 'root'>,
  seed: Uint8Array,
  fraction: number,
): readonly number[] {
  assertFraction(fraction);
  const domain = label('log-sample');
  const index = new Uint8Array(8);
  const view = new DataView(index.buffer);
  const ranked = Array.from({ length: Math.max(0, size - 1) }, (_, i) => {
    view.setBigUint64(0, BigInt(i + 1));
    return { index: i + 1, rank: position(sha256(domain, seed, root, index)) };
  });
  ranked.sort((a, b) => a.rank - b.rank || a.index - b.index);
  return ranked
    .slice(0, Math.ceil(ranked.length * fraction))
    .map((entry) => entry.index)
    .sort((a, b) => a - b);
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
