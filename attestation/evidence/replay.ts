import { equalBytes } from '../encoding/bytes.js';
import { sha256, sha384, sha512 } from '../encoding/hash.js';

/** What registers are extended with, a TD's with SHA-384; SHA-1 is not replayed. */
export const HASHES = { sha256, sha384, sha512 } as const;

/** RTMR after an extend: SHA-384(old value ‖ digest), Intel TDX Module ABI, TDG.MR.RTMR.EXTEND. */
export function extendRtmr(rtmr: Uint8Array, digest: Uint8Array): Uint8Array<ArrayBuffer> {
  return sha384(rtmr, digest);
}

/** Value of a register that starts from zero, after these extends. */
export function replayDigests(
  digests: readonly Uint8Array[],
  algorithm: keyof typeof HASHES = 'sha384',
): Uint8Array<ArrayBuffer> {
  const hash = HASHES[algorithm];
  return digests.reduce<Uint8Array<ArrayBuffer>>(
    (value, digest) => hash(value, digest),
    new Uint8Array(hash().length),
  );
}

/** Beyond so many events the search for the one that is wrong, quadratic, is not made. */
const MAX_SEARCHED = 256;

/** Why a register does not hold what its log leads to. */
export interface ReplayFault {
  /** `added`: without this event the log holds; `reordered`: it was extended before the one ahead of it. */
  readonly kind: 'added' | 'reordered' | 'unknown';
  /** Index into the digests; for `unknown` the last one, or -1 of an empty log. */
  readonly at: number;
}

/**
 * Compares a replay of SHA-384 digests with a register.
 * @returns undefined where they are equal, else what is wrong with the log where one change to it
 *   would mend it.
 */
export function findReplayFault(
  digests: readonly Uint8Array[],
  register: Uint8Array,
): ReplayFault | undefined {
  const prefixes: Uint8Array[] = [new Uint8Array(48)];
  for (const digest of digests) {
    prefixes.push(extendRtmr(prefixes.at(-1) ?? new Uint8Array(48), digest));
  }
  const holds = (value: Uint8Array | undefined): boolean =>
    value !== undefined && equalBytes(value, register);
  if (holds(prefixes.at(-1))) return undefined;
  const cut = prefixes.findIndex(holds);
  if (cut >= 0) return { kind: 'added', at: cut };
  const last = digests.length - 1;
  if (digests.length > MAX_SEARCHED) return { kind: 'unknown', at: last };
  const from = (start: Uint8Array | undefined, rest: readonly Uint8Array[]) =>
    rest.reduce<Uint8Array>(extendRtmr, start ?? new Uint8Array(48));
  for (let at = 0; at <= last; at++) {
    if (holds(from(prefixes[at], digests.slice(at + 1)))) return { kind: 'added', at };
    const swapped = [...digests.slice(at, at + 2).reverse(), ...digests.slice(at + 2)];
    if (at < last && holds(from(prefixes[at], swapped))) return { kind: 'reordered', at: at + 1 };
  }
  return { kind: 'unknown', at: last };
}
