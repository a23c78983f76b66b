import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { parsePolicy } from '../../attestation/appraisal/policy.js';
import { equalBytes } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { parseAuxblob } from '../../attestation/evidence/auxblob.js';
import { userDataOf } from '../../attestation/evidence/runtime-claims.js';
import { openAzureVtpm } from '../../enclave/platform/azure-vtpm.js';
import type { Diagnosis } from '../../enclave/platform/doctor.js';
import { createSimulator } from '../../enclave/platform/simulator/simulator.js';
import { encodeCommand, sized } from '../../enclave/platform/tpm/command.js';
import type { Tpm } from '../../enclave/platform/tpm/device.js';
import { NvIndices } from '../../enclave/platform/tpm/nv.js';
import { Paravisor, USER_DATA_INDEX } from '../forge/paravisor.js';
import type { Machine } from './machine.js';
import { makeOverlay, text } from './overlay.js';
import { SOFTWARE_TPM_INDEX } from './paravisor-agent.js';
import {
  connectWhenReady,
  guest,
  line,
  loadOrder,
  MINUTES,
  MODEL,
  models,
  mrConfigId,
  release,
  scenario,
  start,
} from './release.js';
import { openServedTpm, startControlledTpm, startServedTpm } from './software-tpm.js';

const DATA = Uint8Array.from({ length: 64 }, (_, index) => index);
const MEASUREMENT = 'ab'.repeat(48);
const keys = join(guest, 'keys');

/** What the doctor finds in the guest, as `outcome check: found`. */
async function doctor(machine: Machine): Promise<string[]> {
  const found = (await scenario(machine, 'doctor')) as readonly Diagnosis[];
  return found.map(({ outcome, check, found: what }) => `${outcome} ${check}: ${what}`);
}

suite('a TDX provider behind the real kernel interface', { timeout: 60 * MINUTES }, () => {
  test('the guest boots, attests with quotes, and answers', async (t) => {
    const overlay = await makeOverlay(loadOrder, { tee: 'tdx', mrConfigId });
    const machine = await start('tdx', [release, overlay.archive]);
    t.after(() => machine.stop());
    const policy = parsePolicy({
      version: 1,
      tdx: { allowUnknown: ['mrTd', 'rtmr0', 'rtmr1', 'rtmr2'], mrConfigId: [mrConfigId] },
      enclave: { models, allowMissingEventLog: true },
    });
    const session = await connectWhenReady(machine, overlay.trust, policy);
    const answer = await session.infer(MODEL, [line]);
    assert.ok(session.result.affirmed && session.result.fresh && session.result.tee === 'tdx');
    assert.ok(answer.checks.every((check) => check.outcome === 'pass'));
    session.close();

    await t.test(
      'without run-time registers a client has to accept that no event log is there',
      async () => {
        const strict = { ...policy, enclave: { models } };
        await assert.rejects(
          connectWhenReady(machine, overlay.trust, parsePolicy(strict)),
          ({ cause }: Error) => /event/.test(String(cause)),
        );
      },
    );

    for (const [name, outcome] of [
      ['genuine', 'ok'],
      ['busy three times', 'ok'],
      ['hardware timeout', 'PLATFORM_TIMEOUT'],
      ['firmware error', 'PLATFORM_FIRMWARE'],
      ['empty report', 'PLATFORM_REPORT_EMPTY'],
      ['report that ends early', 'TDX_QUOTE_FORMAT'],
    ] as const) {
      await t.test(`${name}: ${outcome}, and the next request is served`, async () => {
        assert.deepEqual(await scenario(machine, name), [outcome, 'ok']);
      });
    }

    await t.test(
      'the doctor names the provider, and says that RTMR3 cannot be extended',
      async () => {
        const found = await doctor(machine);
        assert.ok(found.includes('ok provider: tdx'), found.join('\n'));
        assert.ok(found.includes(`ok launch policy: MRCONFIGID ${mrConfigId}`), found.join('\n'));
        assert.ok(found.includes('warning run-time register: RTMR3 cannot be extended'));
      },
    );
  });
});

/** A software TPM in this folder, provisioned as Azure's paravisor does at boot; then the work. */
async function withParavisor(
  folder: string,
  work: (paravisor: Paravisor, tpm: Tpm) => Promise<void>,
): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  const served = await startServedTpm(folder);
  const tpm = await openServedTpm(served);
  try {
    const simulator = await createSimulator({
      tee: 'sev-snp',
      launchPolicyDigest: new Uint8Array(32),
      rootDirectory: keys,
    });
    const paravisor = new Paravisor(simulator, tpm, SOFTWARE_TPM_INDEX);
    await paravisor.start();
    await work(paravisor, tpm);
  } finally {
    await tpm.close();
    await served.stop();
  }
}

suite("the vTPM of Azure's paravisor, played by swtpm", { timeout: 60 * MINUTES }, () => {
  const folder = join(guest, 'azure-tpm');
  const drive = ({ tpm, host }: Paravisor) => {
    // The driver opens the TPM for each report; the test keeps one connection.
    const openTpm = async () => ({ ...tpm, close: async () => undefined });
    return openAzureVtpm({ openTpm, host });
  };

  test('the driver speaks to a real TPM: it makes its index, writes it, and reads the report', () =>
    withParavisor(folder, async (paravisor, tpm) => {
      const platform = await drive(paravisor);
      const first = await platform.attest(DATA);
      assert.ok(first.runtimeClaims && first.endorsements);
      assert.deepEqual(userDataOf(first.runtimeClaims), DATA);
      const nv = new NvIndices(tpm);
      assert.equal(await nv.size(USER_DATA_INDEX), 64);
      const data = Array.from({ length: 5 }, (_, index) => new Uint8Array(64).fill(index));
      const later = await Promise.all(data.map((each) => platform.attest(each)));
      later.forEach(({ runtimeClaims }, index) => {
        const wanted = data[index] ?? new Uint8Array();
        assert.ok(runtimeClaims && equalBytes(userDataOf(runtimeClaims) ?? DATA, wanted));
      });
    }));

  test('an index that another program made in another size is made anew', () =>
    withParavisor(folder, async (paravisor, tpm) => {
      const nv = new NvIndices(tpm);
      await nv.write(USER_DATA_INDEX, new Uint8Array(32));
      const { runtimeClaims } = await (await drive(paravisor)).attest(DATA);
      assert.deepEqual(runtimeClaims && userDataOf(runtimeClaims), DATA);
    }));

  test('an owner with a password is told as a matter of permission', () =>
    withParavisor(folder, async (paravisor, tpm) => {
      const platform = await drive(paravisor);
      // TPM2_HierarchyChangeAuth of the owner.
      const parameters = sized(Uint8Array.of(1, 2, 3));
      const change = { code: 0x129, handles: [0x40000001], authorised: true, parameters };
      await tpm.transact(encodeCommand(change));
      await assert.rejects(
        platform.attest(DATA),
        (error) => error instanceof AssayError && error.code === 'PLATFORM_PERMISSION',
      );
    }));

  test('a TPM without the index is none of Azure’s', () =>
    withParavisor(folder, async (_, tpm) => {
      // TPM2_NV_UndefineSpace.
      const handles = [0x40000001, 0x01400001];
      const remove = { code: 0x122, handles, authorised: true, parameters: new Uint8Array() };
      await tpm.transact(encodeCommand(remove));
      const openTpm = async () => ({ ...tpm, close: async () => undefined });
      await assert.rejects(
        openAzureVtpm({ openTpm }),
        (error) => error instanceof AssayError && error.code === 'PLATFORM_NO_INDEX',
      );
    }));

  test('the guest boots with that TPM, attests through the kernel’s device, and answers', async (t) => {
    await withParavisor(folder, async () => undefined);
    const configuration = JSON.stringify({
      listen: { host: '0.0.0.0', port: 8443 },
      platform: { kind: 'azure-vtpm' },
      models: [
        {
          name: MODEL,
          path: `/app/models/${MODEL}/1/ch_ppocr_mobile_v2.0_cls_infer.onnx`,
          batching: { maxBatchSize: 1 },
        },
      ],
    });
    const launch = {
      tee: 'sev-snp',
      hostData: '00'.repeat(32),
      measurement: MEASUREMENT,
      paravisor: true,
    } as const;
    const overlay = await makeOverlay(loadOrder, launch, [text('/app/config.yaml', configuration)]);
    const tpm = await startControlledTpm(folder);
    const machine = await start('azure', [release, overlay.archive], undefined, [
      ...['-chardev', `socket,id=tpm,path=${tpm.socket}`],
      ...['-tpmdev', 'emulator,id=tpm0,chardev=tpm', '-device', 'tpm-crb,tpmdev=tpm0'],
    ]);
    t.after(async () => {
      await machine.stop();
      await tpm.stop();
    });
    const policy = parsePolicy({
      version: 1,
      snp: { measurements: [MEASUREMENT] },
      enclave: { models, allowUnpinned: true },
    });
    const simulator = await createSimulator({
      tee: 'sev-snp',
      launchPolicyDigest: new Uint8Array(32),
      rootDirectory: keys,
    });
    const { endorsements } = await simulator.attest(DATA);
    const amd = parseAuxblob(endorsements ?? new Uint8Array()).map(({ data }) => data);
    const trust = { ...overlay.trust, endorsements: { amd } };
    const session = await connectWhenReady(machine, trust, policy);
    const answer = await session.infer(MODEL, [line]);
    assert.ok(session.result.affirmed && session.result.fresh);
    assert.ok(session.result.checks.some(({ id }) => id === 'snp.runtime-claims'));
    assert.ok(answer.checks.every((check) => check.outcome === 'pass'));
    session.close();

    await t.test('the doctor finds the vTPM where the kernel has no provider', async () => {
      const found = await doctor(machine);
      const provider = "warning provider: sev-snp, through the vTPM of Azure's paravisor";
      assert.ok(found.includes(provider), found.join('\n'));
    });

    await t.test('a policy that wants models pinned at launch refuses it', async () => {
      const strict = parsePolicy({
        version: 1,
        snp: { measurements: [MEASUREMENT] },
        enclave: { models },
      });
      await assert.rejects(connectWhenReady(machine, trust, strict), ({ cause }: Error) =>
        /pinned/.test(String(cause)),
      );
    });
  });
});
