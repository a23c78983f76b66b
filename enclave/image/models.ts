import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { stringify } from 'yaml';
import { toHex } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { externalLocations } from '../../attestation/model/external-data.js';
import { readModel } from '../../attestation/model/onnx.js';
import { openRegular } from '../../src/system/open-regular.js';
import { measureModel } from '../measure.js';
import { file, type ImageFile } from './files.js';
import type { ImageSpecification } from './specification.js';

/** Where the image keeps what its service reads: its configuration, launch policy and models. */
export const SERVICE_FOLDER = '/app';
const POLICY_FILE = `${SERVICE_FOLDER}/launch-policy.yaml`;

/** The models as they lie in the guest, and the configuration and launch policy that name them. */
export interface ImageModels {
  readonly files: readonly ImageFile[];
  readonly configuration: ImageFile;
  readonly launchPolicy: ImageFile;
}

/** Test vectors and tolerances in a model's folder, as a package has them. */
async function vectorsIn(folder: string): Promise<string[]> {
  const members = await readdir(folder, { recursive: true });
  const wanted = /^(test_data_set_\d{1,4}\/(in|out)put_\d{1,4}\.pb|tolerances\.json)$/;
  return members.filter((member) => wanted.test(member)).sort();
}

async function copyMember(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  const fail = (cause?: unknown): never => {
    const message = `cannot read ${from}: expected a model, or a file that belongs to one`;
    throw new AssayError('CONFIG_IMAGE', message, cause);
  };
  const { file: source } = (await openRegular(from).catch(fail)) ?? fail();
  try {
    await writeFile(to, source.createReadStream({ autoClose: false }));
  } finally {
    await source.close();
  }
}

/**
 * Copies every model into a folder of its own, measures the copy as the enclave will, and writes the
 * configuration and the launch policy that admit exactly these. Throws CONFIG_IMAGE where a file is missing,
 * MODEL_* where it is no model that can be measured.
 */
export async function collectModels(
  specification: ImageSpecification,
  directory: string,
): Promise<ImageModels> {
  const files: ImageFile[] = [];
  const allowed = new Map<string, { readonly graph: string; readonly selfTest?: object }>();
  for (const { name, version, path, selfTest } of specification.models) {
    const home = join(directory, 'models', name, version);
    await rm(home, { recursive: true, force: true });
    const copy = join(home, basename(path));
    await copyMember(path, copy);
    const vectors = selfTest === undefined ? [] : await vectorsIn(dirname(path));
    for (const location of [...externalLocations(readModel(await readFile(copy))), ...vectors]) {
      await copyMember(join(dirname(path), location), join(home, location));
    }
    const { identity } = (await measureModel(copy)).measured;
    const entry = { graph: toHex(identity.graph), ...(selfTest && { selfTest }) };
    allowed.set(JSON.stringify(entry), entry);
    for (const member of [...identity.files.map((each) => each.path), ...vectors]) {
      files.push(await file(join(home, member), guestPath(name, version, member)));
    }
  }
  const text = (path: string, value: unknown): ImageFile => ({
    path,
    data: Buffer.from(stringify(value)),
    executable: false,
  });
  return {
    files,
    launchPolicy: text(POLICY_FILE, {
      version: 1,
      models: [...allowed].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry),
    }),
    configuration: text(`${SERVICE_FOLDER}/config.yaml`, guestConfiguration(specification)),
  };
}

/** The configuration of the service in an image. */
export function guestConfiguration(specification: ImageSpecification): object {
  return {
    listen: { host: '0.0.0.0', port: specification.port },
    ...(specification.metricsPort && {
      metrics: { host: '0.0.0.0', port: specification.metricsPort },
    }),
    ...(specification.workers && { workers: specification.workers }),
    hosts: specification.hosts,
    platform: { kind: specification.platform },
    ...(specification.pinned && { launchPolicy: POLICY_FILE }),
    models: specification.models.map(({ path, selfTest: _, ...options }) => ({
      ...options,
      path: guestPath(options.name, options.version, basename(path)),
    })),
  };
}

function guestPath(name: string, version: string, member: string): string {
  return `${SERVICE_FOLDER}/models/${name}/${version}/${member}`;
}
