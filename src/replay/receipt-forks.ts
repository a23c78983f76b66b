import { equalBytes } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import type { LoggedReceipt } from './audited-log.js';

/** The keys under which the receipts have different bytes. */
function conflicts(
  receipts: readonly LoggedReceipt[],
  key: (receipt: LoggedReceipt) => number,
  bytes: (receipt: LoggedReceipt) => Uint8Array,
): ReadonlySet<number> {
  const first = new Map<number, Uint8Array>();
  const found = new Set<number>();
  for (const receipt of receipts) {
    const known = first.get(key(receipt));
    if (known === undefined) first.set(key(receipt), bytes(receipt));
    else if (!equalBytes(known, bytes(receipt))) found.add(key(receipt));
  }
  return found;
}

/**
 * For each receipt of one key a RECEIPT_FORK if another of them contradicts it: two roots of one size, or
 * two entries in one place. The log need not have come as far.
 */
export function forksAmong(receipts: readonly LoggedReceipt[]): readonly (AssayError | null)[] {
  const sizes = conflicts(
    receipts,
    ({ head }) => head.size,
    ({ head }) => head.root,
  );
  const places = conflicts(
    receipts,
    ({ index }) => index,
    ({ entry }) => entry,
  );
  return receipts.map(({ index, head }) => {
    if (!(sizes.has(head.size) || places.has(index))) return null;
    const what = places.has(index) ? `entries at ${index}` : `logs of ${head.size} entries`;
    return new AssayError('RECEIPT_FORK', `the receipts at hand are of two different ${what}`);
  });
}
