import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { encodeAuxblob } from '../../../attestation/evidence/auxblob.js';
import { SNP_REPORT_SIZE } from '../../../attestation/evidence/snp-report.js';
import { openConfigfsTsm } from '../../../enclave/platform/configfs-tsm.js';
import { type Diagnosis, diagnose, type Patient } from '../../../enclave/platform/doctor.js';
import { adviceOnNode } from '../../../enclave/platform/node-version.js';
import { errno, ForgedKernel, type ForgedProvider } from '../../forge/kernel.js';
import { tdx } from '../../forge/tsm-providers.js';

const MOUNTED = Buffer.from('configfs /sys/kernel/config configfs rw 0 0\n');

class Machine extends ForgedKernel {
  mounts: Uint8Array | undefined = MOUNTED;

  override async read(path: string, limit: number): Promise<Uint8Array<ArrayBuffer>> {
    if (path !== '/proc/self/mounts') return super.read(path, limit);
    if (this.mounts === undefined) throw errno('ENOENT');
    return Uint8Array.from(this.mounts);
  }
}

/** A machine that lets nobody remove a report directory. */
class StickyKernel extends Machine {
  override removeDirectory(): Promise<void> {
    return Promise.reject(errno('EBUSY'));
  }
}

function report(hostData: number): (data: Uint8Array) => Uint8Array {
  return (reportData) => {
    const bytes = new Uint8Array(SNP_REPORT_SIZE);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, 3, true);
    view.setBigUint64(8, 0x30000n, true);
    view.setUint32(0x34, 1, true);
    bytes.set(reportData, 0x50);
    bytes.fill(hostData, 0xc0, 0xe0);
    return bytes;
  };
}

const healthy: ForgedProvider = {
  name: 'sev_guest',
  answer: report(7),
  auxiliary: encodeAuxblob([{ kind: 'vcek', data: Uint8Array.of(1) }]),
};

/** A TD whose register holds 48 of these bytes. */
function tdWith(held: number): Machine {
  const fs = new Machine(tdx);
  const path = '/sys/class/misc/tdx_guest/measurements/rtmr3:sha384';
  fs.registers.set(path, new Uint8Array(48).fill(held));
  return fs;
}

function patient(fs: Machine, change: Partial<Patient> = {}): Patient {
  return {
    fs,
    kernelRelease: '7.2.12+deb13-cloud-amd64',
    memoryBytes: 4 * 1024 ** 3,
    versions: { node: '24.21.0', nghttp2: '1.70.0' },
    now: new Date('2026-11-21T00:00:00Z'),
    trial: new Uint8Array(64).fill(1),
    open: async () => ({ kind: 'configfs-tsm', platform: await openConfigfsTsm({ fs }) }),
    ...change,
  };
}

const troubled = (diagnoses: readonly Diagnosis[]): string[] =>
  diagnoses
    .filter(({ outcome }) => outcome !== 'ok')
    .map(({ check, outcome }) => `${outcome} ${check}`);

suite('doctor', () => {
  test('finds nothing wrong with a healthy guest, and leaves no report directory behind', async () => {
    const fs = new Machine(healthy);
    assert.deepEqual(troubled(await diagnose(patient(fs))), []);
    assert.equal(fs.directories.size, 0);
  });

  test('finds nothing wrong with a TD of which nothing extended RTMR3', async () => {
    const found = await diagnose(patient(tdWith(0)));
    assert.deepEqual(troubled(found), []);
    const { found: register } = found.find(({ check }) => check === 'run-time register') ?? {};
    assert.equal(register, 'RTMR3 is writable, and zero');
  });

  test('notices mounts that nobody can read, and closes what it opened all the same', async () => {
    const fs = new Machine(healthy);
    fs.mounts = undefined;
    assert.deepEqual(troubled(await diagnose(patient(fs))), ['problem configfs']);
    assert.equal(fs.directories.size, 0);
  });

  for (const kind of ['vcek', 'vlek'] as const) {
    test(`finds nothing wrong with the first kernel that reports, and a ${kind} of the host`, async () => {
      const auxiliary = encodeAuxblob([{ kind, data: Uint8Array.of(1) }]);
      const guest = patient(new Machine({ ...healthy, auxiliary }), { kernelRelease: '6.7.0' });
      assert.deepEqual(troubled(await diagnose(guest)), []);
    });
  }

  test("looks for no kernel interface where Azure's paravisor has the hardware", async () => {
    const azure = (fs: Machine): Patient =>
      patient(fs, {
        kernelRelease: '5.15.0',
        open: async () => ({ kind: 'azure-vtpm', platform: await openConfigfsTsm({ fs }) }),
      });
    assert.deepEqual(troubled(await diagnose(azure(new Machine(healthy)))), ['warning provider']);
    const found = await diagnose(azure(new Machine(tdx)));
    assert.deepEqual(troubled(found), ['warning provider', 'warning run-time register']);
    assert.match(found.at(-1)?.advice ?? '', /^the paravisor keeps the registers/);
  });

  for (const [kernelRelease, advice] of [
    ['6.15.9', /^Linux 6\.16 and later offer it/],
    ['6.16.0', /^give the service write access/],
  ] as const) {
    test(`advises on the register of a TD with Linux ${kernelRelease}, and names its pinning`, async () => {
      const found = await diagnose(patient(new Machine(tdx), { kernelRelease }));
      const of = (wanted: string) => found.find(({ check }) => check === wanted);
      assert.match(of('run-time register')?.advice ?? '', advice);
      assert.match(of('launch policy')?.found ?? '', /^MRCONFIGID /);
    });
  }

  const cases: readonly [string, () => Patient, readonly string[]][] = [
    [
      'a Node.js that callers can end',
      () => patient(new Machine(healthy), { versions: { node: '22.23.3', nghttp2: '1.69.0' } }),
      ['warning node'],
    ],
    [
      'an old kernel',
      () => patient(new Machine(healthy), { kernelRelease: '6.1.0-51-cloud' }),
      ['problem kernel'],
    ],
    [
      'the last kernel that has no reports',
      () => patient(new Machine(healthy), { kernelRelease: '6.6.99' }),
      ['problem kernel'],
    ],
    [
      'a clock in the past',
      () => patient(new Machine(healthy), { now: new Date(0) }),
      ['problem clock'],
    ],
    [
      'a clock in the far future',
      () => patient(new Machine(healthy), { now: new Date('2199-01-01T00:00:00Z') }),
      ['problem clock'],
    ],
    [
      'little memory',
      () => patient(new Machine(healthy), { memoryBytes: 512 * 1024 ** 2 }),
      ['warning memory'],
    ],
    [
      'no configfs',
      () => {
        const fs = new Machine(healthy);
        fs.mounts = Buffer.from('proc /proc proc rw 0 0\n');
        return patient(fs);
      },
      ['problem configfs'],
    ],
    [
      'a report directory that stays behind',
      () => patient(new StickyKernel(healthy)),
      ['warning report directory'],
    ],
    ['no provider', () => patient(new Machine(undefined)), ['problem provider']],
    ['no permission', () => patient(new Machine(healthy, 'EACCES')), ['problem provider']],
    [
      'hardware that fails',
      () => patient(new Machine({ ...healthy, answer: () => Promise.reject(errno('EIO')) })),
      ['problem report'],
    ],
    [
      'a TD whose RTMR3 an earlier process extended',
      () => patient(tdWith(5)),
      ['problem run-time register'],
    ],
    [
      'a TD without a register to extend',
      () => patient(new Machine(tdx)),
      ['warning run-time register'],
    ],
    [
      'nothing pinned',
      () => patient(new Machine({ ...healthy, answer: report(0) })),
      ['warning launch policy'],
    ],
    [
      'no certificates',
      () => patient(new Machine({ name: 'sev_guest', answer: report(7) })),
      ['warning certificates'],
    ],
    [
      'certificates without that of the key',
      () => {
        const auxiliary = encodeAuxblob([{ kind: 'ask', data: Uint8Array.of(1) }]);
        return patient(new Machine({ ...healthy, auxiliary }));
      },
      ['warning certificates'],
    ],
    [
      'garbage for certificates',
      () => patient(new Machine({ ...healthy, auxiliary: new Uint8Array(3) })),
      ['warning certificates'],
    ],
  ];
  for (const [what, make, expected] of cases) {
    test(`notices ${what}, and nothing else`, async () => {
      const diagnoses = await diagnose(make());
      assert.deepEqual(troubled(diagnoses), expected);
      for (const { outcome, advice } of diagnoses) assert.equal(advice === '', outcome === 'ok');
    });
  }
});

for (const { nghttp2, safe } of [
  { nghttp2: undefined, safe: false },
  { nghttp2: '0.99.0', safe: false },
  { nghttp2: '1.69.9', safe: false },
  { nghttp2: '1.70.0', safe: true },
  { nghttp2: '2.0.0', safe: true },
]) {
  test(`a Node.js with nghttp2 ${nghttp2} is ${safe ? 'advised' : 'not advised'} for strangers`, () => {
    assert.equal(adviceOnNode({ node: '24.0.0', nghttp2 }) === undefined, safe);
  });
}
