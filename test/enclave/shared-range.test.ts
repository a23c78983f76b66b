import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { leafHash, merkleRoot } from '../../attestation/encoding/merkle.js';
import { manifestEntry } from '../../attestation/receipt/claims.js';
import { verifyConsistency } from '../../attestation/receipt/consistency.js';
import { verifyReceipt } from '../../attestation/receipt/receipt.js';
import { decodeTreeHead, type SignedTreeHead } from '../../attestation/receipt/tree-head.js';
import { Issuer } from '../../enclave/issuer.js';
import { SharedRange } from '../../enclave/shared-range.js';
import { makeSigningKey } from '../../enclave/signing-key.js';
import type { LoggedByThread, LogThread } from '../forge/log-thread.js';
import { inclusionPath } from '../forge/merkle.js';
import { fc } from '../property.js';

const leaf = (i: number): Uint8Array => leafHash(Uint8Array.of(i & 0xff, i >> 8));

test('whatever is appended together, root and paths are those of the whole tree', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 12 }), (groups) => {
      const range = new SharedRange(SharedRange.allocate(), 0);
      const leaves: Uint8Array[] = [];
      for (const count of groups) {
        const first = leaves.length;
        const added = Array.from({ length: count }, (_, i) => leaf(first + i));
        leaves.push(...added);
        const extension = range.tryExtend(added);
        assert.equal(extension?.first, first);
        assert.equal(range.size, leaves.length);
        assert.deepEqual(new Uint8Array(extension?.tree.root ?? []), merkleRoot(leaves));
        for (let index = first; index < leaves.length; index++) {
          assert.deepEqual(
            extension?.tree.inclusionPath(index).map((node) => new Uint8Array(node)),
            inclusionPath(leaves, index).map((node) => new Uint8Array(node)),
          );
        }
      }
      const taken = range.take();
      assert.deepEqual(
        taken.map(({ hash }) => hash),
        leaves,
      );
      for (const [index, { roots }] of taken.entries()) {
        const expected = [];
        for (let width = 2; (index + 1) % width === 0; width *= 2) {
          expected.push(merkleRoot(leaves.slice(index + 1 - width, index + 1)));
        }
        assert.deepEqual(roots, expected);
      }
      assert.deepEqual(range.take(), []);
    }),
  );
});

test('leaves that nobody takes are not overwritten: the append is refused, and nothing changes', () => {
  const range = new SharedRange(SharedRange.allocate(), 0);
  const many = Array.from({ length: 2 ** 15 }, (_, i) => leaf(i));
  for (let i = 0; i < 2; i++) assert.equal(range.tryExtend(many)?.tree.size, (i + 1) * 2 ** 15);
  assert.throws(() => range.tryExtend([leaf(1)]), { code: 'MERKLE_PRUNED' });
  assert.equal(range.size, 2 ** 16);
  assert.equal(range.take().length, 2 ** 16);
  assert.equal(range.tryExtend([leaf(1)])?.first, 2 ** 16);
  assert.deepEqual(range.take(), [{ hash: leaf(1), roots: [] }]);
});

test('an append has the paths of its own leaves alone, and no others for those before', () => {
  const range = new SharedRange(SharedRange.allocate(), 0);
  range.tryExtend([leaf(0), leaf(1)]);
  const tree = range.tryExtend([leaf(2)])?.tree;
  assert.deepEqual(tree?.inclusionPath(2), [merkleRoot([leaf(0), leaf(1)])]);
  assert.throws(() => tree?.inclusionPath(0), { code: 'MERKLE_INDEX' });
});

test('who waits while nobody appends goes on at once', () => {
  const range = new SharedRange(SharedRange.allocate(), 0);
  range.wait();
  assert.equal(range.tryExtend([leaf(0)])?.first, 0);
  range.wait();
});

test('as many leaves as may wait keep theirs, also those that end subtrees of many heights', () => {
  const range = new SharedRange(SharedRange.allocate(), 0);
  const many = Array.from({ length: 2 ** 16 }, (_, i) => leaf(i));
  for (let i = 0; i < 3; i++) {
    range.tryExtend(many);
    range.take();
  }
  range.tryExtend(many);
  const taken = range.take();
  assert.deepEqual(taken[0], { hash: leaf(0), roots: [] });
  assert.equal(taken.at(-1)?.roots.length, 18);
});

const key = makeSigningKey();

/** Runs a thread to its end, telling the issuer of what it logs. */
async function runThread(
  issuer: Pick<Issuer, 'noticed'>,
  settings: LogThread,
): Promise<{ readonly logged: readonly LoggedByThread[]; readonly threadId: number }> {
  const worker = new Worker(new URL('../forge/log-thread.js', import.meta.url), {
    workerData: settings,
  });
  const { threadId } = worker;
  const logged: LoggedByThread[] = [];
  worker.on('message', (message: LoggedByThread) => {
    issuer.noticed(message.notice);
    logged.push(message);
  });
  await once(worker, 'exit');
  return { logged, threadId };
}

/** Every receipt verifies, no two have one place, and every head is a state of one log. */
async function assertOneLog(issuer: Issuer, logged: readonly LoggedByThread[]): Promise<void> {
  const heads = new Map<number, SignedTreeHead>();
  const indices = new Set<number>();
  for (const { entries, receipts } of logged) {
    for (const [i, receipt] of receipts.entries()) {
      const entry = entries[i] ?? new Uint8Array();
      const { index, head } = await verifyReceipt(receipt, entry, key.publicKey);
      assert.ok(!indices.has(index));
      indices.add(index);
      heads.set(head.size, head);
      const late = await verifyReceipt(issuer.inclusion(index), entry, key.publicKey);
      assert.equal(late.index, index);
    }
  }
  for (const older of heads.values()) {
    const { treeHead, proof } = issuer.consistency(older.size);
    const newest = decodeTreeHead(treeHead);
    if (older.size === newest.size) assert.deepEqual(older.root, newest.root);
    else await verifyConsistency(proof, older, newest, key.publicKey);
  }
}

const shared = () => ({
  memory: SharedRange.allocate(),
  privateKey: key.privateKey,
  keyId: key.id,
});

test('threads and the event loop write one log', async () => {
  const log = shared();
  const issuer = await Issuer.start(key, manifestEntry(new Uint8Array(32)), log);
  const settings = { log, appends: 200, entries: 3, dies: false };
  const running = Promise.all([1, 2, 3].map(() => runThread(issuer, settings)));
  const own: LoggedByThread[] = [];
  for (let i = 0; i < 50; i++) {
    const entry = Uint8Array.of(0, i);
    const receipts = [await issuer.append(entry)];
    own.push({ entries: [entry], receipts, notice: new Uint8Array() });
  }
  const logged = (await running).flatMap((thread) => thread.logged);
  assert.deepEqual(issuer.counts, { entries: 1 + 3 * 200 * 3 + 50, heads: 1 + 3 * 200 + 50 });
  await assertOneLog(issuer, [...logged, ...own]);
});

test('a thread that ends inside of an append: it never happened, and others append again', async () => {
  const log = shared();
  const issuer = await Issuer.start(key, manifestEntry(new Uint8Array(32)), log);
  const { logged, threadId } = await runThread(issuer, {
    log,
    appends: 2,
    entries: 5,
    dies: true,
  });
  const blocked = new SharedRange(log.memory, 77);
  assert.equal(blocked.tryExtend([leaf(1)]), undefined, 'the ended thread holds the log');
  issuer.release(threadId + 1);
  assert.equal(blocked.tryExtend([leaf(1)]), undefined, 'another one ended');
  const waiting = issuer.append(Uint8Array.of(1));
  issuer.release(threadId);
  const entry = Uint8Array.of(1);
  const own = [{ entries: [entry], receipts: [await waiting], notice: new Uint8Array() }];
  assert.equal(issuer.counts.entries, 12);
  await assertOneLog(issuer, [...logged, ...own]);
});

test('a thread that waits for another to append goes on once that has', async () => {
  const log = shared();
  const issuer = await Issuer.start(key, manifestEntry(new Uint8Array(32)), log);
  const waits = new SharedArrayBuffer(4);
  const leaves = [leaf(1), leaf(2)];
  let running: ReturnType<typeof runThread> | undefined;
  Object.defineProperty(leaves, 1, {
    get: () => {
      running = runThread(issuer, { log, appends: 1, entries: 1, dies: false, waits });
      Atomics.wait(new Int32Array(waits), 0, 0);
      return leaf(2);
    },
  });
  new SharedRange(log.memory, 77).tryExtend(leaves);
  const { logged } = (await running) ?? assert.fail();
  assert.equal(logged.length, 1);
  assert.equal(issuer.counts.entries, 4);
});

test('heads that arrive in another order than they were signed in: the newest stands', async () => {
  const log = shared();
  const issuer = await Issuer.start(key, manifestEntry(new Uint8Array(32)), log);
  const settings = { log, appends: 3, entries: 1, dies: false };
  const { logged } = await runThread({ noticed: () => undefined }, settings);
  for (const { notice } of logged.toReversed()) {
    issuer.noticed(notice);
    assert.equal(decodeTreeHead(issuer.treeHead()).size, 4);
  }
  await assertOneLog(issuer, logged);
});
