import { equalBytes, toHex } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { label, sha512 } from '../../attestation/encoding/hash.js';
import { type HclReport, parseHclReport } from '../../attestation/evidence/hcl.js';
import { paravisorReportData, userDataOf } from '../../attestation/evidence/runtime-claims.js';
import { parseSnpReport } from '../../attestation/evidence/snp-report.js';
import { type AzureHost, azureHost } from './azure-imds.js';
import { ownReport } from './own-report.js';
import { assertReportData, type HardwareEvidence, type HardwarePlatform } from './platform.js';
import { pause, type Scheduler, SerialQueue, systemScheduler } from './serial-queue.js';
import { openTpmDevice, type Tpm } from './tpm/device.js';
import { NvIndices } from './tpm/nv.js';

export interface AzureOptions {
  readonly openTpm?: () => Promise<Tpm>;
  readonly host?: AzureHost;
  /** Milliseconds that a caller waits, its place in the queue included. */
  readonly deadline?: number;
  readonly scheduler?: Scheduler;
}

/**
 * Indices of the paravisor's vTPM (Microsoft, "Azure confidential VM guest attestation"; OpenHCL,
 * `tpm_protocol`): the report, which the paravisor owns, and the guest's 64 bytes for it.
 */
const REPORT_INDEX = 0x01400001;
const USER_DATA_INDEX = 0x01400002;
const DEADLINE = 70_000;
const QUEUE_LIMIT = 64;
/** The paravisor renews its report at most every two seconds (OpenHCL, REPORT_TIMER_PERIOD). */
const PAUSE = 1000;
const ATTEMPTS = 20;

/** Milliseconds for which a host that supplied no certificates is not asked again. */
const UNANSWERED = 600_000;

/** What the host supplied for a chip with its firmware, undefined for nothing, and how long that counts. */
interface Known {
  readonly chip: string;
  readonly certificates: Uint8Array | undefined;
  readonly until: number;
}

/** Failures of one attempt that the next may not have: the report changed while it was read, or a busy TPM. */
const PASSING = new Set(['HCL_BINDING', 'PLATFORM_BUSY']);

async function withTpm<T>(
  open: () => Promise<Tpm>,
  work: (nv: NvIndices) => Promise<T>,
): Promise<T> {
  const tpm = await open();
  try {
    return await work(new NvIndices(tpm));
  } finally {
    await tpm.close();
  }
}

/**
 * Opens the attestation interface of an Azure confidential VM. Its paravisor keeps the hardware's report in
 * the vTPM and binds to it a JSON text of its own, in which the guest has 64 bytes: those stand for what
 * REPORT_DATA is elsewhere. Throws PLATFORM_NO_TPM, PLATFORM_NO_INDEX (no paravisor), PLATFORM_PERMISSION,
 * PLATFORM_TPM* or HCL_*.
 */
export async function openAzureVtpm(options: AzureOptions = {}): Promise<HardwarePlatform> {
  const { openTpm = openTpmDevice, host = azureHost(), deadline = DEADLINE } = options;
  const scheduler = options.scheduler ?? systemScheduler;
  const queue = new SerialQueue(QUEUE_LIMIT, scheduler);
  const first = await withTpm(openTpm, (nv) => nv.read(REPORT_INDEX));
  const tee = parseHclReport(first).hardware;
  let known: Known | undefined;

  const certificates = async (report: Uint8Array): Promise<Uint8Array | undefined> => {
    const chip = chipAndTcb(report);
    if (known?.chip === chip && scheduler.now() < known.until) return known.certificates;
    try {
      known = { chip, certificates: await host.certificates(), until: Number.POSITIVE_INFINITY };
    } catch {
      // Verifiers fetch from AMD what the host does not supply.
      known = { chip, certificates: undefined, until: scheduler.now() + UNANSWERED };
    }
    return known.certificates;
  };

  const quoted = async ({ report, runtimeClaims }: HclReport): Promise<HardwareEvidence> => {
    const evidence =
      tee === 'tdx'
        ? { report: await host.quote(report), endorsements: undefined }
        : { report, endorsements: await certificates(report) };
    const { reportData } = ownReport(tee, evidence.report);
    if (!equalBytes(reportData, paravisorReportData(runtimeClaims))) {
      throw new AssayError('PLATFORM_REPORT_MISMATCH', 'the quote answers another request');
    }
    return { ...evidence, runtimeClaims };
  };

  const attest = async (reportData: Uint8Array): Promise<HardwareEvidence> => {
    assertReportData(reportData);
    const wanted = Uint8Array.from(reportData);
    return queue.run(deadline, async (expired) => {
      const work = (nv: NvIndices) => renewed(nv, wanted, expired, scheduler);
      return quoted(await withTpm(openTpm, work));
    });
  };

  return {
    tee,
    simulated: false,
    attest,
    launchBinding: async () => {
      const { report } = await attest(sha512(label('launch-binding')));
      return { configuration: ownReport(tee, report).configuration };
    },
    // The paravisor extends the registers of a TDX guest, and lets the guest extend none.
    rtmr3: undefined,
    // The TPM is open only while a report is made.
    close: async () => undefined,
  };
}

/** Whose certificate verifies the report: it changes with the chip and with its firmware. */
function chipAndTcb(report: Uint8Array): string {
  const { chipId, reportedTcb } = parseSnpReport(report);
  return `${toHex(chipId)} ${reportedTcb}`;
}

/**
 * The paravisor's report over these 64 bytes. Reading its beginning makes a new one, unless the last is
 * less than two seconds old: then that one comes, and the claims tell. Another program of the guest may
 * write or read the same indices between, so both steps are repeated together.
 */
async function renewed(
  nv: NvIndices,
  wanted: Uint8Array,
  expired: () => boolean,
  scheduler: Scheduler,
): Promise<HclReport> {
  let last: unknown;
  for (let attempt = 0; attempt < ATTEMPTS && !expired(); attempt++) {
    if (attempt > 0) await pause(scheduler, PAUSE);
    try {
      await nv.write(USER_DATA_INDEX, wanted);
      const hcl = parseHclReport(await nv.read(REPORT_INDEX));
      const stated = userDataOf(hcl.runtimeClaims);
      if (stated !== undefined && equalBytes(stated, wanted)) return hcl;
    } catch (error) {
      if (!(error instanceof AssayError && PASSING.has(error.code))) throw error;
      last = error;
    }
  }
  throw new AssayError(
    'PLATFORM_REPORT_STALE',
    `the paravisor's report did not take up this guest's data in ${ATTEMPTS} attempts: it does not renew its report, or another program writes NV index 0x${USER_DATA_INDEX.toString(16)}`,
    last,
  );
}
