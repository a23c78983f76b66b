import assert from 'node:assert/strict';
import { globalAgent } from 'node:https';
import { type TestContext, test } from 'node:test';
import { makeTlsIdentity } from '../../../enclave/tls.js';
import { readPackage } from '../../../src/hub/package-source.js';
import { pullModel } from '../../../src/hub/pull.js';
import { pushModel } from '../../../src/hub/push.js';
import { parseReference } from '../../../src/hub/reference.js';
import { packageFiles, writeFiles } from '../../forge/model-package.js';
import { ForgedRegistry } from '../../forge/registry.js';
import { forgedRegistry, impatient, temporaryFolder } from './setting.js';

const { certificatePem: cert, privateKeyPem: key } = await makeTlsIdentity(
  ['127.0.0.1'],
  new Date(),
);
const options = { retry: impatient([], 2), plainHttp: false };

/** A registry under TLS that holds a package; its certificate is trusted until the test ends. */
async function setting(t: TestContext) {
  const registry = new ForgedRegistry({ key, cert });
  await registry.start();
  globalAgent.options.ca = [cert];
  t.after(async () => {
    delete globalAgent.options.ca;
    globalAgent.destroy();
    await registry.stop();
  });
  const folder = temporaryFolder(t);
  writeFiles(folder, packageFiles());
  const reference = parseReference(`oci://${registry.host}/models/tiny:v1`);
  await pushModel(await readPackage(folder, 'tiny'), reference, options);
  return { registry, reference };
}

test('a registry under TLS is reached', async (t) => {
  const { reference } = await setting(t);
  await pullModel(reference, temporaryFolder(t), options);
});

test('a registry whose certificate nobody vouches for is not', async (t) => {
  const { reference } = await setting(t);
  delete globalAgent.options.ca;
  globalAgent.destroy();
  await assert.rejects(pullModel(reference, temporaryFolder(t), options), {
    code: 'HUB_UNREACHABLE',
  });
});

test('a redirect out of TLS is refused', async (t) => {
  const { registry, reference } = await setting(t);
  registry.fault = ({ path }) =>
    /blobs/.test(path)
      ? { kind: 'answer', status: 307, headers: { location: `http://${registry.host}${path}` } }
      : undefined;
  await assert.rejects(pullModel(reference, temporaryFolder(t), options), { code: 'HUB_REDIRECT' });
});

test('an upload does not leave TLS', async (t) => {
  const { registry } = await setting(t);
  const [plain, folder] = [await forgedRegistry(t), temporaryFolder(t)];
  writeFiles(folder, packageFiles(8, 2));
  const location = `http://${plain.host}/v2/models/tiny/blobs/uploads/x`;
  registry.fault = ({ method }) =>
    method === 'POST' ? { kind: 'answer', status: 202, headers: { location } } : undefined;
  const reference = parseReference(`oci://${registry.host}/models/tiny:v2`);
  const push = pushModel(await readPackage(folder, 'tiny'), reference, options);
  await assert.rejects(push, { code: 'HUB_REDIRECT' });
  assert.deepEqual(plain.seen, []);
});

test('credentials are not sent to a realm without TLS', async (t) => {
  const { registry, reference } = await setting(t);
  const header = `Bearer realm="http://${registry.host}/token"`;
  registry.fault = () => ({ kind: 'answer', status: 401, headers: { 'www-authenticate': header } });
  const credentials = async () =>
    ({ kind: 'password', username: 'ann', password: 'secret' }) as const;
  await assert.rejects(pullModel(reference, temporaryFolder(t), { ...options, credentials }), {
    code: 'HUB_UNAUTHORIZED',
    message: /realm under HTTPS/,
  });
});
