import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { folder } from '../../enclave/image/application.js';
import { type ImageFile, packInitrd } from '../../enclave/image/cpio.js';
import { run } from '../../enclave/image/run.js';
import { createSimulator } from '../../enclave/platform/simulator/simulator.js';
import { repositoryRoot } from '../vectors.js';

const MODULE = '/lib/modules/tsm_test.ko';

/** What the hardware of a test launch is to report. */
export interface PlayedLaunch {
  readonly hostData: string;
  readonly measurement: string;
}

export interface Overlay {
  /** To be appended to the image's initrd: adds files, and replaces the list of modules. */
  readonly archive: Buffer;
  /** Certificate of the simulated vendor that signs, DER inside PEM. */
  readonly rootPem: string;
}

/** The agent as one file. */
async function bundleAgent(directory: string): Promise<Buffer> {
  const output = join(directory, 'agent.js');
  await run(join(repositoryRoot, 'node_modules/.bin/esbuild'), [
    join(repositoryRoot, 'build/test/guest/agent.js'),
    '--bundle',
    '--platform=node',
    '--format=esm',
    '--log-level=error',
    '--external:cbor-extract',
    `--banner:js=import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);`,
    `--outfile=${output}`,
  ]);
  return readFile(output);
}

/**
 * What turns the release image into the test's: the provider's module, the agent that answers for the
 * hardware, its keys and what it measured. Nothing of the image itself is changed but the list of
 * modules.
 */
export async function makeOverlay(
  modules: string,
  module: string,
  launch: PlayedLaunch,
): Promise<Overlay> {
  const directory = join(repositoryRoot, 'build/guest');
  const keys = join(directory, 'keys');
  await mkdir(directory, { recursive: true });
  const { rootPem } = await createSimulator({
    tee: 'sev-snp',
    launchPolicyDigest: Buffer.from(launch.hostData, 'hex'),
    rootDirectory: keys,
  });
  const text = (path: string, data: string): ImageFile => ({
    path,
    data: Buffer.from(data),
    executable: false,
  });
  const files: ImageFile[] = [
    text('/etc/modules', `${modules}${MODULE}\n`),
    text('/test/launch.json', JSON.stringify(launch)),
    text('/test/package.json', JSON.stringify({ type: 'module' })),
    { path: MODULE, data: await readFile(module), executable: false },
    { path: '/test/agent.js', data: await bundleAgent(directory), executable: false },
  ];
  files.push(...(await folder(keys, '/test/keys')));
  const archive = await run('zstd', ['-3', '-q', '-c'], { input: packInitrd(files) });
  await writeFile(join(directory, 'overlay.zst'), archive);
  return { archive, rootPem };
}
