import { equalBytes, isZero, toHex } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { parseAuxblob } from '../../attestation/evidence/auxblob.js';
import { replayRuntimeLog } from '../../attestation/evidence/event-log.js';
import { errnoOf } from '../../src/system/errno.js';
import { openAzureVtpm } from './azure-vtpm.js';
import { openConfigfsTsm } from './configfs-tsm.js';
import { adviceOnNode, type NodeVersions } from './node-version.js';
import type { HardwarePlatform, RuntimeRegister } from './platform.js';
import type { ReportFs } from './report-fs.js';

/** What one look at this machine found, and what its operator can do about it. */
export interface Diagnosis {
  readonly check: string;
  readonly outcome: 'ok' | 'warning' | 'problem';
  readonly found: string;
  /** What to change; empty where nothing needs to. */
  readonly advice: string;
}

/** An interface of this machine that opened, by the name that the configuration has for it. */
interface Opened {
  readonly kind: 'configfs-tsm' | 'azure-vtpm';
  readonly platform: HardwarePlatform;
}

/** The machine, as a doctor sees it. */
export interface Patient {
  readonly fs: ReportFs;
  /** `uname -r`. */
  readonly kernelRelease: string;
  readonly memoryBytes: number;
  /** `process.versions` */
  readonly versions: NodeVersions;
  readonly now: Date;
  readonly open: () => Promise<Opened>;
  /** Report data of the trial report, 64 bytes. */
  readonly trial: Uint8Array;
}

const TSM_SINCE = [6, 7] as const;
const RTMR_SINCE = [6, 16] as const;
const ENOUGH_MEMORY = 900 * 1024 * 1024;
/** Before this code was written no clock can be right. */
const EARLIEST = Date.UTC(2026, 0, 1);
/** By then AMD's and Intel's roots of today have ended: no evidence verifies at such a time. */
const LATEST = Date.UTC(2050, 0, 1);
const MOUNTS = '/proc/self/mounts';
const MOUNTS_LIMIT = 1024 * 1024;

const ok = (check: string, found: string): Diagnosis => ({
  check,
  outcome: 'ok',
  found,
  advice: '',
});
const bad =
  (outcome: 'warning' | 'problem') =>
  (check: string, found: string, advice: string): Diagnosis => ({ check, outcome, found, advice });
const warning = bad('warning');
const problem = bad('problem');

/** An error's code and message. */
function messageOf(error: unknown): string {
  const code = error instanceof AssayError ? error.code : (errnoOf(error) ?? 'unknown');
  return `${code}: ${error instanceof Error ? error.message : String(error)}`;
}

function isSince(release: string, [major, minor]: readonly [number, number]): boolean {
  const [, a = '0', b = '0'] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  return Number(a) > major || (Number(a) === major && Number(b) >= minor);
}

function kernel({ kernelRelease }: Patient): Diagnosis {
  if (!isSince(kernelRelease, TSM_SINCE)) {
    return problem(
      'kernel',
      kernelRelease,
      'reports through configfs begin with Linux 6.7: boot a newer kernel, such as Debian 13 or bookworm-backports have',
    );
  }
  return ok('kernel', kernelRelease);
}

function clock({ now }: Patient): Diagnosis {
  const time = now.getTime();
  if (time >= EARLIEST && time < LATEST) return ok('clock', now.toISOString());
  return problem(
    'clock',
    now.toISOString(),
    `the clock is in the ${time < EARLIEST ? 'past' : 'far future'}: receipts will carry wrong times and certificates will not be valid; give the machine a clock`,
  );
}

function memory({ memoryBytes }: Patient): Diagnosis {
  const found = `${Math.round(memoryBytes / 1024 / 1024)} MiB`;
  if (memoryBytes >= ENOUGH_MEMORY) return ok('memory', found);
  return warning('memory', found, 'give the guest 1 GiB and room for its models');
}

function node({ versions }: Patient): Diagnosis {
  const advice = adviceOnNode(versions);
  return advice === undefined
    ? ok('node', versions.node)
    : warning('node', `${versions.node}, with nghttp2 ${versions.nghttp2}`, advice);
}

async function configfs({ fs }: Patient): Promise<Diagnosis> {
  let mounts: Uint8Array;
  try {
    mounts = await fs.read(MOUNTS, MOUNTS_LIMIT);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return problem('configfs', `${MOUNTS}: ${why}`, 'mount -t proc proc /proc, and let it be read');
  }
  const mounted = /^\S+ \/sys\/kernel\/config configfs /m.test(Buffer.from(mounts).toString());
  if (mounted) return ok('configfs', 'mounted on /sys/kernel/config');
  return problem(
    'configfs',
    'not mounted',
    'mount -t configfs configfs /sys/kernel/config (and load the module configfs)',
  );
}

/** Advice for a platform that does not open, by error code. */
const ADVICE: Readonly<Record<string, string>> = {
  PLATFORM_NO_CONFIGFS: 'load tsm_report, and sev-guest or tdx-guest, and mount configfs',
  PLATFORM_NO_PROVIDER:
    'this is no confidential guest, or its driver is missing: check that the host started it as SEV-SNP or TDX, then load sev-guest or tdx-guest',
  PLATFORM_PERMISSION:
    'run as root, or give the report directory (on Azure /dev/tpmrm0) to the user of the service',
  PLATFORM_PROVIDER: 'Assay knows SEV-SNP and TDX only',
};

async function report(patient: Patient, platform: HardwarePlatform): Promise<Diagnosis[]> {
  const field = platform.tee === 'tdx' ? 'MRCONFIGID' : 'HOST_DATA';
  try {
    const started = performance.now();
    const evidence = await platform.attest(patient.trial);
    const milliseconds = Math.round(performance.now() - started);
    const { configuration } = await platform.launchBinding();
    const pinned = isZero(configuration)
      ? warning(
          'launch policy',
          `${field} is zero`,
          'nothing was pinned at launch: clients will see models that measured software states; set it in the launch command where the platform lets you',
        )
      : ok('launch policy', `${field} ${toHex(configuration)}`);
    return [
      ok('report', `${evidence.report.length} bytes in ${milliseconds} ms`),
      pinned,
      ...(platform.tee === 'sev-snp' ? [certificates(evidence.endorsements)] : []),
    ];
  } catch (error) {
    return [problem('report', messageOf(error), 'see the message; the kernel log says more')];
  }
}

/** What the host supplied beside the report; verifiers fetch from AMD what is missing. */
function certificates(endorsements: Uint8Array | undefined): Diagnosis {
  const missing =
    'verifiers will fetch certificates from AMD, which limits how often: have the host supply them (snphost import)';
  if (endorsements === undefined) return warning('certificates', 'none from the host', missing);
  try {
    const kinds = parseAuxblob(endorsements).map(({ kind }) => kind);
    const found = kinds.join(', ');
    const hasKey = kinds.includes('vcek') || kinds.includes('vlek');
    return hasKey ? ok('certificates', found) : warning('certificates', found, missing);
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error);
    return warning('certificates', found, missing);
  }
}

/** Whether a log may begin in this register. */
async function register({ read }: RuntimeRegister): Promise<Diagnosis> {
  try {
    if (equalBytes(await read(), replayRuntimeLog([]))) {
      return ok('run-time register', 'RTMR3 is writable, and zero');
    }
    const advice =
      'reboot the guest: the register outlives every process, and a service that starts in this guest is refused (one that runs already is not concerned)';
    return problem('run-time register', 'RTMR3 was extended since the guest booted', advice);
  } catch (error) {
    return problem(
      'run-time register',
      messageOf(error),
      'see the message; the kernel log says more',
    );
  }
}

async function registers(patient: Patient, { kind, platform }: Opened): Promise<Diagnosis> {
  if (platform.tee === 'sev-snp') {
    return ok('run-time register', 'none on SEV-SNP: the launch policy alone pins models');
  }
  if (platform.rtmr3 !== undefined) return register(platform.rtmr3);
  const azure = 'the paravisor keeps the registers: clients must set allowMissingEventLog';
  return warning(
    'run-time register',
    'RTMR3 cannot be extended',
    kind === 'azure-vtpm'
      ? azure
      : isSince(patient.kernelRelease, RTMR_SINCE)
        ? 'give the service write access to /sys/class/misc/tdx_guest/measurements/rtmr3:sha384'
        : 'Linux 6.16 and later offer it: without it, clients must set allowMissingEventLog',
  );
}

/** Which interface it is, and what the configuration has to say. */
function provider({ kind, platform }: Opened): Diagnosis {
  if (kind === 'configfs-tsm') return ok('provider', platform.tee);
  const found = `${platform.tee}, through the vTPM of Azure's paravisor`;
  return warning('provider', found, 'the configuration must say platform: { kind: azure-vtpm }');
}

/** Closes the interface, and says what could not be given back. */
async function leftBehind(platform: HardwarePlatform): Promise<Diagnosis[]> {
  try {
    await platform.close();
    return [];
  } catch (error) {
    const advice =
      'the trial may leave its report directory behind: while no service of Assay runs, rmdir /sys/kernel/config/tsm/report/assay-*';
    return [warning('report directory', messageOf(error), advice)];
  }
}

/**
 * Looks at everything that the service needs of this machine, and asks the hardware for one report.
 * Never throws for what it finds.
 */
export async function diagnose(patient: Patient): Promise<Diagnosis[]> {
  const always = [clock(patient), memory(patient), node(patient)];
  let opened: Opened;
  try {
    opened = await patient.open();
  } catch (error) {
    const code = error instanceof AssayError ? error.code : '';
    const closed = problem('provider', messageOf(error), ADVICE[code] ?? 'see the message');
    return [kernel(patient), ...always, await configfs(patient), closed];
  }
  const { kind, platform } = opened;
  const kernels = kind === 'azure-vtpm' ? [] : [kernel(patient), await configfs(patient)];
  const reported = await report(patient, platform);
  const found = [
    ...kernels,
    ...always,
    provider(opened),
    ...reported,
    await registers(patient, opened),
  ];
  return [...found, ...(await leftBehind(platform))];
}

/** The kernel's own interface, or where there is none the vTPM of Azure's paravisor. */
async function openAny(fs: ReportFs): Promise<Opened> {
  try {
    return { kind: 'configfs-tsm', platform: await openConfigfsTsm({ fs }) };
  } catch (error) {
    try {
      return { kind: 'azure-vtpm', platform: await openAzureVtpm() };
    } catch (other) {
      const none = ['PLATFORM_NO_TPM', 'PLATFORM_NO_INDEX'];
      throw other instanceof AssayError && none.includes(other.code) ? error : other;
    }
  }
}

/** This machine. */
export function thisMachine(
  fs: ReportFs,
  facts: Pick<Patient, 'kernelRelease' | 'memoryBytes' | 'versions' | 'now' | 'trial'>,
): Patient {
  return { ...facts, fs, open: () => openAny(fs) };
}
