import assert from 'node:assert/strict';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import fs, {
  link,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { AssayError } from '../../attestation/encoding/error.js';
import { leafHash, merkleRoot } from '../../attestation/encoding/merkle.js';
import { manifestEntry } from '../../attestation/receipt/claims.js';
import { verifyConsistency } from '../../attestation/receipt/consistency.js';
import { verifyReceipt } from '../../attestation/receipt/receipt.js';
import { HEAD_FILE, tilePath } from '../../attestation/receipt/tile-path.js';
import { decodeTreeHead, verifyTreeHead } from '../../attestation/receipt/tree-head.js';
import { Issuer } from '../../enclave/issuer.js';
import { MerkleLog } from '../../enclave/log.js';
import { makeSigningKey } from '../../enclave/signing-key.js';
import { TileFiles } from '../../enclave/tile-files.js';
import { PublishedLog } from '../../src/replay/published-log.js';
import { makeFifo, needsFifo } from '../forge/fifo.js';
import { fc } from '../property.js';

const entry = (i: number): Uint8Array => Uint8Array.of(i & 0xff, (i >> 8) & 0xff, i >> 16);
const fail = (error: unknown): never => {
  throw error;
};
const inMemory = (files: number): string => `${files} of at most 4096 files wait in memory`;
const SIZE = 20_000;
const RETAIN = 4096;

let directory = '';
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'assay-tiles-'));
});
after(() => rm(directory, { recursive: true }));

test('paths are those of tlog-tiles', () => {
  assert.equal(tilePath(0, 0), 'tile/0/000');
  assert.equal(tilePath(1, 67), 'tile/1/067');
  assert.equal(tilePath(0, 1234067), 'tile/0/x001/x234/067');
  assert.equal(tilePath(0, 999_999, 12), 'tile/0/x999/999.p/12');
});

describe('a log that outgrew memory', () => {
  const whole = new MerkleLog();
  let archived: MerkleLog;
  let files: TileFiles;
  before(async () => {
    files = new TileFiles(join(directory, 'outgrown'), fail);
    archived = new MerkleLog({ retain: RETAIN, archive: files });
    for (let i = 0; i < SIZE; i++) {
      whole.append(leafHash(entry(i)));
      archived.append(leafHash(entry(i)));
    }
    await files.flushed();
  });

  test('proves its oldest entries and sizes from tiles, its newest from memory', () => {
    const [expected, tree] = [whole.at(SIZE), archived.at(SIZE)];
    assert.deepEqual(tree.root, expected.root);
    for (const index of [0, 1, 255, 256, 4097, SIZE - 1]) {
      assert.deepEqual(tree.inclusionPath(index), expected.inclusionPath(index));
    }
    for (const old of [1, 2, 255, 256, 257, 5001, SIZE - 1]) {
      assert.deepEqual(tree.consistencyPath(old), expected.consistencyPath(old));
    }
  });

  test('proves any entry and size in any later size', () => {
    const sizes = fc.tuple(fc.integer({ min: 1, max: SIZE }), fc.nat(), fc.nat());
    fc.assert(
      fc.property(sizes, ([size, index, old]) => {
        const [expected, tree] = [whole.at(size), archived.at(size)];
        assert.deepEqual(tree.inclusionPath(index % size), expected.inclusionPath(index % size));
        const earlier = (old % size) + 1;
        assert.deepEqual(tree.consistencyPath(earlier), expected.consistencyPath(earlier));
      }),
    );
  });

  test('reads the tile of a proof once, whatever the proof takes from it', (t) => {
    archived.at(SIZE).inclusionPath(0);
    const read = t.mock.method(files, 'read');
    assert.deepEqual(archived.at(SIZE).inclusionPath(600), whole.at(SIZE).inclusionPath(600));
    assert.deepEqual(
      read.mock.calls.map((call) => call.arguments),
      [[2]],
    );
  });

  test('does not believe a tile that the host changed, nor need one that it withholds', async () => {
    const path = join(directory, 'outgrown', tilePath(0, 2));
    const genuine = await readFile(path);
    const changed = Buffer.from(genuine);
    changed[40] = (changed[40] ?? 0) ^ 1;
    archived.at(SIZE).inclusionPath(0); // the tile that was read last is not read again
    for (const bytes of [changed, genuine.subarray(32), Buffer.alloc(0)]) {
      await writeFile(path, bytes);
      assert.throws(() => archived.at(SIZE).inclusionPath(600), { code: 'MERKLE_PRUNED' });
    }
    await rm(path);
    assert.throws(() => archived.at(SIZE).inclusionPath(600), { code: 'MERKLE_PRUNED' });
    assert.deepEqual(archived.at(SIZE).inclusionPath(0), whole.at(SIZE).inclusionPath(0));
    await writeFile(path, genuine);
    assert.deepEqual(archived.at(SIZE).inclusionPath(600), whole.at(SIZE).inclusionPath(600));
  });

  test('waits for nobody who would write to a FIFO in place of a tile', {
    skip: needsFifo,
  }, (t) => {
    const path = join(directory, 'outgrown', tilePath(0, 3));
    rmSync(path);
    makeFifo(t, path);
    assert.throws(() => archived.at(SIZE).inclusionPath(800), { code: 'MERKLE_PRUNED' });
  });

  test('holds no file open that it has read', { skip: needsFifo }, () => {
    const open = readdirSync('/proc/self/fd').length;
    for (let i = 4; i < 9; i++) assert.equal(files.read(i)?.length, 256 * 32);
    assert.equal(readdirSync('/proc/self/fd').length, open);
  });

  test('without an archive refuses what it let go of, and nothing else', () => {
    const pruned = new MerkleLog({ retain: RETAIN });
    for (let i = 0; i < SIZE; i++) pruned.append(leafHash(entry(i)));
    const [expected, tree] = [whole.at(SIZE), pruned.at(SIZE)];
    assert.deepEqual(tree.root, expected.root);
    assert.throws(() => tree.inclusionPath(0), { code: 'MERKLE_PRUNED' });
    for (let index = SIZE - RETAIN; index < SIZE; index += 97) {
      assert.deepEqual(tree.inclusionPath(index), expected.inclusionPath(index));
    }
    assert.deepEqual(tree.consistencyPath(256), expected.consistencyPath(256));
    for (const [old, lacking] of [
      [101, 'a leaf'],
      [102, 'a pair of leaves'],
    ] as const) {
      assert.throws(() => tree.consistencyPath(old), { code: 'MERKLE_PRUNED' }, lacking);
    }
  });
});

test('what is published is enough to check the published head', async () => {
  const folder = join(directory, 'published');
  const key = makeSigningKey();
  const first = manifestEntry(new Uint8Array(32));
  const archive = new TileFiles(folder, fail);
  const issuer = await Issuer.start(key, first, { archive });
  const early = decodeTreeHead(issuer.treeHead());
  await Promise.all(Array.from({ length: 600 }, (_, i) => issuer.append(entry(i))));
  await issuer.flush();
  const head = decodeTreeHead(new Uint8Array(await readFile(join(folder, 'tree-head.cbor'))));
  await verifyTreeHead(head, key.publicKey);
  assert.equal(head.size, 601);
  const widths = [256, 256, 601 - 512];
  const tiles = await Promise.all(
    widths.map((width, i) => readFile(join(folder, tilePath(0, i, width)))),
  );
  const leaves = tiles.flatMap((tile) =>
    Array.from({ length: tile.length / 32 }, (_, i) => tile.subarray(32 * i, 32 * i + 32)),
  );
  assert.equal(leaves.length, head.size);
  assert.deepEqual(merkleRoot(leaves), head.root);
  assert.deepEqual(new Uint8Array(leaves[0] ?? []), leafHash(first));
  const level1 = await readFile(join(folder, tilePath(1, 0, 2)));
  assert.deepEqual(new Uint8Array(level1.subarray(0, 32)), merkleRoot(leaves.slice(0, 256)));
  const { proof } = issuer.consistency(early.size);
  await verifyConsistency(proof, early, head, key.publicKey);
  await verifyReceipt(issuer.inclusion(0), first, key.publicKey);
});

describe('what the host left at the name that a tile is written aside to', () => {
  for (const [name, leave] of [
    ['a symbolic link to a file', symlink],
    ['another name of a file', link],
  ] as const) {
    test(`${name} leads no tile into that file`, async () => {
      const folder = await mkdtemp(join(directory, 'left-'));
      const victim = join(folder, 'victim');
      await writeFile(victim, 'precious');
      await mkdir(join(folder, 'tile/0'), { recursive: true });
      await leave(victim, join(folder, `${tilePath(0, 0)}.new`));
      const archive = new TileFiles(folder, fail);
      archive.write(0, 0, new Uint8Array(256 * 32));
      await archive.flushed();
      assert.equal(await readFile(victim, 'utf8'), 'precious');
      const published = await lstat(join(folder, tilePath(0, 0)));
      assert.deepEqual([published.isFile(), published.size], [true, 256 * 32]);
    });

    test(`${name} that comes once the name was cleared leads no tile into that file`, async (t) => {
      const folder = await mkdtemp(join(directory, 'left-'));
      const victim = join(folder, 'victim');
      await writeFile(victim, 'precious');
      await mkdir(join(folder, 'tile/0'), { recursive: true });
      await leave(victim, join(folder, `${tilePath(0, 0)}.new`));
      const { rm } = fs;
      const cleared = t.mock.method(fs, 'rm', async (path: string) => {
        await rm(path);
        await leave(victim, path);
      });
      syncBuiltinESMExports();
      t.after(() => {
        cleared.mock.restore();
        syncBuiltinESMExports();
      });
      const errors: unknown[] = [];
      const archive = new TileFiles(folder, (error) => errors.push(error));
      archive.write(0, 0, new Uint8Array(256 * 32));
      await archive.flushed();
      assert.equal(await readFile(victim, 'utf8'), 'precious');
      const [told] = errors;
      assert.ok(told instanceof AssayError);
      assert.equal(told.code, 'RECEIPT_TILES');
      assert.equal(told.message, `tile/0/000 cannot be written now: EEXIST; ${inMemory(1)}`);
    });
  }

  for (const name of [HEAD_FILE, `${HEAD_FILE}.new`]) {
    test(`a folder ${name} is told as what cannot be written, and a head waits until it is gone`, async () => {
      const folder = await mkdtemp(join(directory, 'left-'));
      const errors: unknown[] = [];
      await mkdir(join(folder, name));
      const archive = new TileFiles(folder, (error) => errors.push(error));
      archive.writeHead(Uint8Array.of(1), 1);
      await archive.flushed();
      const [told] = errors;
      assert.ok(told instanceof AssayError);
      assert.equal(told.code, 'RECEIPT_TILES');
      await rm(join(folder, name), { recursive: true });
      archive.write(0, 0, new Uint8Array(256 * 32));
      await archive.flushed();
      assert.deepEqual(await readFile(join(folder, HEAD_FILE)), Buffer.of(1));
    });
  }
});

test('a head that comes while the one before it is written is published', async () => {
  const folder = join(directory, 'heads');
  const files = new TileFiles(folder, fail);
  files.writeHead(Uint8Array.of(1), 1);
  // What is written is under way, and no file operation has ended before the next turn of the event loop.
  await new Promise((resolve) => process.nextTick(resolve));
  files.writeHead(Uint8Array.of(2), 2);
  await files.flushed();
  assert.deepEqual([...(await readFile(join(folder, HEAD_FILE)))], [2]);
});

test('a head is published though tiles come as fast as they are written', async (t) => {
  const files = new TileFiles(join(directory, 'busy'), fail);
  const last = 20;
  let [tiles, published] = [0, 0];
  const grow = (): void => {
    files.write(0, tiles++, new Uint8Array(256 * 32));
    files.writeHead(Uint8Array.of(tiles), tiles);
  };
  const { rename } = fs;
  const renamed = t.mock.method(fs, 'rename', async (...of: Parameters<typeof rename>) => {
    await rename(...of);
    if (String(of[1]).endsWith(HEAD_FILE)) published += tiles < last ? 1 : 0;
    else if (tiles < last) grow();
  });
  syncBuiltinESMExports();
  t.after(() => {
    renamed.mock.restore();
    syncBuiltinESMExports();
  });
  grow();
  for (let before = -1; before !== tiles; ) {
    before = tiles;
    await files.flushed();
  }
  assert.deepEqual(await readFile(join(directory, 'busy', HEAD_FILE)), Buffer.of(last));
  assert.ok(published > last / 2, `${published} heads`);
});

describe('a disk that cannot be written', () => {
  const blocked = (): string => join(directory, 'file');
  const folder = (): string => join(blocked(), 'below');
  const append = (issuer: Issuer, count: number) =>
    Promise.all(Array.from({ length: count }, (_, i) => issuer.append(entry(i))));

  test('where no folder can be made is told as well, and does not keep the log from its end', async () => {
    const errors: unknown[] = [];
    const archive = new TileFiles('/proc/none/below', (error) => errors.push(error));
    const issuer = await Issuer.start(makeSigningKey(), entry(0), { archive, retain: RETAIN });
    await issuer.flush();
    const [told] = errors;
    assert.ok(told instanceof AssayError);
    assert.equal(told.message, `tile/0/000.p/1 cannot be written now: ENOENT; ${inMemory(2)}`);
  });

  test('is told at once, costs no answer, and nothing of the log once it is mended', async () => {
    const errors: unknown[] = [];
    await writeFile(blocked(), '');
    const archive = new TileFiles(folder(), (error) => errors.push(error));
    const key = makeSigningKey();
    const issuer = await Issuer.start(key, entry(0), { archive, retain: RETAIN });
    await archive.flushed();
    const [told] = errors;
    assert.ok(told instanceof AssayError);
    assert.equal(told.message, `tile/0/000.p/1 cannot be written now: ENOTDIR; ${inMemory(2)}`);
    for (let i = 0; i < 9; i++) assert.equal((await append(issuer, 1000)).length, 1000);
    await verifyReceipt(issuer.inclusion(5), entry(4), key.publicKey); // from a tile that waits
    await rm(blocked());
    await append(issuer, 1);
    await issuer.flush();
    assert.equal((await PublishedLog.read(folder())).head.size, 9002);
    await rm(blocked(), { recursive: true });
  });

  test('is told when it begins, each time that twice as much waits, and when it ends', async () => {
    const told: unknown[] = [];
    await writeFile(blocked(), '');
    const times = ['2026-01-01T00:00:00Z', '2026-01-01T00:00:01Z'].map((time) => new Date(time));
    const archive = new TileFiles(folder(), (error) => told.push(error), {
      onMended: (whole) => told.push(whole),
      now: () => times.shift() ?? fail(new Error('expected two heads')),
    });
    const grow = async (index: number) => {
      archive.write(0, index, new Uint8Array(256 * 32));
      archive.writeHead(Uint8Array.of(index), 256 * (index + 1));
      await archive.flushed();
    };
    for (let index = 0; index < 100; index++) await grow(index);
    const waiting = told.map(
      (error) => error instanceof AssayError && error.message.split('; ')[1],
    );
    assert.deepEqual(waiting, [2, 4, 8, 16, 32, 64].map(inMemory));
    assert.deepEqual(archive.published, { size: 0, at: undefined });
    await rm(blocked());
    told.length = 0;
    await grow(100);
    await grow(101);
    assert.deepEqual(told, [true]);
    assert.deepEqual(archive.published, { size: 256 * 102, at: new Date('2026-01-01T00:00:01Z') });
    await rm(blocked(), { recursive: true });
  });

  test('which it says when it is flushed is told, and what it lost is written again', async (t) => {
    const flushed = join(directory, 'flushed');
    const [errors, lost]: [unknown[], string[]] = [[], []];
    const { open } = fs;
    const opened = t.mock.method(fs, 'open', async (...of: Parameters<typeof open>) => {
      const file = await open(...of);
      const path = String(of[0]);
      if (!path.endsWith('.new') || lost.includes(path)) return file;
      t.mock.method(file, 'datasync', async () => {
        lost.push(path);
        throw Object.assign(new Error('input/output error'), { code: 'EIO' });
      });
      return file;
    });
    syncBuiltinESMExports();
    t.after(() => {
      opened.mock.restore();
      syncBuiltinESMExports();
    });
    const archive = new TileFiles(flushed, (error) => errors.push(error));
    archive.write(0, 0, new Uint8Array(256 * 32));
    archive.writeHead(Uint8Array.of(1), 1);
    await archive.flushed();
    const [told] = errors;
    assert.ok(told instanceof AssayError);
    assert.equal(told.message, `tile/0/000 cannot be written now: EIO; ${inMemory(2)}`);
    for (const name of [tilePath(0, 0), HEAD_FILE]) {
      assert.equal(existsSync(join(flushed, name)), false, name);
    }
    for (const byte of [2, 3]) {
      archive.writeHead(Uint8Array.of(byte), byte);
      await archive.flushed();
    }
    assert.equal((await readFile(join(flushed, tilePath(0, 0)))).length, 256 * 32);
    assert.deepEqual(await readFile(join(flushed, HEAD_FILE)), Buffer.of(3));
    assert.deepEqual(
      lost,
      [tilePath(0, 0), HEAD_FILE].map((name) => join(flushed, `${name}.new`)),
    );
  });

  test('keeps a million entries, whatever heads come in between', async () => {
    const errors: unknown[] = [];
    await writeFile(blocked(), '');
    const archive = new TileFiles(folder(), (error) => errors.push(error));
    for (let index = 0; index < 4000; index++) {
      for (const width of [7, 100]) {
        archive.write(0, index, new Uint8Array(width * 32));
        archive.write(1, 0, new Uint8Array(32));
        archive.writeHead(Uint8Array.of(width), width);
      }
      archive.write(0, index, new Uint8Array(256 * 32));
    }
    await archive.flushed();
    assert.deepEqual(
      errors.filter((error) => /given up/.test(String(error))),
      [],
    );
    await rm(blocked());
    archive.write(0, 4000, new Uint8Array(7 * 32));
    archive.writeHead(Uint8Array.of(1), 1);
    await archive.flushed();
    assert.deepEqual(await readFile(join(folder(), 'tree-head.cbor')), Buffer.of(1));
    assert.equal((await readFile(join(folder(), tilePath(0, 0)))).length, 256 * 32);
    assert.equal((await readFile(join(folder(), tilePath(0, 4000, 7)))).length, 7 * 32);
    assert.equal(existsSync(join(folder(), tilePath(0, 0, 7))), false);
    await rm(blocked(), { recursive: true });
  });

  test('gets no head whose tiles gave way to others', async () => {
    await writeFile(blocked(), '');
    const archive = new TileFiles(folder(), () => undefined);
    archive.write(0, 0, new Uint8Array(7 * 32));
    archive.writeHead(Uint8Array.of(7), 7);
    await archive.flushed();
    await rm(blocked());
    archive.write(0, 0, new Uint8Array(256 * 32));
    await archive.flushed();
    assert.equal(existsSync(join(folder(), tilePath(0, 0))), true);
    assert.equal(existsSync(join(folder(), 'tree-head.cbor')), false);
    await rm(blocked(), { recursive: true });
  });

  test('gives up what waits for it too long, and publishes no head that lacks it', async () => {
    const errors: unknown[] = [];
    await writeFile(blocked(), '');
    const mended: boolean[] = [];
    const onMended = (whole: boolean) => mended.push(whole);
    const archive = new TileFiles(folder(), (error) => errors.push(error), { onMended });
    for (let index = 0; index < 4099; index++) archive.write(0, index, new Uint8Array(256 * 32));
    archive.writeHead(Uint8Array.of(1), 1);
    await archive.flushed();
    assert.equal(errors.filter((e) => /given up/.test(String(e))).length, 1);
    assert.equal(archive.read(2), undefined);
    assert.ok(archive.read(3) !== undefined);
    await rm(blocked());
    archive.write(0, 4099, new Uint8Array(256 * 32));
    archive.writeHead(Uint8Array.of(2), 2);
    await archive.flushed();
    assert.equal(existsSync(join(folder(), 'tree-head.cbor')), false);
    assert.equal(archive.read(4096)?.length, 256 * 32);
    assert.deepEqual([mended, archive.published.size], [[false], 0]);
  });
});
