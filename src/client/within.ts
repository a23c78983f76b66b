import { setMaxListeners } from 'node:events';

/** Longest wait, milliseconds: timers and grpc-js take what exceeds 31 bits for a time in the past. */
export const LONGEST = 24 * 3600 * 1000;

/** Bounds of one call. */
export interface CallOptions {
  /** Milliseconds. */
  readonly timeout: number;
  readonly signal?: AbortSignal | undefined;
}

/** For as many calls as a caller has under one signal: Node 20 warns of a leak at the eleventh. */
export function listenOften(signal: AbortSignal | undefined): void {
  if (signal !== undefined) setMaxListeners(0, signal);
}

/**
 * Waits for work that goes on without this caller, until the timeout or the signal. Rejects as the work does,
 * with what `late` makes, or with the signal's own reason.
 */
export async function within<T>(
  work: Promise<T>,
  { timeout, signal }: CallOptions,
  late: () => Error,
): Promise<T> {
  const ended = new AbortController();
  listenOften(signal);
  const bound = new Promise<never>((_, reject) => {
    const timer = setTimeout(() => reject(late()), Math.min(timeout, LONGEST));
    const abort = (): void => reject(signal?.reason);
    ended.signal.addEventListener('abort', () => clearTimeout(timer));
    signal?.addEventListener('abort', abort, { signal: ended.signal });
    if (signal?.aborted === true) abort();
  });
  try {
    return await Promise.race([work, bound]);
  } finally {
    ended.abort();
  }
}
