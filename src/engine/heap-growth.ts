import { setFlagsFromString } from 'node:v8';
import { availableMemory } from './memory-budget.js';

/** By how many percent of what was left a heap may grow at most before it is collected whole again. */
const MOST = 400;
/** Of this process's memory, what the event loop's heap may grow by. */
const SHARE = 1 / 32;
/** What a full collection leaves of the event loop's heap, bytes: modules and their code. */
const LEFT = 25 * 2 ** 20;

/** What a heap may grow by, percent, where the process may have so many bytes. */
export function heapGrowth(memory: number): number {
  return Math.min(MOST, Math.max(1, Math.floor((100 * SHARE * memory) / LEFT)));
}

/**
 * Lets the heaps of this process, those of the workers included, grow to as much as five times what the last
 * full collection left, less where memory is small. V8 counts the memory of tensors and of what a socket
 * brings as the heap's growth, and left to itself collects a heap of 25 MB whole for every 10 MB of them:
 * eight times a second where requests have 600 KB, each time for the event loop and every helper thread,
 * though nothing but the tensors is garbage (`node build/test/bench/serving.js`). V8 reads the flag at each
 * collection, so it may be set late, and there is no other interface for it.
 */
export function collectLessOften(): void {
  setFlagsFromString(`--heap-growing-percent=${heapGrowth(availableMemory())}`);
}
