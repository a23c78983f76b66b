import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { LoggedReceipt } from '../../../src/replay/audited-log.js';
import { PublishedLog } from '../../../src/replay/published-log.js';
import { forksAmong } from '../../../src/replay/receipt-forks.js';
import { auditedAdder } from '../../forge/audited-adder.js';
import { fill } from '../../forge/fill.js';

const { at, entryOf } = await auditedAdder(3);
const log = await PublishedLog.read(at('log'));
const entry = await entryOf('proofs', '1.proof');
const { size } = log.head;

/** A receipt for an entry at a place, under a head of the log's key. */
const receipt = (
  index: number,
  logged: Uint8Array,
  length: number,
  root: Uint8Array,
): LoggedReceipt => ({ index, entry: logged, head: { ...log.head, size: length, root } });

describe('a receipt that a published log contradicts', () => {
  const cases: readonly (readonly [string, LoggedReceipt, string | null])[] = [
    ['in nothing', receipt(1, entry, size, log.head.root), null],
    ['in what is later than its head', receipt(size, fill(1), size + 5, fill(9)), null],
    ['in its root alone', receipt(1, entry, size, fill(9)), 'RECEIPT_FORK'],
    ['in its entry alone', receipt(1, fill(1), size + 5, fill(9)), 'RECEIPT_FORK'],
  ];
  for (const [name, held, code] of cases) {
    test(`${name}: ${code ?? 'none'}`, async () => {
      for await (const error of log.judge([held])) assert.equal(error?.code ?? null, code);
    });
  }
});

describe('two receipts that contradict each other', () => {
  const first = receipt(1, fill(1), 4, fill(4));
  const cases: readonly (readonly [string, LoggedReceipt, string | null])[] = [
    ['in nothing', receipt(2, fill(2), 5, fill(5)), null],
    ['in the entry of their place', receipt(1, fill(2), 5, fill(5)), 'RECEIPT_FORK'],
    ['in the root of their size', receipt(2, fill(2), 4, fill(5)), 'RECEIPT_FORK'],
  ];
  for (const [name, second, code] of cases) {
    test(`${name}: ${code ?? 'none'}`, () => {
      const errors = forksAmong([first, second]);
      assert.deepEqual(
        errors.map((error) => error?.code ?? null),
        [code, code],
      );
    });
  }
});
