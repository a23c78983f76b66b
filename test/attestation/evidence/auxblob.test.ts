import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AssayError } from '../../../attestation/encoding/error.js';
import { encodeAuxblob, parseAuxblob } from '../../../attestation/evidence/auxblob.js';

const entries = [
  { kind: 'vcek', data: Uint8Array.of(1, 2, 3) },
  { kind: 'ask', data: Uint8Array.of(4) },
  { kind: 'crl', data: new Uint8Array() },
] as const;
const table = encodeAuxblob(entries);

test('a table keeps its entries', () => {
  assert.deepEqual(parseAuxblob(table), entries);
});

test('padding to a page is no harm, a GUID without a name is told apart', () => {
  const padded = new Uint8Array(4096);
  padded.set(table);
  padded[24] = 0xff;
  assert.deepEqual(
    parseAuxblob(padded).map(({ kind }) => kind),
    ['vcek', 'other', 'crl'],
  );
});

test('the first bytes of a VCEK entry are its GUID in RFC 4122 order', () => {
  assert.equal(
    Buffer.from(table.subarray(0, 16)).toString('hex'),
    '63da758de6644564adc5f4b93be8accd',
  );
});

/** A table of so many empty entries, each with a GUID of its own. */
function tableOf(count: number): Uint8Array {
  const bytes = new Uint8Array(24 * (count + 1));
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < count; i++) {
    bytes[24 * i] = i + 1;
    view.setUint32(24 * i + 16, bytes.length, true);
  }
  return bytes;
}

test('a table has at most 32 entries', () => {
  assert.equal(parseAuxblob(tableOf(32)).length, 32);
  assert.throws(() => parseAuxblob(tableOf(33)), {
    code: 'SNP_AUXBLOB',
    message: 'expected at most 32 entries',
  });
});

describe('tables that are refused', () => {
  const changed = (change: (view: DataView) => void): Uint8Array => {
    const copy = new Uint8Array(table);
    change(new DataView(copy.buffer));
    return copy;
  };
  for (const [name, bytes] of Object.entries({
    empty: new Uint8Array(),
    'without an end': table.subarray(0, 72),
    'offset inside the table': changed((view) => view.setUint32(16, 0, true)),
    'offset beyond the end': changed((view) => view.setUint32(16, 0xffffffff, true)),
    'length beyond the end': changed((view) => view.setUint32(20, 1000, true)),
    'a GUID twice': encodeAuxblob([entries[0], entries[0]]),
    'an end with an offset': changed((view) => view.setUint32(3 * 24 + 16, 1, true)),
  })) {
    test(name, () => {
      assert.throws(
        () => parseAuxblob(bytes),
        (error) => error instanceof AssayError && error.code === 'SNP_AUXBLOB',
      );
    });
  }
});
