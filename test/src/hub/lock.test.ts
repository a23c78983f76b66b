import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  utimesSync,
  watch,
  writeFileSync,
} from 'node:fs';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { basename, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { withLock } from '../../../src/hub/lock.js';
import { makeFifo, needsFifo } from '../../forge/fifo.js';
import { temporaryFolder } from './setting.js';

const HOUR = 3600;

/** A folder whose lock a process made that is gone, as the lock of this one was, changed. */
async function locked(t: TestContext, change: (text: string) => string) {
  const folder = temporaryFolder(t);
  const path = join(folder, 'lock');
  const text = await withLock(path, async () => readFileSync(path, 'utf8'));
  assert.deepEqual(readdirSync(folder), []);
  const dead = spawnSync(process.execPath, ['--version']).pid;
  writeFileSync(path, change(text.replace(/^\d+ /, `${dead} `)));
  return { folder, path };
}

function age(path: string, seconds: number): void {
  const then = statSync(path).mtimeMs / 1000 - seconds;
  utimesSync(path, then, then);
}

const elsewhere = (text: string): string => text.replace(/ \S+ /, ' elsewhere/boot/pid:[1] ');
const abandoned: readonly (readonly [string, (text: string) => string, number])[] = [
  ['of a process that ended', (text) => text, 0],
  ['of an earlier process of this id', (text) => text.replace(/^\d+/, String(process.pid)), 0],
  ['of another machine without a sign of life for an hour', elsewhere, HOUR],
  ['that says nothing, an hour old', () => '', HOUR],
];
for (const [name, change, seconds] of abandoned) {
  test(`a lock ${name} is taken over`, async (t) => {
    const { folder, path } = await locked(t, change);
    age(path, seconds);
    assert.equal(await withLock(path, async () => 'done'), 'done');
    assert.deepEqual(readdirSync(folder), []);
  });
}

const kept: readonly (readonly [string, (text: string) => string, number])[] = [
  [
    'of a process that runs, an hour old',
    (text) => text.replace(/^\d+/, String(process.ppid)),
    HOUR,
  ],
  ['of another machine whose process id runs nowhere here', elsewhere, 0],
  ['that says nothing', () => '', 0],
];
for (const [name, change, seconds] of kept) {
  test(`a lock ${name} is respected`, async (t) => {
    const { folder, path } = await locked(t, change);
    age(path, seconds);
    const before = readFileSync(path, 'utf8');
    await assert.rejects(withLock(path, assert.fail), { code: 'HUB_LOCKED' });
    assert.equal(readFileSync(path, 'utf8'), before);
    assert.deepEqual(readdirSync(folder), ['lock']);
  });
}

test('a lock that is larger than any is respected, and not read whole', async (t) => {
  const path = join(temporaryFolder(t), 'lock');
  writeFileSync(path, '');
  truncateSync(path, 2 ** 31);
  await assert.rejects(withLock(path, assert.fail), { code: 'HUB_LOCKED' });
});

test('a lock that is a FIFO is refused, and no writer waited for', {
  skip: needsFifo,
  timeout: 20_000,
}, async (t) => {
  const path = join(temporaryFolder(t), 'lock');
  makeFifo(t, path);
  await assert.rejects(withLock(path, assert.fail), {
    code: 'HUB_FILE',
    message: /expected the lock .* to be a regular file/,
  });
});

const claims: readonly (readonly [string, (text: string) => string, number, boolean])[] = [
  ['of a process that runs', (text) => text.replace(/^\d+/, String(process.ppid)), 0, false],
  ['of a process that ended', (text) => text, 0, true],
  ['of another machine', elsewhere, 0, false],
  ['of another machine without a sign of life for an hour', elsewhere, HOUR, true],
  ['that says nothing', () => '', 0, false],
  ['that says nothing, an hour old', () => '', HOUR, true],
];
for (const [name, change, seconds, taken] of claims) {
  test(`a claim to an abandoned lock ${name} is ${taken ? 'taken over' : 'respected'}`, async (t) => {
    const { folder, path } = await locked(t, (text) => text);
    const text = readFileSync(path, 'utf8');
    const claim = `${path}.${createHash('sha256').update(text).digest('hex')}`;
    writeFileSync(claim, change(text.replace(/\S+$/, 'another')));
    age(claim, seconds);
    if (taken) {
      assert.equal(await withLock(path, async () => 'done'), 'done');
      assert.deepEqual(readdirSync(folder), []);
    } else {
      await assert.rejects(withLock(path, assert.fail), { code: 'HUB_LOCKED' });
      assert.equal(readFileSync(path, 'utf8'), text);
      assert.deepEqual(readdirSync(folder), ['lock', basename(claim)]);
    }
  });
}

test('of many that take over one lock, one has it', { timeout: 60_000 }, async (t) => {
  for (let round = 0; round < 30; round++) {
    const { path } = await locked(t, (text) => text);
    let [inside, most] = [0, 0];
    let [settled, all] = [0, (): void => {}];
    const rest = new Promise<void>((resolve) => {
      all = resolve;
    });
    const contenders = Array.from({ length: 8 }, () =>
      withLock(path, async () => {
        inside += 1;
        most = Math.max(most, inside);
        if (inside > 1) all();
        await rest;
      }).finally(() => {
        settled += 1;
        if (settled === 7) all();
      }),
    );
    const results = await Promise.allSettled(contenders);
    assert.equal(most, 1);
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
  }
});

async function assertLively(t: TestContext): Promise<void> {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const path = join(temporaryFolder(t), 'lock');
  await withLock(path, async () => {
    const text = readFileSync(path, 'utf8');
    age(path, HOUR);
    const old = statSync(path).mtimeMs;
    const watcher = watch(path);
    t.after(() => watcher.close());
    t.mock.timers.tick(60_000);
    while (statSync(path).mtimeMs === old) await once(watcher, 'change');
    assert.equal(readFileSync(path, 'utf8'), text);
  });
}

test('who holds a lock gives signs of life', { timeout: 20_000 }, (t) => assertLively(t));

describe('on a file system without hard links', () => {
  const linkless = (t: TestContext, code: string): void => {
    const linked = t.mock.method(fs, 'link', async () => {
      throw Object.assign(new Error('no hard links'), { code, syscall: 'link' });
    });
    syncBuiltinESMExports();
    t.after(() => {
      linked.mock.restore();
      syncBuiltinESMExports();
    });
  };

  for (const code of ['EPERM', 'ENOTSUP', 'ENOSYS']) {
    test(`that answers ${code}, one process writes at a time`, async (t) => {
      linkless(t, code);
      const { folder, path } = await locked(t, (text) => text);
      const held = await withLock(path, async () => {
        await assert.rejects(withLock(path, assert.fail), { code: 'HUB_LOCKED' });
        return readdirSync(folder);
      });
      assert.deepEqual(held, ['lock']);
      assert.deepEqual(readdirSync(folder), []);
    });
  }

  test('who holds a lock gives signs of life', { timeout: 20_000 }, async (t) => {
    linkless(t, 'EPERM');
    await assertLively(t);
  });
});

test('a lock that another took over meanwhile is not given back', async (t) => {
  const path = join(temporaryFolder(t), 'lock');
  await withLock(path, async () => writeFileSync(path, 'another'));
  assert.equal(readFileSync(path, 'utf8'), 'another');
});
