import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeSnpReport, parseSnpReport } from '../../attestation/evidence/snp-report.js';
import { type ImageFile, packInitrd } from '../../enclave/image/cpio.js';
import { run } from '../../enclave/image/run.js';
import { cachedKeyPair } from '../../enclave/platform/simulator/keys.js';
import { createSimulator } from '../../enclave/platform/simulator/simulator.js';
import { repositoryRoot } from '../vectors.js';
import { PLAYED } from './hardware.js';

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
 * hardware, its key and what it measured. Nothing of the image itself is changed but the list of
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
  const simulator = await createSimulator({
    tee: 'sev-snp',
    launchPolicyDigest: Buffer.from(launch.hostData, 'hex'),
    rootDirectory: keys,
  });
  const { privateKey } = await cachedKeyPair(keys, 'amd-vcek', 'p-384');
  const { report, endorsements } = await simulator.attest(new Uint8Array(64));
  const measurement = Buffer.from(launch.measurement, 'hex');
  const bytes = (path: string, data: Uint8Array): ImageFile => ({ path, data, executable: false });
  const text = (path: string, data: string): ImageFile => bytes(path, Buffer.from(data));
  const files: ImageFile[] = [
    text('/etc/modules', `${modules}${MODULE}\n`),
    text(`${PLAYED}/package.json`, JSON.stringify({ type: 'module' })),
    bytes(MODULE, await readFile(module)),
    { path: `${PLAYED}/start`, data: await readFile(join(directory, 'start')), executable: true },
    bytes(`${PLAYED}/agent.js`, await bundleAgent(directory)),
    bytes(`${PLAYED}/report.bin`, encodeSnpReport({ ...parseSnpReport(report), measurement })),
    bytes(`${PLAYED}/auxiliary.bin`, endorsements ?? new Uint8Array()),
    bytes(
      `${PLAYED}/vcek.pkcs8`,
      new Uint8Array(await crypto.subtle.exportKey('pkcs8', privateKey)),
    ),
  ];
  const archive = await run('zstd', ['-3', '-q', '-c'], { input: packInitrd(files) });
  await writeFile(join(directory, 'overlay.zst'), archive);
  return { archive, rootPem: simulator.rootPem };
}
