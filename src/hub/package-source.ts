import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { toHex } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { isMissing } from '../system/errno.js';
import { digestFrom } from './digest.js';
import { checkMagic, formatOfPath } from './formats.js';
import { identifyFiles, locationsOf } from './identify.js';
import { measureFile, openPlain, readPlain, withFileErrors } from './local.js';
import type { Role } from './media-type.js';
import {
  checkPackage,
  layerOf,
  MAX_TOLERANCES,
  type ModelPackage,
  type PackageFile,
  parseTolerances,
  roleOfPath,
} from './package.js';
import { checkPackagePath } from './package-path.js';

const MAX_FILES = 4096;

/** A package on this machine's disk that is to be pushed. */
export interface LocalPackage {
  readonly contents: ModelPackage;
  /** Where each file of the package is, by its path in the package. */
  readonly sources: ReadonlyMap<string, string>;
}

interface Item {
  readonly path: string;
  readonly role: Role;
  readonly source: string;
}

/** Every file below a folder but hidden ones, which are never part of a package; links refused. */
async function walk(root: string, prefix = ''): Promise<readonly string[]> {
  const found: string[] = [];
  for (const entry of await readdir(join(root, prefix), { withFileTypes: true })) {
    if (entry.name.startsWith('.')) continue;
    const path = `${prefix}${entry.name}`;
    checkPackagePath(path);
    if (entry.isDirectory()) found.push(...(await walk(root, `${path}/`)));
    else if (entry.isFile()) found.push(path);
    else throw new AssayError('HUB_FILE', `expected ${join(root, path)} to be a file and no link`);
    if (found.length > MAX_FILES) {
      throw new AssayError('HUB_PACKAGE', `expected at most ${MAX_FILES} files in a package`);
    }
  }
  return found.sort();
}

async function itemsOfFolder(root: string): Promise<readonly Item[]> {
  const paths = await walk(root);
  const models = paths.filter((path) => roleOfPath(path) === 'model');
  const named = await Promise.all(models.map((model) => locationsOf(root, model)));
  const external = new Set(named.flat());
  return paths.map((path): Item => {
    const role = external.has(path) ? 'external' : roleOfPath(path);
    if (role !== undefined) return { path, role, source: join(root, path) };
    throw new AssayError(
      'HUB_PACKAGE',
      `expected a place for ${path} in the package: the model does not name it (what callers need goes to assets/, other formats to originals/)`,
    );
  });
}

/** A single file: an ONNX model with its external data beside it, or an original of its own. */
async function itemsOfFile(file: string): Promise<readonly Item[]> {
  const name = basename(file);
  if (formatOfPath(name) !== undefined) {
    return [{ path: `originals/${name}`, role: 'original', source: file }];
  }
  if (roleOfPath(name) !== 'model') {
    throw new AssayError('HUB_PACKAGE', `expected a folder, or a file in a known format: ${file}`);
  }
  const root = dirname(file);
  const locations = await locationsOf(root, name);
  return [
    { path: name, role: 'model', source: file },
    ...locations.map((path): Item => ({ path, role: 'external', source: join(root, path) })),
  ];
}

async function describe({ path, role, source }: Item): Promise<PackageFile> {
  const described = layerOf(path, role, await measureFile(source));
  if (role === 'tolerances') parseTolerances(await readPlain(source, MAX_TOLERANCES));
  if (described.format?.magic !== undefined) {
    const file = await openPlain(source);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(16), 0, 16, 0);
      checkMagic(path, described.format, buffer.subarray(0, bytesRead));
    } finally {
      await file.close();
    }
  }
  return described;
}

const ORDER: readonly Role[] = [
  'model',
  'external',
  'card',
  'tolerances',
  'vector',
  'asset',
  'original',
];

/**
 * Reads a package from a folder, or from a single model file, and measures it. The folder may be named by a link;
 * no file of it may be one.
 * @throws AssayError HUB_FILE, HUB_PATH, HUB_PACKAGE, HUB_TOLERANCES, HUB_FORMAT, MODEL_*.
 */
export async function readPackage(source: string, title: string): Promise<LocalPackage> {
  return withFileErrors(`reading ${source}`, () => read(source, title));
}

async function read(source: string, title: string): Promise<LocalPackage> {
  let isFolder: boolean;
  try {
    isFolder = (await stat(source)).isDirectory();
  } catch (error) {
    if (!isMissing(error)) throw error;
    throw new AssayError('HUB_FILE', `there is no ${source}`, error);
  }
  const items = isFolder ? await itemsOfFolder(source) : await itemsOfFile(source);
  const files: PackageFile[] = [];
  for (const role of ORDER) {
    for (const item of items.filter((candidate) => candidate.role === role)) {
      files.push(await describe(item));
    }
  }
  checkPackage(files);
  const sources = new Map(items.map((item) => [item.path, item.source]));
  const model = files.find(({ role }) => role === 'model');
  const locate = (path: string): string => {
    const known = sources.get(path);
    if (known !== undefined) return known;
    throw new AssayError('HUB_PACKAGE', `expected ${path}, which the model reads, in ${source}`);
  };
  const identity = model === undefined ? undefined : await identifyFiles(model.path, locate);
  for (const { path, sha256 } of identity?.files ?? []) {
    const measured = files.find((file) => file.path === path)?.blob.digest;
    if (measured !== digestFrom(sha256)) {
      throw new AssayError('HUB_CHANGED', `expected ${path} not to change while it is pushed`);
    }
  }
  const graph = identity === undefined ? undefined : toHex(identity.graph);
  return { contents: { title, graph, files }, sources };
}
