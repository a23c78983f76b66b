import assert from 'node:assert/strict';
import { test } from 'node:test';
import { children, encodeDer, parseDer } from '../../../attestation/encoding/asn1.js';
import { parseCrl } from '../../../attestation/encoding/crl.js';
import { crlBytes } from '../../../attestation/endorsements/intel.js';
import { forgeTdx } from '../../forge/intel.js';

/** ecdsa-with-SHA384. */
const ECDSA = [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3];
const DATE = new Date('2025-01-01T00:00:00Z');
const revoked = ['0a', '00ff'].map((serialNumber) => ({ serialNumber, date: DATE }));
const { collateral } = await forgeTdx({ pckCrl: { revoked } });
if (typeof collateral === 'string' || collateral instanceof Uint8Array) {
  throw new TypeError('expected the members of collateral');
}
const genuine = crlBytes(collateral.pck_crl, 'pck_crl');

/** The list with something else among its three members, in the tree that node-forge makes of it. */
function rewritten(change: (list: ReturnType<typeof children>) => void): Uint8Array {
  const list = parseDer(genuine);
  change(children(list, 'list'));
  return encodeDer(list);
}

/** The same for the members that are signed. */
function changed(change: (tbs: ReturnType<typeof children>) => void): Uint8Array {
  return rewritten(([tbs]) => change(children(tbs, 'tbs')));
}

test('reads serial numbers and dates of the entries', () => {
  const list = parseCrl(genuine);
  assert.deepEqual(
    [...list.revoked],
    [
      ['0a', DATE],
      ['00ff', DATE],
    ],
  );
  assert.deepEqual(parseCrl(changed(() => undefined)).revoked, list.revoked);
});

test('refuses a list of more than 1 MiB', () => {
  const entry = parseDer(Uint8Array.of(0x30, 18, 2, 1, 9, ...TIME));
  const list = (count: number) =>
    changed((tbs) =>
      children(tbs[5] ?? assert.fail(), 'entries').push(...Array(count).fill(entry)),
    );
  assert.equal(parseCrl(list(52_000)).revoked.size, 3);
  assert.throws(() => parseCrl(list(52_500)), {
    code: 'CRL_FORMAT',
    message: /expected at most 1048576 bytes/,
  });
});

test('refuses what is not one list in DER', () => {
  const padded = (more: Uint8Array) => Uint8Array.of(...genuine, ...more);
  for (const [name, bytes] of [
    ['nothing', new Uint8Array()],
    ['one byte', Uint8Array.of(0x30)],
    ['an empty list', Uint8Array.of(0x30, 0)],
    ['another value behind it', padded(Uint8Array.of(5, 0))],
    ['the list twice', padded(genuine)],
    ['a byte less', genuine.subarray(0, -1)],
    ['a SET', Uint8Array.of(0x31, ...genuine.subarray(1))],
    ['a fourth member', rewritten((list) => list.push(parseDer(Uint8Array.of(5, 0))))],
    [
      'another algorithm than is signed',
      rewritten((list) => list.splice(1, 1, parseDer(Uint8Array.of(0x30, ECDSA.length, ...ECDSA)))),
    ],
    ['version 1', changed((tbs) => tbs.splice(0, 1, parseDer(Uint8Array.of(2, 1, 0))))],
    [
      'extensions under another tag',
      changed((tbs) => {
        const der = encodeDer(tbs.pop() ?? assert.fail());
        tbs.push(parseDer(Uint8Array.of(0xa1, ...der.subarray(1))));
      }),
    ],
    ['an unknown member', changed((tbs) => tbs.push(parseDer(Uint8Array.of(5, 0))))],
    ['no nextUpdate', changed((tbs) => tbs.splice(4, 1))],
    [
      'extensions, but none',
      changed((tbs) => tbs.splice(-1, 1, parseDer(Uint8Array.of(0xa0, 2, 0x30, 0)))),
    ],
    ['an entry that is a SET', changed((tbs) => swapEntry(tbs, [0x31, 0]))],
    ['an entry of nothing', changed((tbs) => swapEntry(tbs, [0x30, 0]))],
    ['an entry without date', changed((tbs) => swapEntry(tbs, [0x30, 3, 2, 1, 9]))],
    [
      'a serial number that is no integer',
      changed((tbs) => swapEntry(tbs, [0x30, 18, 4, 1, 9, ...TIME])),
    ],
    [
      'a date that is text',
      changed((tbs) => swapEntry(tbs, [0x30, 18, 2, 1, 9, 0x13, ...TIME.slice(1)])),
    ],
    [
      'a date with letters',
      changed((tbs) => swapEntry(tbs, [0x30, 18, 2, 1, 9, 0x17, 13, ...text('2501a1000000Z')])),
    ],
    [
      'the 30th of February',
      changed((tbs) => swapEntry(tbs, [0x30, 18, 2, 1, 9, 0x17, 13, ...text('250230000000Z')])),
    ],
  ] as const) {
    assert.throws(() => parseCrl(bytes), { code: 'CRL_FORMAT' }, name);
  }
  const entry = changed((tbs) => swapEntry(tbs, [0x30, 18, 2, 1, 9, ...TIME]));
  assert.equal(parseCrl(entry).revoked.get('09')?.toISOString(), DATE.toISOString());
});

function text(ascii: string): Buffer {
  return Buffer.from(ascii, 'latin1');
}

const TIME = [0x17, 13, ...text('250101000000Z')];

/** Puts other bytes in the place of the first entry. */
function swapEntry(tbs: ReturnType<typeof children>, der: readonly number[]): void {
  const entries = children(tbs[5], 'entries');
  entries[0] = parseDer(Uint8Array.from(der));
}
