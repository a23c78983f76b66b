import type * as z from 'zod';
import { AssayError } from '../../attestation/encoding/error.js';
import { parseStrictJson } from '../../attestation/encoding/json.js';
import { schemaError } from '../../attestation/encoding/schema.js';
import { tolerancesSchema } from '../../attestation/model/tolerances.js';
import { type Format, formatOfPath } from './formats.js';
import { ANNOTATION, type Descriptor, type ImageManifest } from './manifest.js';
import { mediaTypeOf, type Role, roleOf } from './media-type.js';
import { checkPackagePath } from './package-path.js';

/*
 * A model's package, as a folder:
 *
 *   model.onnx                       the computation; any name, but one .onnx file at the top
 *   <external data>                  exactly the files that the model names, anywhere but below
 *   card.md                          what the model is for, by whom, under which licence
 *   tolerances.json                  how far outputs may be from the vectors
 *   test_data_set_<n>/input_<m>.pb   reference inputs and outputs (TensorProto, as in ONNX's own
 *   test_data_set_<n>/output_<m>.pb  test cases)
 *   assets/**                        what a caller needs: character tables, tokenizers
 *   originals/**                     the model in the formats it came from; kept, never executed
 */
const CARD = 'card.md';
const TOLERANCES = 'tolerances.json';
/** Bytes of a `tolerances.json`. */
export const MAX_TOLERANCES = 1024 * 1024;
const VECTOR = /^test_data_set_(?:0|[1-9][0-9]{0,3})\/(?:in|out)put_(?:0|[1-9][0-9]{0,3})\.pb$/;

/** One file of a package. */
export interface PackageFile {
  readonly path: string;
  readonly role: Role;
  readonly blob: Descriptor;
  /** Of an original that is a model by itself. */
  readonly format?: Format;
}

/** What a manifest says that a package holds. */
export interface ModelPackage {
  readonly title: string | undefined;
  /** The publisher's statement; `verifyPackage` compares it with the model. Lower-case hexadecimal. */
  readonly graph: string | undefined;
  /** At most one file has the role `model`. */
  readonly files: readonly PackageFile[];
}

/** How far a correct execution may be from the package's vectors, as the publisher declares it. */
export type Tolerances = z.infer<typeof tolerancesSchema>;

/** Parses `tolerances.json`; throws HUB_TOLERANCES. */
export function parseTolerances(bytes: Uint8Array): Tolerances {
  const json = parseStrictJson(bytes, TOLERANCES, 'HUB_TOLERANCES');
  const parsed = tolerancesSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw schemaError('HUB_TOLERANCES', TOLERANCES, parsed.error);
}

/**
 * The role of a file by its place in the folder; undefined for what a package has no place for.
 * External data are told by the model, not by their names.
 */
export function roleOfPath(path: string): Exclude<Role, 'external'> | undefined {
  if (path.startsWith('originals/')) return 'original';
  if (path.startsWith('assets/')) return 'asset';
  if (VECTOR.test(path)) return 'vector';
  if (path === CARD) return 'card';
  if (path === TOLERANCES) return 'tolerances';
  return path.includes('/') || !path.endsWith('.onnx') ? undefined : 'model';
}

function wrong(message: string): never {
  throw new AssayError('HUB_PACKAGE', message);
}

function checkPlace(path: string, role: Role): void {
  const place = roleOfPath(path);
  if (role === 'external' ? place !== undefined : place !== role) {
    wrong(`expected ${path} to be where a package keeps a file of the role "${role}"`);
  }
}

/** Refuses two files where one would hide the other, also where case does not count. */
function checkDistinct(paths: readonly string[]): void {
  const folded = paths.map((path) => path.toLowerCase()).sort();
  const taken = new Set(folded);
  folded.forEach((path, i) => {
    const parents = path.split('/').map((_, depth, all) => all.slice(0, depth).join('/'));
    if (path === folded[i - 1] || parents.some((parent) => taken.has(parent))) {
      wrong(`expected every file of a package to have a place of its own: ${path} has not`);
    }
  });
}

/** Refuses a set of files that is no package; throws HUB_PATH and HUB_PACKAGE. */
export function checkPackage(files: readonly PackageFile[]): void {
  for (const { path, role } of files) {
    checkPackagePath(path);
    checkPlace(path, role);
  }
  checkDistinct(files.map(({ path }) => path));
  const count = (wanted: Role): number => files.filter(({ role }) => role === wanted).length;
  if (count('model') > 1) wrong('expected one .onnx file at the top of a package');
  if (count('model') === 0 && (count('external') > 0 || count('vector') > 0)) {
    wrong('expected a model beside external data and vectors');
  }
  if (count('model') + count('original') === 0) wrong('expected a package to hold a model');
}

/**
 * The package that a manifest describes.
 * @throws AssayError HUB_MEDIA_TYPE for a layer that Assay does not know, HUB_PATH, HUB_PACKAGE.
 */
export function packageOf(manifest: ImageManifest): ModelPackage {
  const files = manifest.layers.map((blob): PackageFile => {
    const known = roleOf(blob.mediaType);
    const path = blob.annotations?.[ANNOTATION.title];
    if (known === undefined) {
      throw new AssayError(
        'HUB_MEDIA_TYPE',
        `expected layers of Assay's media types, not ${JSON.stringify(blob.mediaType)}`,
      );
    }
    if (path === undefined) return wrong(`expected every layer to have ${ANNOTATION.title}`);
    if (mediaTypeOf(known.role, path) !== blob.mediaType) {
      return wrong(`expected the media type of ${JSON.stringify(path)} to be that of its format`);
    }
    return { path, role: known.role, blob, ...(known.format && { format: known.format }) };
  });
  checkPackage(files);
  const graph = manifest.annotations?.[ANNOTATION.graph];
  if (graph !== undefined && !/^[0-9a-f]{64}$/.test(graph)) {
    return wrong(`expected ${ANNOTATION.graph} to be 64 lower-case hexadecimal digits`);
  }
  const executable = files.some(({ role }) => role === 'model');
  if (executable !== (graph !== undefined)) {
    return wrong(`expected ${ANNOTATION.graph} beside a model, and only there`);
  }
  return { title: manifest.annotations?.[ANNOTATION.title], graph, files };
}

/** Bytes that these files have together. */
export function sizeOf(files: readonly PackageFile[]): number {
  return files.reduce((sum, { blob }) => sum + blob.size, 0);
}

/** The one file with the role; undefined where a package has none. */
export function fileWithRole(contents: ModelPackage, role: Role): PackageFile | undefined {
  return contents.files.find((file) => file.role === role);
}

/** An original that is a model by itself, with the shell command that makes ONNX of it. */
export interface NotExecutable {
  readonly path: string;
  readonly format: string;
  readonly conversion: string;
}

/** The originals of a package, those of several files (shards) once. */
export function notExecutable(contents: ModelPackage): readonly NotExecutable[] {
  const found = new Map<string, NotExecutable>();
  for (const { path, format } of contents.files) {
    if (format === undefined) continue;
    const conversion = format.conversion(path);
    const key = `${format.id} ${conversion}`;
    if (!found.has(key)) found.set(key, { path, format: format.name, conversion });
  }
  return [...found.values()];
}

/** Describes a file for a manifest. */
export function layerOf(
  path: string,
  role: Role,
  content: { digest: Descriptor['digest']; size: number },
): PackageFile {
  const format = role === 'original' ? formatOfPath(path) : undefined;
  return {
    path,
    role,
    blob: {
      mediaType: mediaTypeOf(role, path),
      digest: content.digest,
      size: content.size,
      annotations: { [ANNOTATION.title]: path },
    },
    ...(format && { format }),
  };
}
