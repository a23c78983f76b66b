import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { AssayError } from '../../../attestation/encoding/error.js';
import { sha384 } from '../../../attestation/encoding/hash.js';
import { openConfigfsTsm } from '../../../enclave/platform/configfs-tsm.js';
import { errno, ForgedKernel } from '../../forge/kernel.js';
import { snp, tdx } from '../../forge/tsm-providers.js';

const code = (expected: string) => (error: unknown) =>
  error instanceof AssayError && error.code === expected;

suite('RTMR3', () => {
  const PATH = '/sys/class/misc/tdx_guest/measurements/rtmr3:sha384';

  class WithRegister extends ForgedKernel {
    deaf = false;

    override extend(path: string, digest: Uint8Array): void {
      if (digest.length < 48) throw errno('EINVAL');
      const before = this.registers.get(path) ?? new Uint8Array();
      if (!this.deaf) this.registers.set(path, sha384(before, digest.subarray(0, 48)));
    }
  }

  const forged = (): WithRegister => {
    const fs = new WithRegister(tdx);
    fs.registers.set(PATH, new Uint8Array(48));
    return fs;
  };

  test('is extended and read back', async () => {
    const fs = forged();
    const platform = await openConfigfsTsm({ fs });
    const digest = new Uint8Array(48).fill(7);
    await platform.extendRtmr3?.(digest);
    assert.deepEqual(fs.registers.get(PATH), sha384(new Uint8Array(48), digest));
  });

  test('is absent on SNP and where the kernel has no register', async () => {
    const onSnp = await openConfigfsTsm({ fs: new ForgedKernel(snp) });
    assert.equal(onSnp.extendRtmr3, undefined);
    const onOldKernel = await openConfigfsTsm({ fs: new ForgedKernel(tdx) });
    assert.equal(onOldKernel.extendRtmr3, undefined);
  });

  for (const length of [47, 49]) {
    test(`${length} bytes never reach the kernel, which would take the longer one silently`, async () => {
      const fs = forged();
      const platform = await openConfigfsTsm({ fs });
      await assert.rejects(async () => {
        await platform.extendRtmr3?.(new Uint8Array(length));
      }, code('PLATFORM_RTMR'));
      assert.deepEqual(fs.registers.get(PATH), new Uint8Array(48));
    });
  }

  test('an extend that did not happen is an error', async () => {
    const fs = forged();
    fs.deaf = true;
    const platform = await openConfigfsTsm({ fs });
    await assert.rejects(async () => {
      await platform.extendRtmr3?.(new Uint8Array(48).fill(1));
    }, code('PLATFORM_RTMR'));
  });
});
