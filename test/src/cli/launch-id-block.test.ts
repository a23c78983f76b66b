import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { before, suite, test } from 'node:test';
import { assay } from '../../forge/cli.js';
import { AMD_SEV_2023, forgeOvmf } from '../../forge/ovmf.js';
import { testFolder } from '../../forge/test-folder.js';

const { at } = testFolder();

const DEPLOYMENT = {
  version: 1,
  name: 'assay',
  tee: 'sev-snp',
  launchPolicy: 'policy.json',
  boot: { firmware: 'snp.fd', kernel: 'kernel', initrd: 'kernel', commandLine: 'quiet' },
  machine: {},
};

const pem = (): string =>
  generateKeyPairSync('ec', { namedCurve: 'P-384' })
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString();

/** Measures a deployment with these members; words that end in `.pem` are files of the folder. */
async function measure(members: object, ...words: readonly string[]) {
  await writeFile(at('deployment.json'), JSON.stringify({ ...DEPLOYMENT, ...members }));
  const args = words.map((word) => (word.endsWith('.pem') ? at(word) : word));
  return assay(['measure', 'launch', '--deployment', at('deployment.json'), ...args, '--json']);
}

/** Reference values of the deployment as it is signed, and its members with that ID block. */
async function signed(...keys: readonly string[]) {
  const { launch, ...reference } = JSON.parse((await measure({}, ...keys)).out);
  const idBlock = { block: launch.idBlock, authentication: launch.idAuth };
  return { reference, members: { snp: { idBlock } } };
}

suite('assay measure launch of a deployment with an ID block', () => {
  before(async () => {
    await writeFile(at('snp.fd'), forgeOvmf(AMD_SEV_2023));
    await writeFile(at('kernel'), 'kernel');
    const policy = { version: 1, models: [{ graph: '11'.repeat(32) }] };
    await writeFile(at('policy.json'), JSON.stringify(policy));
    for (const name of ['id.pem', 'author.pem', 'other.pem']) await writeFile(at(name), pem());
  });

  for (const [what, keys, authors] of [
    ['an ID key', ['--id-key', 'id.pem'], 0],
    ['an ID key and its author', ['--id-key', 'id.pem', '--author-key', 'author.pem'], 1],
  ] as const) {
    test(`expects the digests of ${what} that the block was signed with`, async () => {
      const { reference, members } = await signed(...keys);
      const { snp, inputs } = JSON.parse((await measure(members)).out);
      assert.deepEqual([snp, inputs], [reference.snp, reference.inputs]);
      assert.equal(snp.idKeyDigests.length, 1);
      assert.equal(snp.authorKeyDigests?.length ?? 0, authors);
    });
  }

  test('expects the key of the options, which win', async () => {
    const { members } = await signed('--id-key', 'id.pem');
    const { reference } = await signed('--id-key', 'other.pem');
    const { snp } = JSON.parse((await measure(members, '--id-key', 'other.pem')).out);
    assert.deepEqual(snp, reference.snp);
  });

  test('refuses a block that is for another launch, and says how to make one', async () => {
    const { reference, members } = await signed('--id-key', 'id.pem');
    const other = { ...members, boot: { ...DEPLOYMENT.boot, commandLine: 'debug' } };
    const { code, out, err } = await measure(other);
    assert.deepEqual([code, out, JSON.parse(err).error.code], [2, '', 'CONFIG_DEPLOYMENT']);
    const [named] = reference.snp.measurements;
    assert.match(
      JSON.parse(err).error.message,
      new RegExp(`for MEASUREMENT ${named}, not .*--id-key`),
    );
    assert.equal((await measure(other, '--id-key', 'id.pem')).code, 0);
  });

  test('signs none for a guest policy that the firmware refuses', async () => {
    const { code, err } = await measure({}, '--id-key', 'id.pem', '--guest-policy', '0x0');
    assert.deepEqual([code, JSON.parse(err).error.code], [2, 'MEASUREMENT_INPUT']);
  });

  test('is for one number of processors', async () => {
    const { members } = await signed('--id-key', 'id.pem');
    const { code, err } = await measure(members, '--processors', '2,4');
    assert.deepEqual([code, JSON.parse(err).error.code], [2, 'USAGE_OPTION']);
  });
});
