import { setFlagsFromString } from 'node:v8';

/** By how many percent of what was left a heap may grow before it is collected whole again. */
const PERCENT = 400;

/**
 * Lets the heaps of this process, those of the workers included, grow to five times what the last full
 * collection left. V8 counts the memory of tensors and of what a socket brings as the heap's growth, and
 * left to itself collects a heap of 25 MB whole for every 10 MB of them: eight times a second where
 * requests have 600 KB, each time for the event loop and every helper thread, though nothing but the
 * tensors is garbage.
 *
 * Has each thread collect its own young objects alone. Few of them live, so that four helper threads have
 * nothing to help with, and every time keep a worker from its core: 3 us of processor for each small request.
 *
 * Both measured by `node build/test/bench/serving.js`. V8 reads the flags at each collection, so they may be set
 * late, and there is no other interface for them.
 */
export function collectSparingly(): void {
  setFlagsFromString(`--heap-growing-percent=${PERCENT}`);
  setFlagsFromString('--no-parallel-scavenge');
}
