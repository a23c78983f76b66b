import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { concat, toHex } from '../../../attestation/encoding/bytes.js';
import { AssayError } from '../../../attestation/encoding/error.js';
import { paravisorReportData, userDataOf } from '../../../attestation/evidence/runtime-claims.js';
import type { AzureHost } from '../../../enclave/platform/azure-imds.js';
import { openAzureVtpm } from '../../../enclave/platform/azure-vtpm.js';
import { azureMachine, scheduler } from '../../forge/azure-machine.js';
import { REPORT_INDEX, runtimeClaims, USER_DATA_INDEX } from '../../forge/paravisor.js';
import { ForgedTpm, TPM_RC } from '../../forge/tpm.js';

const DATA = Uint8Array.from({ length: 64 }, (_, index) => index);

const code = (expected: string) => (error: unknown) =>
  error instanceof AssayError && error.code === expected;

suite('azure-vtpm', () => {
  for (const tee of ['sev-snp', 'tdx'] as const) {
    test(`${tee}: the report covers claims that hold the data, and the TPM is closed again`, async () => {
      const { tpm, open } = await azureMachine(tee);
      const platform = await open();
      assert.equal(platform.tee, tee);
      assert.equal(platform.simulated, false);
      assert.equal(platform.rtmr3, undefined);
      const { report, runtimeClaims: claims, endorsements } = await platform.attest(DATA);
      assert.ok(claims);
      assert.deepEqual(userDataOf(claims), DATA);
      assert.ok(Buffer.from(report).includes(Buffer.from(paravisorReportData(claims))));
      assert.equal(endorsements === undefined, tee === 'tdx');
      assert.equal(tpm.open, 0);
    });
  }

  test('the launch binding is HOST_DATA, which Azure leaves zero', async () => {
    const platform = await (await azureMachine()).open();
    assert.deepEqual(await platform.launchBinding(), { configuration: new Uint8Array(32) });
  });

  test('a report that was not renewed yet is asked for again', async () => {
    const { paravisor, open } = await azureMachine();
    const platform = await open();
    paravisor.skip = 3;
    const { runtimeClaims: claims } = await platform.attest(DATA);
    assert.deepEqual(claims && userDataOf(claims), DATA);
    assert.equal(paravisor.skip, 0);
  });

  test('a report that is never renewed is refused', async () => {
    const { paravisor, open } = await azureMachine();
    const platform = await open();
    paravisor.skip = Number.POSITIVE_INFINITY;
    await assert.rejects(platform.attest(DATA), code('PLATFORM_REPORT_STALE'));
  });

  test('a paravisor that states no user data is refused', async () => {
    const { paravisor, open } = await azureMachine();
    const platform = await open();
    paravisor.claims = () => '{"keys":[]}';
    await assert.rejects(platform.attest(DATA), code('PLATFORM_REPORT_STALE'));
  });

  test('another program that writes between is noticed, and the next attempt answers', async () => {
    const { tpm, paravisor, open } = await azureMachine();
    const platform = await open();
    let intrusions = 2;
    paravisor.claims = (userData) => {
      if (intrusions-- > 0) return runtimeClaims('ee'.repeat(64));
      return runtimeClaims(toHex(userData).toUpperCase());
    };
    const { runtimeClaims: claims } = await platform.attest(DATA);
    assert.deepEqual(claims && userDataOf(claims), DATA);
    assert.deepEqual(tpm.indices.get(USER_DATA_INDEX), DATA);
  });

  test('a report that changes while it is read is read again', async () => {
    const { tpm, open } = await azureMachine();
    const platform = await open();
    await platform.attest(DATA);
    let torn = false;
    tpm.tamper = (response) => {
      const content = tpm.indices.get(REPORT_INDEX);
      // The first part of the report has been given: another reader has it renewed now.
      if (!torn && response.length > 500 && content !== undefined) {
        torn = true;
        content[0x4e0] = (content[0x4e0] ?? 0) ^ 1;
      }
      return response;
    };
    const { runtimeClaims: claims } = await platform.attest(new Uint8Array(64).fill(9));
    assert.ok(torn);
    assert.deepEqual(claims && userDataOf(claims), new Uint8Array(64).fill(9));
  });

  test('an index of another size is made anew', async () => {
    const { tpm, open } = await azureMachine();
    tpm.indices.set(USER_DATA_INDEX, new Uint8Array(32));
    await (await open()).attest(DATA);
    assert.deepEqual(tpm.indices.get(USER_DATA_INDEX), DATA);
  });

  test('report data of another length is refused before the TPM hears of it', async () => {
    const platform = await (await azureMachine()).open();
    for (const length of [0, 63, 65]) {
      await assert.rejects(platform.attest(new Uint8Array(length)), code('PLATFORM_REPORT_DATA'));
    }
  });

  test('a machine without the index, or without a TPM, is none of Azure’s', async () => {
    const empty = new ForgedTpm();
    const openTpm = async () => empty;
    await assert.rejects(openAzureVtpm({ openTpm }), code('PLATFORM_NO_INDEX'));
    const none = () => Promise.reject(new AssayError('PLATFORM_NO_TPM', 'no TPM'));
    await assert.rejects(openAzureVtpm({ openTpm: none }), code('PLATFORM_NO_TPM'));
  });

  test('an index that holds no report of a paravisor is refused', async () => {
    const tpm = new ForgedTpm();
    tpm.indices.set(REPORT_INDEX, new Uint8Array(2600));
    await assert.rejects(openAzureVtpm({ openTpm: async () => tpm }), code('HCL_FORMAT'));
  });

  for (const [what, failure, expected] of [
    ['an owner with a password', TPM_RC.badAuth, 'PLATFORM_PERMISSION'],
    ['a lockout', TPM_RC.lockout, 'PLATFORM_PERMISSION'],
    ['a command that the TPM has not', TPM_RC.commandCode, 'PLATFORM_TPM'],
  ] as const) {
    test(`${what} is ${expected}, and the next request is served`, async () => {
      const { tpm, open } = await azureMachine();
      const platform = await open();
      tpm.failures = [failure];
      await assert.rejects(platform.attest(DATA), code(expected));
      await platform.attest(DATA);
      assert.equal(tpm.open, 0);
    });
  }

  // YIELDED, TESTING, NV_RATE, RETRY, NV_UNAVAILABLE (TPM Library, Part 2, section 6.6.3).
  for (const failure of [0x908, 0x90a, 0x920, TPM_RC.retry, 0x923]) {
    test(`a TPM that asks by 0x${failure.toString(16)} to be tried again is tried again`, async () => {
      const { tpm, open } = await azureMachine();
      const platform = await open();
      tpm.failures = [failure, failure];
      await platform.attest(DATA);
      assert.deepEqual(tpm.failures, []);
    });
  }

  for (const [what, tamper] of [
    ['cut', (response: Uint8Array) => response.subarray(0, response.length - 1)],
    ['empty', () => new Uint8Array()],
    ['too long', (response: Uint8Array) => concat(response, Uint8Array.of(0))],
    ['under another tag', (response: Uint8Array) => response.with(1, 7)],
  ] as const) {
    test(`a response that is ${what} is refused`, async () => {
      const { tpm, open } = await azureMachine();
      const platform = await open();
      tpm.tamper = tamper;
      await assert.rejects(platform.attest(DATA), code('PLATFORM_TPM_RESPONSE'));
    });
  }

  test('a quote over other data is refused', async () => {
    const { hardware, paravisor, open } = await azureMachine('tdx');
    const host: AzureHost = {
      ...paravisor.host,
      quote: async () => (await hardware.attest(DATA)).report,
    };
    const platform = await open({ host });
    await assert.rejects(platform.attest(DATA), code('PLATFORM_REPORT_MISMATCH'));
  });

  test('certificates are fetched once for a chip; a host that has none costs nothing else', async () => {
    const { paravisor, open } = await azureMachine();
    let asked = 0;
    const counting: AzureHost = {
      ...paravisor.host,
      certificates: () => {
        asked += 1;
        return asked === 1
          ? Promise.reject(new AssayError('PLATFORM_QUOTE_SERVICE', 'none'))
          : paravisor.host.certificates();
      },
    };
    let now = 0;
    const platform = await open({ host: counting, scheduler: { ...scheduler, now: () => now } });
    assert.equal((await platform.attest(DATA)).endorsements, undefined);
    assert.equal((await platform.attest(DATA)).endorsements, undefined);
    assert.equal(asked, 1);
    now += 600_000;
    assert.ok((await platform.attest(DATA)).endorsements);
    assert.ok((await platform.attest(DATA)).endorsements);
    assert.equal(asked, 2);
  });
});
