import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { AssayError } from '../../../attestation/encoding/error.js';
import { sha384 } from '../../../attestation/encoding/hash.js';
import { decodeRuntimeLog, replayRuntimeLog } from '../../../attestation/evidence/event-log.js';
import { describeModel } from '../../../enclave/manifest.js';
import { openConfigfsTsm } from '../../../enclave/platform/configfs-tsm.js';
import { RuntimeLog } from '../../../enclave/runtime-log.js';
import { servedModel } from '../../forge/enclave.js';
import { errno, ForgedKernel } from '../../forge/kernel.js';
import { snp, tdx } from '../../forge/tsm-providers.js';

/** `ok`, or the code of what was thrown. */
async function outcome(work: Promise<void>): Promise<string> {
  try {
    await work;
    return 'ok';
  } catch (error) {
    assert.ok(error instanceof AssayError, String(error));
    return error.code;
  }
}

const code = (expected: string) => (error: unknown) =>
  error instanceof AssayError && error.code === expected;

suite('RTMR3', () => {
  const ZERO = new Uint8Array(48);
  const PATH = '/sys/class/misc/tdx_guest/measurements/rtmr3:sha384';

  /** What the kernel does with an extend. */
  type Behaviour = 'extends' | 'is deaf' | 'extends twice' | 'refuses' | 'extends and refuses';

  class WithRegister extends ForgedKernel {
    behaviour: Behaviour = 'extends';
    /** Reads of the register after an extend that fail, and how. */
    failingReads = 0;
    failure = 'EINTR';
    #extended = false;

    override extend(path: string, digest: Uint8Array): void {
      if (digest.length < 48) throw errno('EINVAL');
      this.#extended = true;
      if (this.behaviour.startsWith('extends')) this.#raise(path, digest);
      if (this.behaviour === 'extends twice') this.#raise(path, digest);
      if (this.behaviour.endsWith('refuses')) throw errno('EBUSY');
    }

    #raise(path: string, digest: Uint8Array): void {
      const before = this.registers.get(path) ?? new Uint8Array();
      this.registers.set(path, sha384(before, digest.subarray(0, 48)));
    }

    override async read(path: string, limit: number): Promise<Uint8Array<ArrayBuffer>> {
      if (path === PATH && this.#extended && this.failingReads > 0) {
        this.failingReads -= 1;
        throw errno(this.failure);
      }
      return super.read(path, limit);
    }
  }

  const forged = (): WithRegister => {
    const fs = new WithRegister(tdx);
    fs.registers.set(PATH, ZERO);
    return fs;
  };

  test('is extended and read back', async () => {
    const fs = forged();
    const platform = await openConfigfsTsm({ fs });
    const digest = new Uint8Array(48).fill(7);
    const held = await platform.rtmr3?.extend(ZERO, digest);
    assert.deepEqual(held, sha384(ZERO, digest));
    assert.deepEqual(fs.registers.get(PATH), held);
  });

  test('is absent on SNP and where the kernel has no register', async () => {
    const onSnp = await openConfigfsTsm({ fs: new ForgedKernel(snp) });
    assert.equal(onSnp.rtmr3, undefined);
    const onOldKernel = await openConfigfsTsm({ fs: new ForgedKernel(tdx) });
    assert.equal(onOldKernel.rtmr3, undefined);
  });

  for (const length of [47, 49]) {
    test(`${length} bytes never reach the kernel, which would take the longer one silently`, async () => {
      const fs = forged();
      const platform = await openConfigfsTsm({ fs });
      await assert.rejects(async () => {
        await platform.rtmr3?.extend(ZERO, new Uint8Array(length));
      }, code('PLATFORM_RTMR'));
      assert.deepEqual(fs.registers.get(PATH), ZERO);
    });
  }

  const model = describeModel(servedModel('double', 2));

  for (const [what, forge, load] of [
    ['an extend that the kernel drops', { behaviour: 'is deaf' }, 'PLATFORM_RTMR'],
    ['one that it refuses', { behaviour: 'refuses' }, 'PLATFORM_BUSY'],
    ['one that it refuses and does', { behaviour: 'extends and refuses' }, 'ok'],
    ['a reading back that is interrupted', { failingReads: 2 }, 'ok'],
  ] as const) {
    test(`after ${what} the log still leads to the register`, async () => {
      const fs = forged();
      const log = await RuntimeLog.begin(await openConfigfsTsm({ fs }));
      Object.assign(fs, forge);
      assert.equal(await outcome(log.loading(model)), load);
      Object.assign(fs, { behaviour: 'extends' });
      await log.loading(model);
      const events = decodeRuntimeLog(log.encode() ?? new Uint8Array());
      assert.deepEqual(replayRuntimeLog(events), fs.registers.get(PATH));
    });
  }

  for (const [what, behaviour, told] of [
    ['drops', 'is deaf', 'PLATFORM_RTMR'],
    ['refuses', 'refuses', 'PLATFORM_BUSY'],
  ] as const) {
    test(`an unload that the kernel ${what} is told of before the next load`, async () => {
      const fs = forged();
      const log = await RuntimeLog.begin(await openConfigfsTsm({ fs }));
      const types = () => decodeRuntimeLog(log.encode() ?? ZERO).map(({ type }) => type);
      await log.loading(model);
      fs.behaviour = behaviour;
      assert.equal(await outcome(log.unloaded(model)), told);
      assert.equal(await outcome(log.loading(model)), told, 'no load before the unload');
      assert.deepEqual(types(), ['model']);
      fs.behaviour = 'extends';
      await log.loading(model);
      assert.deepEqual(types(), ['model', 'unload', 'model']);
      await log.unloaded(model);
      assert.deepEqual(types(), ['model', 'unload', 'model', 'unload']);
      const events = decodeRuntimeLog(log.encode() ?? ZERO);
      assert.deepEqual(replayRuntimeLog(events), fs.registers.get(PATH));
    });
  }

  test('leads no log that begins after it was extended: the guest has to be rebooted', async () => {
    const fs = forged();
    const first = await RuntimeLog.begin(await openConfigfsTsm({ fs }));
    await first.loading(model);
    const again = RuntimeLog.begin(await openConfigfsTsm({ fs }));
    await assert.rejects(again, {
      code: 'PLATFORM_RTMR_UNKNOWN',
      message: /was extended before this process began: expected a reboot of the guest /,
    });
  });

  test('where it cannot be read, no log begins', async () => {
    const fs = forged();
    const platform = await openConfigfsTsm({ fs });
    fs.registers.delete(PATH);
    await assert.rejects(RuntimeLog.begin(platform), code('PLATFORM_NO_CONFIGFS'));
  });

  test('is not extended once another did', async () => {
    const fs = forged();
    const log = await RuntimeLog.begin(await openConfigfsTsm({ fs }));
    await log.loading(model);
    fs.extend(PATH, ZERO);
    const theirs = fs.registers.get(PATH);
    await assert.rejects(log.loading(model), code('PLATFORM_RTMR_UNKNOWN'));
    assert.deepEqual(fs.registers.get(PATH), theirs);
    assert.throws(() => log.encode(), code('PLATFORM_RTMR_UNKNOWN'));
  });

  for (const [what, forge] of [
    ['cannot be read back', { failingReads: 9, failure: 'EIO' }],
    ['is interrupted whenever it is read back', { failingReads: 9 }],
    ['was extended by another', { behaviour: 'extends twice' }],
  ] as const) {
    test(`once the register ${what} there is no log, and nothing more is loaded`, async () => {
      const fs = forged();
      const log = await RuntimeLog.begin(await openConfigfsTsm({ fs }));
      Object.assign(fs, forge);
      await assert.rejects(log.loading(model), code('PLATFORM_RTMR_UNKNOWN'));
      Object.assign(fs, { behaviour: 'extends', failingReads: 0 });
      await assert.rejects(log.loading(model), code('PLATFORM_RTMR_UNKNOWN'));
      assert.throws(() => log.encode(), code('PLATFORM_RTMR_UNKNOWN'));
    });
  }
});
