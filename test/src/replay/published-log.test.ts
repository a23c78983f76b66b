import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { TILE_WIDTH, tilePath } from '../../../attestation/receipt/tile-path.js';
import { decodeTreeHead } from '../../../attestation/receipt/tree-head.js';
import { Issuer } from '../../../enclave/issuer.js';
import { makeSigningKey } from '../../../enclave/signing-key.js';
import { TileFiles } from '../../../enclave/tile-files.js';
import { PublishedLog } from '../../../src/replay/published-log.js';
import { testFolder } from '../../forge/test-folder.js';

const { at } = testFolder();
const key = makeSigningKey();
const entry = (of: number): Uint8Array => new Uint8Array(32).fill(of);

/** The head of a log of the one key with these entries, published in a folder. */
async function publish(folder: string, [first = 0, ...others]: readonly number[]) {
  const archive = new TileFiles(at(folder), (error) => assert.fail(String(error)));
  const issuer = await Issuer.start(key, entry(first), { archive });
  for (const of of others) await issuer.append(entry(of));
  await issuer.flush();
  return decodeTreeHead(issuer.treeHead());
}

await publish('log', [0, 1, 2, 3, 4]);
const log = await PublishedLog.read(at('log'));

const receipts: readonly {
  readonly what: string;
  readonly of: readonly number[];
  readonly index: number;
  readonly fork?: RegExp;
}[] = [
  { what: 'of its beginning', of: [0, 1, 2], index: 2 },
  { what: 'of an entry that it has not yet', of: [0, 1, 2, 3, 4, 5, 6], index: 6 },
  { what: 'of what it became', of: [0, 1, 2, 3, 4, 5, 6], index: 2 },
  {
    what: 'of an entry that it has, beside one that it has not',
    of: [0, 1, 9],
    index: 1,
    fork: /another log of 3 entries/,
  },
  {
    what: 'of another entry, in a log that is longer',
    of: [0, 1, 9, 3, 4, 5],
    index: 2,
    fork: /another entry at 2$/,
  },
];
for (const [i, { what, of, index, fork }] of receipts.entries()) {
  test(`a receipt ${what} ${fork === undefined ? 'is of the log' : 'is of a fork'}`, async () => {
    const head = await publish(`other-${i}`, of);
    const receipt = { index, entry: entry(of[index] ?? 0), head };
    let judged = 0;
    for await (const error of log.judge([receipt])) {
      judged += 1;
      assert.equal(error?.code, fork && 'RECEIPT_FORK');
      if (fork !== undefined) assert.match(error?.message ?? '', fork);
    }
    assert.equal(judged, 1);
  });
}

test('a log has its entries in their places alone', async () => {
  assert.equal(await log.has(2, entry(2)), true);
  assert.equal(await log.has(2, entry(3)), false);
  assert.equal(await log.has(5, entry(5)), false);
});

test('a tile that grew since its head was read will do, one that is too short will not', async () => {
  const { size } = await publish('grown', [0, 1, 2]);
  const part = join(at('grown'), tilePath(0, 0, size));
  const hashes = await readFile(part);
  await rm(part);
  const whole = join(at('grown'), tilePath(0, 0));
  await writeFile(whole, Buffer.concat([hashes], TILE_WIDTH * 32));
  assert.equal(await (await PublishedLog.read(at('grown'))).has(2, entry(2)), true);
  await writeFile(whole, hashes.subarray(0, 64));
  await assert.rejects(PublishedLog.read(at('grown')), { code: 'RECEIPT_TILES' });
  await rm(whole);
  await assert.rejects(PublishedLog.read(at('grown')), { code: 'USAGE_FILE' });
});
