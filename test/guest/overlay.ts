import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pemBlocks } from '../../attestation/encoding/pem.js';
import { encodeSnpReport, parseSnpReport } from '../../attestation/evidence/snp-report.js';
import { encodeTdxQuote } from '../../attestation/evidence/tdx-quote.js';
import { compressedInitrd } from '../../enclave/image/cpio.js';
import { folder, type ImageFile } from '../../enclave/image/files.js';
import { run } from '../../enclave/image/run.js';
import { intelHierarchy } from '../../enclave/platform/simulator/intel.js';
import { cachedKeyPair } from '../../enclave/platform/simulator/keys.js';
import { createSimulator } from '../../enclave/platform/simulator/simulator.js';
import {
  attestationKeyPair,
  pckChain,
  signQuote,
  simulatedHeader,
  simulatedQeReport,
  simulatedTdReport,
} from '../../enclave/platform/simulator/tdx.js';
import { repositoryRoot } from '../vectors.js';
import { PLAYED } from './hardware.js';

const MODULE = '/lib/modules/tsm_test.ko';
const directory = join(repositoryRoot, 'build/guest');
const keys = join(directory, 'keys');

/** What the hardware of a test launch is to report, in hexadecimal. */
export type PlayedLaunch =
  | {
      readonly tee: 'sev-snp';
      readonly hostData: string;
      readonly measurement: string;
      /** The kernel has no provider: the report is in the vTPM of a paravisor, which the agent plays. */
      readonly paravisor?: true;
    }
  | { readonly tee: 'tdx'; readonly mrConfigId: string };

/** What verifies the evidence of a test launch. */
export interface Trust {
  /** The simulated vendor's certificate, DER. */
  readonly roots: readonly Uint8Array[];
  /** What the guest's kernel does not supply. */
  readonly endorsements?: { readonly intel?: Uint8Array; readonly amd?: readonly Uint8Array[] };
}

export interface Overlay {
  /** To be appended to the image's initrd: adds files, and replaces the list of modules. */
  readonly archive: Buffer;
  readonly trust: Trust;
}

const bytes = (path: string, data: Uint8Array): ImageFile => ({ path, data, executable: false });
/** A text file of an overlay. */
export const text = (path: string, data: string): ImageFile => bytes(path, Buffer.from(data));

async function keyFile(name: string, key: CryptoKey): Promise<ImageFile> {
  const encoded = await crypto.subtle.exportKey('pkcs8', key);
  return bytes(`${PLAYED}/${name}.pkcs8`, new Uint8Array(encoded));
}

interface Hardware {
  readonly files: readonly ImageFile[];
  readonly trust: Trust;
}

async function snpHardware(hostData: string, measured: string): Promise<Hardware> {
  const simulator = await createSimulator({
    tee: 'sev-snp',
    launchPolicyDigest: Buffer.from(hostData, 'hex'),
    rootDirectory: keys,
  });
  const { privateKey } = await cachedKeyPair(keys, 'amd-vcek', 'p-384');
  const { report, endorsements } = await simulator.attest(new Uint8Array(64));
  const measurement = Buffer.from(measured, 'hex');
  return {
    files: [
      bytes(`${PLAYED}/report.bin`, encodeSnpReport({ ...parseSnpReport(report), measurement })),
      bytes(`${PLAYED}/auxiliary.bin`, endorsements ?? new Uint8Array()),
      await keyFile('vcek', privateKey),
    ],
    trust: { roots: pemBlocks(simulator.rootPem, 'CERTIFICATE') },
  };
}

async function tdxHardware(launched: string): Promise<Hardware> {
  const mrConfigId = Buffer.from(launched, 'hex');
  const [simulator, hierarchy, attestation] = await Promise.all([
    createSimulator({ tee: 'tdx', launchPolicyDigest: mrConfigId, rootDirectory: keys }),
    intelHierarchy(keys),
    attestationKeyPair(),
  ]);
  const template = {
    header: simulatedHeader(4),
    report: simulatedTdReport(new Uint8Array(64), mrConfigId),
    qeReport: simulatedQeReport(),
    qeAuthenticationData: new Uint8Array(32),
    pckChain: pckChain(hierarchy),
    padding: 0,
  };
  const quote = await signQuote(template, attestation, hierarchy.pck.issuer.privateKey);
  const { endorsements } = await simulator.attest(new Uint8Array(64));
  return {
    files: [
      bytes(`${PLAYED}/quote.bin`, encodeTdxQuote(quote)),
      await keyFile('attestation', attestation.privateKey),
    ],
    trust: {
      roots: pemBlocks(simulator.rootPem, 'CERTIFICATE'),
      ...(endorsements && { endorsements: { intel: endorsements } }),
    },
  };
}

/** The agent in files, so that it reads what plays scenarios only when it is asked for one. */
async function bundleAgent(): Promise<ImageFile[]> {
  const output = join(directory, 'agent');
  await rm(output, { recursive: true, force: true });
  await run(join(repositoryRoot, 'node_modules/.bin/esbuild'), [
    join(repositoryRoot, 'build/test/guest/agent.js'),
    '--bundle',
    '--splitting',
    '--platform=node',
    '--format=esm',
    '--log-level=error',
    '--external:cbor-extract',
    `--banner:js=import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);`,
    `--outdir=${output}`,
  ]);
  return folder(output, PLAYED);
}

/**
 * What turns the release image into the test's: the provider's module, the agent that answers for the
 * hardware, its key and what it measured. Nothing of the image itself is changed but the list of
 * modules, and what `more` replaces.
 */
export async function makeOverlay(
  modules: string,
  launch: PlayedLaunch,
  more: readonly ImageFile[] = [],
): Promise<Overlay> {
  await mkdir(directory, { recursive: true });
  const { files, trust } = await (launch.tee === 'tdx'
    ? tdxHardware(launch.mrConfigId)
    : snpHardware(launch.hostData, launch.measurement));
  const paravisor = launch.tee === 'sev-snp' && launch.paravisor === true;
  const provider = launch.tee === 'tdx' ? 'tdx_guest' : paravisor ? '' : 'sev_guest';
  const start = await readFile(join(directory, 'start'));
  const all = [
    text('/etc/modules', `${modules}${MODULE} provider=${provider}\n`),
    text(`${PLAYED}/package.json`, JSON.stringify({ type: 'module' })),
    bytes(MODULE, await readFile(join(directory, 'tsm_test.ko'))),
    { path: `${PLAYED}/start`, data: start, executable: true },
    ...(await bundleAgent()),
    ...files,
    ...(paravisor ? [text(`${PLAYED}/paravisor`, '')] : []),
    ...more,
  ];
  const archive = await compressedInitrd(all);
  await writeFile(join(directory, 'overlay.lz4'), archive);
  return { archive, trust };
}
