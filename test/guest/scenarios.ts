import { closeSync, mkdirSync, openSync, readFileSync, rmdirSync, writeSync } from 'node:fs';
import { open, readdir, readFile, writeFile } from 'node:fs/promises';
import { release, totalmem } from 'node:os';
import { AssayError } from '../../attestation/encoding/error.js';
import { openConfigfsTsm } from '../../enclave/platform/configfs-tsm.js';
import { diagnose, thisMachine } from '../../enclave/platform/doctor.js';
import { kernelFs } from '../../enclave/platform/report-fs.js';
import { type Behaviour, played } from './hardware.js';

const REPORTS = '/sys/kernel/config/tsm/report';
const LINUX = { EIO: 5, EBUSY: 16, EINVAL: 22, ENOTTY: 25, ETIMEDOUT: 110 } as const;

const failing =
  (error: number): Behaviour =>
  () => ({ error: -error, report: new Uint8Array(), auxiliary: new Uint8Array() });

const after =
  (milliseconds: number): Behaviour =>
  (genuine) =>
    new Promise((resolve) => setTimeout(() => resolve(genuine), milliseconds));

const DATA = Uint8Array.from({ length: 64 }, (_, index) => index);

/** The code of the error, or `ok`. */
async function outcome(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
    return 'ok';
  } catch (error) {
    if (error instanceof AssayError) return error.code;
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
}

/** One request under each behaviour, then one without: the driver recovers. */
async function under(next: Behaviour[], deadline = 20_000): Promise<readonly string[]> {
  const platform = await openConfigfsTsm({ deadline });
  played.behaviours = [...next];
  const first = await outcome(() => platform.attest(DATA));
  played.behaviours = [];
  const second = await outcome(() => platform.attest(DATA));
  await platform.close();
  return [first, second];
}

/** What the host may ask for, by name: the product's own driver against the real kernel. */
export const SCENARIOS: Readonly<Record<string, () => Promise<unknown>>> = {
  genuine: () => under([]),
  'invalid argument': () => under([failing(LINUX.EINVAL)]),
  'firmware error': () => under([failing(LINUX.EIO)]),
  'wiped key': () => under([failing(LINUX.ENOTTY)]),
  'hardware timeout': () => under([failing(LINUX.ETIMEDOUT)]),
  'busy three times': () => under(Array.from({ length: 3 }, () => failing(LINUX.EBUSY))),
  'busy until the deadline': () =>
    under(
      Array.from({ length: 100 }, () => failing(LINUX.EBUSY)),
      1500,
    ),
  'slow beyond the deadline': () => under([after(5000)], 4000),
  'empty report': () => under([(genuine) => ({ ...genuine, report: new Uint8Array() })]),
  'report that ends early': () =>
    under([(genuine) => ({ ...genuine, report: genuine.report.subarray(0, 0x100) })]),
  'report over other data': () =>
    under([
      (genuine) => {
        const report = Uint8Array.from(genuine.report);
        report[0x50] = 0xff;
        return { ...genuine, report };
      },
    ]),
  'no auxiliary blob': () => under([(genuine) => ({ ...genuine, auxiliary: new Uint8Array() })]),
  'forty callers at once': async () => {
    const platform = await openConfigfsTsm();
    const before = played.requests;
    const wanted = Array.from({ length: 40 }, (_, index) => new Uint8Array(64).fill(index));
    const reports = await Promise.all(wanted.map((data) => platform.attest(data)));
    await platform.close();
    return {
      answered: reports.filter(({ report }, index) => report[0x50] === index).length,
      withCertificates: reports.filter(({ endorsements }) => endorsements !== undefined).length,
      requests: played.requests - before,
    };
  },
  'another writer': async () => {
    const platform = await openConfigfsTsm();
    let writing = true;
    let writes = 0;
    const intrude = async (): Promise<void> => {
      while (writing) {
        for (const name of await readdir(REPORTS)) {
          await writeFile(`${REPORTS}/${name}/inblob`, new Uint8Array(64).fill(0xee));
          writes += 1;
        }
      }
    };
    const intruder = intrude();
    const outcomes: string[] = [];
    for (let i = 0; i < 10; i++) outcomes.push(await outcome(() => platform.attest(DATA)));
    writing = false;
    await intruder;
    const recovered = await outcome(() => platform.attest(DATA));
    await platform.close();
    return { outcomes, recovered, writes };
  },
  'measured boot': async () => {
    const tpm = '/sys/class/tpm/tpm0/pcr-sha384';
    const registers = await Promise.all(
      Array.from({ length: 16 }, async (_, index) =>
        (await readFile(`${tpm}/${index}`, 'utf8')).trim().toLowerCase(),
      ),
    );
    const log = await readFile('/sys/kernel/security/tpm0/binary_bios_measurements');
    return { registers, log: log.toString('base64') };
  },
  doctor: () =>
    diagnose(
      thisMachine(kernelFs, {
        kernelRelease: release(),
        versions: process.versions,
        memoryBytes: totalmem(),
        now: new Date(),
        trial: DATA,
      }),
    ),
  'kernel semantics': async () => {
    const path = `${REPORTS}/assay-semantics`;
    mkdirSync(path);
    const generation = (): number => Number(readFileSync(`${path}/generation`, 'utf8'));
    const write = (length: number): string => {
      const inblob = openSync(`${path}/inblob`, 'w');
      try {
        writeSync(inblob, new Uint8Array(length));
        return 'ok';
      } catch (error) {
        return error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
      } finally {
        closeSync(inblob);
      }
    };
    const read = (): Promise<string> =>
      outcome(async () => {
        const file = await open(`${path}/outblob`);
        await file.read(new Uint8Array(16), 0, 16, null).finally(() => file.close());
      });
    const early = await read();
    const start = generation();
    const whole = [write(64), generation() - start, await read()];
    const long = [write(65), generation() - start];
    const short = [write(63), await read()];
    rmdirSync(path);
    return { early, whole, long, short };
  },
};
