import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { parseDeployment } from '../../enclave/launch/deployment.js';
import { planLaunch } from '../../enclave/launch/plan.js';
import { qemuArguments } from '../../enclave/launch/qemu.js';
import { freePort } from '../forge/free-port.js';
import { repositoryRoot } from '../vectors.js';

const root = join(repositoryRoot, '.cache/qemu-11');
const libraries = join(root, 'usr/lib/x86_64-linux-gnu');

/** What QEMU says at the point where it wants hardware: all options were understood by then. */
const WANTS_HARDWARE = {
  'sev-snp': 'cannot set up private guest memory for sev-snp-guest: KVM required',
  tdx: 'cannot set up private guest memory for tdx-guest: KVM required',
} as const;

const hostPort = await freePort();

function plan(tee: 'sev-snp' | 'tdx') {
  const deployment = parseDeployment({
    version: 1,
    name: 'assay',
    tee,
    launchPolicy: 'launch-policy.yaml',
    boot: {
      firmware: join(root, 'usr/share/qemu/bios-256k.bin'),
      kernel: join(repositoryRoot, 'build/image/vmlinuz'),
      initrd: join(repositoryRoot, 'build/image/initrd.lz4'),
      commandLine: 'console=ttyS0',
    },
    machine: { memoryMiB: 1024 },
    service: { hostPort },
  });
  const policy = {
    models: [{ graph: new Uint8Array(32), execution: null }],
    development: false,
    plaintext: false,
  };
  return planLaunch(deployment, policy);
}

/** Runs QEMU 11 with its own libraries, and with emulation where the command asks for KVM. */
function parse(words: readonly string[]): string {
  const emulated = words.map((word) => (word === 'kvm' ? 'tcg' : word === 'host' ? 'max' : word));
  const { stderr } = spawnSync(
    join(libraries, 'ld-linux-x86-64.so.2'),
    [
      '--library-path',
      [libraries, join(libraries, 'pulseaudio')].join(':'),
      join(root, 'usr/bin/qemu-system-x86_64'),
      '-L',
      join(root, 'usr/share/qemu'),
      ...emulated.slice(1),
    ],
    { timeout: 60_000 },
  );
  return stderr.toString();
}

suite("QEMU 11's own option parser", () => {
  for (const tee of ['sev-snp', 'tdx'] as const) {
    test(`reads the ${tee} command up to the point where it wants the hardware`, () => {
      const said = parse(qemuArguments(plan(tee)));
      assert.ok(said.includes(WANTS_HARDWARE[tee]), said);
    });

    test(`and would have told a misspelt option of ${tee}`, () => {
      const misspelt = qemuArguments(plan(tee)).map((word) =>
        word.replace('host-data=', 'hostdata=').replace('"mrconfigid"', '"mrconfigd"'),
      );
      assert.match(parse(misspelt), /Invalid parameter|is unexpected/);
    });
  }
});
