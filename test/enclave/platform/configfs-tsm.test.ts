import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { AssayError } from '../../../attestation/encoding/error.js';
import { openConfigfsTsm } from '../../../enclave/platform/configfs-tsm.js';
import { errno, ForgedClock, ForgedKernel, type ForgedProvider } from '../../forge/kernel.js';
import { HOST_DATA, MRCONFIGID, snp, snpReport, tdx } from '../../forge/tsm-providers.js';

const DATA = Uint8Array.from({ length: 64 }, (_, i) => i);

function answering(answer: ForgedProvider['answer']): ForgedProvider {
  return { name: 'sev_guest', answer };
}

const code = (expected: string) => (error: unknown) =>
  error instanceof AssayError && error.code === expected;

/** A kernel that refuses to remove a report directory, or fails to give an attribute, or gives this for it. */
class StubbornKernel extends ForgedKernel {
  attributes: Readonly<Record<string, string | Error>> = {};
  refuseRemoval = false;

  override async removeDirectory(path: string): Promise<void> {
    if (this.refuseRemoval) throw errno('EBUSY');
    return super.removeDirectory(path);
  }

  override async read(path: string, limit: number): Promise<Uint8Array<ArrayBuffer>> {
    const given = this.attributes[path.slice(path.lastIndexOf('/') + 1)];
    if (given instanceof Error) throw given;
    return given === undefined ? super.read(path, limit) : new Uint8Array(Buffer.from(given));
  }
}

suite('configfs-tsm', () => {
  test('a report and the auxiliary blob come back as the kernel gave them', async () => {
    const fs = new ForgedKernel({ ...snp, auxiliary: Uint8Array.of(1, 2, 3) });
    const platform = await openConfigfsTsm({ fs });
    assert.equal(platform.tee, 'sev-snp');
    assert.equal(platform.simulated, false);
    const { report, endorsements } = await platform.attest(DATA);
    assert.deepEqual(Buffer.from(report), Buffer.from(snpReport(DATA)));
    assert.deepEqual(endorsements, Uint8Array.of(1, 2, 3));
    await platform.close();
    assert.equal(fs.directories.size, 0);
  });

  test('a provider without an auxiliary blob, or with an empty one, has no endorsements', async () => {
    for (const provider of [snp, { ...snp, auxiliary: new Uint8Array() }]) {
      const platform = await openConfigfsTsm({ fs: new ForgedKernel(provider) });
      assert.equal((await platform.attest(DATA)).endorsements, undefined);
    }
  });

  test('the launch binding is HOST_DATA on SNP and MRCONFIGID on TDX', async () => {
    const onSnp = await openConfigfsTsm({ fs: new ForgedKernel(snp) });
    assert.deepEqual(new Uint8Array((await onSnp.launchBinding()).configuration), HOST_DATA);
    const onTdx = await openConfigfsTsm({ fs: new ForgedKernel(tdx) });
    assert.deepEqual(new Uint8Array((await onTdx.launchBinding()).configuration), MRCONFIGID);
  });

  test('under an SVSM the driver asks at the lowest level that the guest has', async () => {
    const fs = new ForgedKernel({ ...snp, privilegeFloor: 2 });
    await (await openConfigfsTsm({ fs })).attest(DATA);
    assert.deepEqual(
      [...fs.directories.values()].map((directory) => directory.privilege),
      [2],
    );
  });

  for (const [errnoCode, expected] of [
    ['ENXIO', 'PLATFORM_NO_PROVIDER'],
    ['ENODEV', 'PLATFORM_NO_PROVIDER'],
    ['ENOENT', 'PLATFORM_NO_CONFIGFS'],
    ['EACCES', 'PLATFORM_PERMISSION'],
    ['EPERM', 'PLATFORM_PERMISSION'],
  ] as const) {
    test(`opening fails with ${expected} on ${errnoCode}`, async () => {
      const fs = new ForgedKernel(snp, errnoCode);
      await assert.rejects(openConfigfsTsm({ fs }), code(expected));
    });
  }

  for (const name of ['arm_cca_guest', 'constructor']) {
    test(`the provider ${name}, which Assay does not know, is refused and its directory given back`, async () => {
      const fs = new ForgedKernel({ ...snp, name });
      await assert.rejects(openConfigfsTsm({ fs }), code('PLATFORM_PROVIDER'));
      assert.equal(fs.directories.size, 0);
    });
  }

  for (const attribute of ['provider', 'privlevel_floor']) {
    test(`a ${attribute} that cannot be read is refused and its directory given back`, async () => {
      const fs = new StubbornKernel(snp);
      fs.attributes = { [attribute]: errno('EIO') };
      await assert.rejects(openConfigfsTsm({ fs }), code('PLATFORM_FIRMWARE'));
      assert.equal(fs.directories.size, 0);
    });
  }

  test('a generation that is no number is refused', async () => {
    const fs = new StubbornKernel(snp);
    const platform = await openConfigfsTsm({ fs });
    fs.attributes = { generation: 'none\n' };
    await assert.rejects(platform.attest(DATA), code('PLATFORM_GENERATION'));
  });

  test('more requests are answered one after another than may wait at once', async () => {
    const platform = await openConfigfsTsm({ fs: new ForgedKernel(snp) });
    for (let i = 0; i < 100; i++) await platform.attest(DATA);
  });

  test('a directory that cannot be removed hides no other refusal', async () => {
    const fs = new StubbornKernel({ ...snp, name: 'arm_cca_guest' });
    fs.refuseRemoval = true;
    await assert.rejects(openConfigfsTsm({ fs }), code('PLATFORM_PROVIDER'));
  });

  test('closing rejects with PLATFORM_BUSY where the directory cannot be removed', async () => {
    const fs = new StubbornKernel(snp);
    const platform = await openConfigfsTsm({ fs });
    fs.refuseRemoval = true;
    await assert.rejects(platform.close(), code('PLATFORM_BUSY'));
  });

  test('an endless auxiliary blob is refused', async () => {
    const auxiliary = new Uint8Array(16 * 1024 * 1024 + 1);
    const platform = await openConfigfsTsm({ fs: new ForgedKernel({ ...snp, auxiliary }) });
    await assert.rejects(platform.attest(DATA), code('PLATFORM_REPORT_SIZE'));
  });

  test('a caller that writes to its report data meanwhile changes nothing', async () => {
    const platform = await openConfigfsTsm({ fs: new ForgedKernel(snp) });
    const data = Uint8Array.from(DATA);
    const pending = platform.attest(data);
    data.fill(0xff);
    assert.deepEqual((await pending).report.subarray(0x50, 0x90), DATA);
  });

  for (const [what, answer, expected] of [
    [
      'a quoting service that is down',
      () => Promise.reject(errno('ETIMEDOUT')),
      'PLATFORM_TIMEOUT',
    ],
    ['a refused request', () => Promise.reject(errno('EINVAL')), 'PLATFORM_INVALID'],
    ['a wiped firmware key', () => Promise.reject(errno('ENOTTY')), 'PLATFORM_KEY_WIPED'],
    ['a firmware failure', () => Promise.reject(errno('EIO')), 'PLATFORM_FIRMWARE'],
    ['an empty report', () => new Uint8Array(), 'PLATFORM_REPORT_EMPTY'],
    ['a report that ends early', () => new Uint8Array(80), 'SNP_REPORT_SIZE'],
    ['an endless report', () => new Uint8Array(16 * 1024 * 1024 + 1), 'PLATFORM_REPORT_SIZE'],
    ['a report over other data', () => snpReport(new Uint8Array(64)), 'PLATFORM_REPORT_MISMATCH'],
  ] as const) {
    test(`${what} is ${expected}, and the next request is served`, async () => {
      let failed = false;
      const fs = new ForgedKernel(
        answering((inblob) => {
          if (failed) return snpReport(inblob);
          failed = true;
          return answer();
        }),
      );
      const platform = await openConfigfsTsm({ fs });
      await assert.rejects(platform.attest(DATA), code(expected));
      assert.equal((await platform.attest(DATA)).report.length, 0x4a0);
    });
  }

  for (const length of [0, 63, 65]) {
    test(`${length} bytes of report data never reach the kernel`, async () => {
      const fs = new ForgedKernel(snp);
      const platform = await openConfigfsTsm({ fs });
      const [before] = [...fs.directories.values()].map((directory) => directory.generation);
      await assert.rejects(platform.attest(new Uint8Array(length)), code('PLATFORM_REPORT_DATA'));
      assert.deepEqual(
        [...fs.directories.values()].map((directory) => directory.generation),
        [before],
      );
    });
  }

  for (const busy of ['EBUSY', 'EAGAIN', 'EINTR']) {
    test(`hardware that answers ${busy} is asked again until it answers otherwise`, async () => {
      const clock = new ForgedClock();
      let asked = 0;
      const fs = new ForgedKernel(
        answering((inblob) => {
          asked += 1;
          return asked < 4 ? Promise.reject(errno(busy)) : snpReport(inblob);
        }),
      );
      const platform = await openConfigfsTsm({ fs, scheduler: clock });
      const pending = platform.attest(DATA);
      await clock.advance(10_000);
      assert.equal((await pending).report.length, 0x4a0);
      assert.equal(asked, 4);
    });
  }

  test('hardware that stays busy ends the call at its deadline and is left alone after it', async () => {
    const clock = new ForgedClock();
    let asked = 0;
    const fs = new ForgedKernel(
      answering(() => {
        asked += 1;
        return Promise.reject(errno('EBUSY'));
      }),
    );
    const platform = await openConfigfsTsm({ fs, scheduler: clock, deadline: 5000 });
    const refused = assert.rejects(platform.attest(DATA), code('PLATFORM_DEADLINE'));
    await clock.advance(5000);
    await refused;
    const askedInTime = asked;
    await clock.advance(60_000);
    assert.equal(asked, askedInTime);
  });

  test('requests run one at a time; one that waited past its deadline never starts', async () => {
    const clock = new ForgedClock();
    const releases: (() => void)[] = [];
    const fs = new ForgedKernel(
      answering(async (inblob) => {
        await new Promise<void>((release) => releases.push(release));
        return snpReport(inblob);
      }),
    );
    const platform = await openConfigfsTsm({ fs, scheduler: clock, deadline: 1000 });
    const first = assert.rejects(platform.attest(DATA), code('PLATFORM_DEADLINE'));
    const second = assert.rejects(platform.attest(DATA), code('PLATFORM_DEADLINE'));
    await clock.advance(1000);
    await Promise.all([first, second]);
    const third = platform.attest(DATA);
    releases.shift()?.();
    await clock.advance(0);
    assert.equal(releases.length, 1, 'the second was dropped, the third is with the kernel');
    releases.shift()?.();
    assert.equal((await third).report.length, 0x4a0);
    assert.equal(fs.mostInFlight, 1);
  });

  test('overlapping callers each get the report over their own data', async () => {
    const fs = new ForgedKernel(snp);
    const platform = await openConfigfsTsm({ fs });
    const wanted = Array.from({ length: 40 }, (_, i) => new Uint8Array(64).fill(i));
    const reports = await Promise.all(wanted.map((data) => platform.attest(data)));
    reports.forEach(({ report }, i) => {
      assert.deepEqual(report.subarray(0x50, 0x90), wanted[i]);
    });
    assert.equal(fs.mostInFlight, 1);
  });

  test('a full queue refuses at once', async () => {
    const fs = new ForgedKernel(answering(() => new Promise(() => undefined)));
    const platform = await openConfigfsTsm({ fs, scheduler: new ForgedClock() });
    for (let i = 0; i < 64; i++) platform.attest(DATA).catch(() => undefined);
    await assert.rejects(platform.attest(DATA), code('PLATFORM_BUSY'));
  });

  test('a lost race for the directory is run again', async () => {
    const fs = new ForgedKernel(snp);
    const platform = await openConfigfsTsm({ fs });
    let intrusions = 2;
    fs.afterWrite = (directory) => {
      if (intrusions-- > 0) directory.generation += 1;
    };
    assert.equal((await platform.attest(DATA)).report.length, 0x4a0);
  });

  test('a directory that someone else keeps writing to is given up', async () => {
    const fs = new ForgedKernel(snp);
    const platform = await openConfigfsTsm({ fs });
    fs.afterWrite = (directory) => {
      directory.generation += 1;
    };
    await assert.rejects(platform.attest(DATA), code('PLATFORM_GENERATION'));
  });

  test('another writer between commit and read is noticed', async () => {
    const fs = new ForgedKernel(
      answering((inblob) => {
        for (const directory of fs.directories.values()) directory.generation += 1;
        return snpReport(inblob);
      }),
    );
    const platform = await openConfigfsTsm({ fs });
    await assert.rejects(platform.attest(DATA), code('PLATFORM_GENERATION'));
  });
});
