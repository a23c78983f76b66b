import { equalBytes } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { label, sha512 } from '../../attestation/encoding/hash.js';
import { isTransient, platformError } from './configfs-errors.js';
import { ownReport } from './own-report.js';
import {
  assertReportData,
  type HardwareEvidence,
  type HardwarePlatform,
  type LaunchBinding,
  type Platform,
} from './platform.js';
import { type KernelReport, ReportDirectory } from './report-directory.js';
import { kernelFs, type ReportFs } from './report-fs.js';
import { findRtmr3 } from './rtmr.js';
import { pause, type Scheduler, SerialQueue, systemScheduler } from './serial-queue.js';

export interface ConfigfsOptions {
  /**
   * Milliseconds that a caller waits, its place in the queue included. The default outlasts the
   * kernel's own patience (60 s on SNP, 30 s on TDX), so that its error is seen and not ours.
   */
  readonly deadline?: number;
  readonly fs?: ReportFs;
  readonly scheduler?: Scheduler;
}

const TEES: ReadonlyMap<string, Platform['tee']> = new Map([
  ['sev_guest', 'sev-snp'],
  ['tdx_guest', 'tdx'],
]);
const DEADLINE = 70_000;
const QUEUE_LIMIT = 64;
const ATTEMPTS_ON_RACE = 3;
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 2000;

/**
 * Opens the attestation interface of the running kernel: SEV-SNP and TDX through configfs-tsm.
 * Throws PLATFORM_NO_CONFIGFS, PLATFORM_NO_PROVIDER, PLATFORM_PERMISSION or PLATFORM_PROVIDER.
 */
export async function openConfigfsTsm(options: ConfigfsOptions = {}): Promise<HardwarePlatform> {
  const fs = options.fs ?? kernelFs;
  const scheduler = options.scheduler ?? systemScheduler;
  const deadline = options.deadline ?? DEADLINE;
  const directory = await ReportDirectory.create(fs);
  const tee = TEES.get(directory.provider);
  if (tee === undefined) {
    await directory.remove().catch(() => undefined);
    throw new AssayError(
      'PLATFORM_PROVIDER',
      `expected the provider sev_guest or tdx_guest, not ${JSON.stringify(directory.provider)}`,
    );
  }
  const queue = new SerialQueue(QUEUE_LIMIT, scheduler);

  const attest = async (reportData: Uint8Array): Promise<HardwareEvidence> => {
    assertReportData(reportData);
    const wanted = Uint8Array.from(reportData);
    const { report, auxiliary } = await queue.run(deadline, (expired) =>
      patiently(() => directory.request(wanted), expired, scheduler),
    );
    if (!equalBytes(ownReport(tee, report).reportData, wanted)) {
      throw new AssayError('PLATFORM_REPORT_MISMATCH', 'the report answers another request');
    }
    return { report, endorsements: auxiliary };
  };

  return {
    tee,
    simulated: false,
    attest,
    launchBinding: async (): Promise<LaunchBinding> => {
      const { report } = await attest(sha512(label('launch-binding')));
      return { configuration: ownReport(tee, report).configuration };
    },
    rtmr3: tee === 'tdx' ? await findRtmr3(fs) : undefined,
    close: () => directory.remove(),
  };
}

/**
 * Asks again while the hardware is busy with an earlier request, with growing pauses, until the
 * caller's deadline; a lost race for the directory is run again a few times at once.
 */
async function patiently(
  request: () => Promise<KernelReport>,
  expired: () => boolean,
  scheduler: Scheduler,
): Promise<KernelReport> {
  let races = 0;
  for (let delay = FIRST_PAUSE; ; delay = Math.min(2 * delay, LONGEST_PAUSE)) {
    try {
      return await request();
    } catch (error) {
      const raced = error instanceof AssayError && error.code === 'PLATFORM_GENERATION';
      if (raced) races += 1;
      if (raced && races < ATTEMPTS_ON_RACE) continue;
      if (!raced && isTransient(error)) {
        await pause(scheduler, delay);
        if (!expired()) continue;
      }
      throw platformError('asking the hardware for a report', error);
    }
  }
}
