import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { AssayError } from '../../../attestation/encoding/error.js';
import { type Credentials, dockerCredentials } from '../../../src/hub/credentials.js';
import { homeFolder } from '../../../src/system/cache-folder.js';
import { makeFifo, needsFifo } from '../../forge/fifo.js';
import { temporaryFolder } from './setting.js';

const PASSWORD: Credentials = { kind: 'password', username: 'ann', password: 'pä:ss' };

function config(t: TestContext, content: unknown): { DOCKER_CONFIG: string } {
  const folder = temporaryFolder(t);
  writeFileSync(
    join(folder, 'config.json'),
    typeof content === 'string' ? content : JSON.stringify(content),
  );
  return { DOCKER_CONFIG: folder };
}

const auth = Buffer.from('ann:pä:ss').toString('base64');
const known: readonly (readonly [string, string, unknown, Credentials | undefined])[] = [
  ['a host', 'h:5000', { auths: { 'h:5000': { auth } } }, PASSWORD],
  ['a URL', 'h', { auths: { 'https://h/v1/': { auth } } }, PASSWORD],
  [
    'Docker Hub',
    'registry-1.docker.io',
    { auths: { 'https://index.docker.io/v1/': { auth } } },
    PASSWORD,
  ],
  [
    'an identity token',
    'h',
    { auths: { h: { auth, identitytoken: 'i' } } },
    { kind: 'identity-token', token: 'i' },
  ],
  [
    'a name and a password that are not in one',
    'h',
    { auths: { h: { username: 'ann', password: 'pä:ss' } } },
    PASSWORD,
  ],
  [
    'a name beside what has the password too',
    'h',
    { auths: { h: { username: 'bob', auth } } },
    PASSWORD,
  ],
  ['a password of nobody', 'h', { auths: { h: { password: 'pä:ss' } } }, undefined],
  ['another host', 'g', { auths: { h: { auth } } }, undefined],
  ['an empty entry', 'h', { auths: { h: {} } }, undefined],
  ['nothing', 'h', {}, undefined],
];

for (const [name, host, content, expected] of known) {
  test(`Docker’s configuration: ${name}`, async (t) => {
    assert.deepEqual(await dockerCredentials(config(t, content), homeFolder)(host), expected);
  });
}

test('Docker’s configuration may be absent, and must be sound', async (t) => {
  assert.equal(
    await dockerCredentials({ DOCKER_CONFIG: temporaryFolder(t) }, homeFolder)('h'),
    undefined,
  );
  for (const bad of [
    '{',
    '{"auths":[]}',
    { auths: { h: { auth: 'bm9jb2xvbg==' } } },
    { credsStore: '../x' },
  ]) {
    await assert.rejects(dockerCredentials(config(t, bad), homeFolder)('h'), {
      code: 'HUB_CREDENTIALS',
    });
  }
});

test('the file that REGISTRY_AUTH_FILE names may be a pipe, and serves every host that is asked for', {
  skip: needsFifo,
  timeout: 15_000,
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'assay-test-hub-'));
  const path = join(folder, 'auth');
  execFileSync('mkfifo', [path]);
  const text = JSON.stringify({ auths: { h: { auth } } });
  const writer = spawn('sh', ['-c', 'printf %s "$1" > "$2"', 'sh', text, path]);
  t.after(() => {
    writer.kill();
    // Lets go who still waits for a writer.
    closeSync(openSync(path, constants.O_RDWR));
    rmSync(folder, { recursive: true });
  });
  const find = dockerCredentials({ REGISTRY_AUTH_FILE: path }, homeFolder);
  assert.deepEqual(await find('h'), PASSWORD);
  assert.equal(await find('g'), undefined);
});

test('the file that REGISTRY_AUTH_FILE names is bounded, and read again when it changed', async (t) => {
  const path = join(temporaryFolder(t), 'auth.json');
  const find = dockerCredentials({ REGISTRY_AUTH_FILE: path }, homeFolder);
  assert.equal(await find('h'), undefined);
  await writeFile(path, JSON.stringify({ auths: { h: { auth } } }));
  assert.deepEqual(await find('h'), PASSWORD);
  await writeFile(path, `{}${' '.repeat(4 * 1024 * 1024)}`);
  await assert.rejects(find('h'), { code: 'HUB_CREDENTIALS', message: `cannot read ${path}` });
});

test('Docker’s own folder is read for a regular file alone', { skip: needsFifo }, async (t) => {
  const folder = temporaryFolder(t);
  makeFifo(t, join(folder, 'config.json'));
  await assert.rejects(dockerCredentials({ DOCKER_CONFIG: folder }, homeFolder)('h'), {
    code: 'HUB_CREDENTIALS',
  });
});

test('credential helpers are asked, and may know nothing', async (t) => {
  const folder = temporaryFolder(t);
  const helper = (name: string, script: string): void => {
    const path = join(folder, `docker-credential-${name}`);
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
  };
  helper(
    'echo',
    'read server; printf \'{"ServerURL":"%s","Username":"u","Secret":"%s"}\' "$server" "$server"',
  );
  helper('token', 'printf \'{"Username":"<token>","Secret":"i"}\'');
  helper('empty', 'echo "credentials not found in native keychain"; exit 1');
  helper('broken', 'exit 3');
  helper('half', 'printf \'{"Username":"u"}\'');
  const before = process.env['PATH'];
  process.env['PATH'] = `${folder}${delimiter}${before}`;
  t.after(() => {
    process.env['PATH'] = before;
  });
  const find = (credHelpers: Record<string, string>) =>
    dockerCredentials(config(t, { credHelpers }), homeFolder)('h');
  assert.deepEqual(await find({ h: 'echo' }), { kind: 'password', username: 'u', password: 'h' });
  assert.deepEqual(await find({ h: 'token' }), { kind: 'identity-token', token: 'i' });
  assert.equal(await find({ h: 'empty' }), undefined);
  await assert.rejects(find({ h: 'broken' }), { code: 'HUB_CREDENTIALS' });
  await assert.rejects(find({ h: 'absent-helper' }), { code: 'HUB_CREDENTIALS' });
  await assert.rejects(find({ h: 'half' }), { code: 'HUB_CREDENTIALS' });
});

test('an empty HOME is none: the working directory has no say in credentials', async (t) => {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, '.docker'));
  writeFileSync(join(folder, '.docker', 'config.json'), 'not JSON, and never read');
  const [before, { HOME }] = [process.cwd(), process.env];
  t.after(() => {
    process.chdir(before);
    process.env['HOME'] = HOME;
  });
  process.chdir(folder);
  process.env['HOME'] = '';
  await assert.doesNotReject(dockerCredentials({}, homeFolder)('no-such-registry.invalid'));
});

test('a user without a home folder is told so where a registry asks for credentials, not before', async (t) => {
  const homeless = (): string => {
    throw new AssayError('CONFIG_ENVIRONMENT', 'none');
  };
  const source = dockerCredentials({}, homeless);
  await assert.rejects(source('h'), { code: 'CONFIG_ENVIRONMENT' });
  const set = dockerCredentials(config(t, {}), homeless);
  assert.equal(await set('h'), undefined);
});
