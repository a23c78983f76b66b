import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { assay } from '../../forge/cli.js';
import { forgeOvmf } from '../../forge/ovmf.js';
import { forgePe } from '../../forge/pe.js';
import { testFolder } from '../../forge/test-folder.js';

const { at, place } = testFolder();

before(async () => {
  const policy = { version: 1, models: [{ graph: '11'.repeat(32) }] };
  const tdvf = [
    {
      ...{ dataOffset: 0, dataSize: 0x1000, address: 0xffffe000n, size: 0x1000n },
      ...{ type: 0, attributes: 1 },
    },
  ];
  const deployment = {
    version: 1,
    name: 'assay',
    tee: 'tdx',
    launchPolicy: 'strict.json',
    boot: { kernel: 'kernel', initrd: 'initrd', commandLine: 'console=ttyS0' },
    machine: {},
  };
  const files = {
    'strict.json': JSON.stringify(policy),
    'lenient.json': JSON.stringify({ ...policy, development: true, plaintext: true }),
    'deployment.json': JSON.stringify(deployment),
    'whole.json': JSON.stringify({
      ...deployment,
      boot: { ...deployment.boot, firmware: 'tdx.fd' },
    }),
    'tdx.fd': forgeOvmf({ size: 0x2000, tdvf }),
    kernel: forgePe([['.text', Buffer.alloc(512, 1)]]).bytes,
    initrd: 'initrd',
  };
  place(files);
});

describe('assay measure launch --deployment', () => {
  const measure = (file: string, ...more: readonly string[]) =>
    assay(['measure', 'launch', '--deployment', at(file), ...more, '--json']);

  test('takes the firmware of an option where the file names none', async () => {
    const { code, out, err } = await measure('deployment.json', '--firmware', at('tdx.fd'));
    assert.equal(code, 0, err);
    assert.deepEqual(JSON.parse(out).tdx, JSON.parse((await measure('whole.json')).out).tdx);
  });

  test('needs one of them', async () => {
    const { code, err } = await measure('deployment.json');
    assert.deepEqual([code, JSON.parse(err).error.code], [2, 'CONFIG_DEPLOYMENT']);
  });
});

test('assay launch writes into no file', async () => {
  const args = ['--target', 'qemu', '--output', at('kernel'), '--json'];
  const { code, err } = await assay(['launch', at('whole.json'), ...args]);
  assert.deepEqual([code, JSON.parse(err).error.code], [2, 'USAGE_FILE']);
});

describe('assay launch-policy digest', () => {
  const digest = (file: string, ...more: readonly string[]) =>
    assay(['launch-policy', 'digest', at(file), ...more]);

  test('says what a policy allows beside its models', async () => {
    const { out } = await digest('lenient.json');
    assert.match(out, /DEVELOPMENT/);
    assert.match(out, /PLAINTEXT/);
    const { development, plaintext } = JSON.parse((await digest('lenient.json', '--json')).out);
    assert.deepEqual([development, plaintext], [true, true]);
  });

  test('and that it allows nothing', async () => {
    assert.doesNotMatch((await digest('strict.json')).out, /DEVELOPMENT|PLAINTEXT/);
    const { development, plaintext } = JSON.parse((await digest('strict.json', '--json')).out);
    assert.deepEqual([development, plaintext], [false, false]);
  });
});
