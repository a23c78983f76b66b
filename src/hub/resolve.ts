import { join, resolve } from 'node:path';
import { fromHex, utf8 } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { type Digest, hexOf } from './digest.js';
import { withFileErrors } from './local.js';
import { parseManifest } from './manifest.js';
import {
  fileWithRole,
  type ModelPackage,
  notExecutable,
  type PackageFile,
  packageOf,
} from './package.js';
import { isComplete, type PullOptions, pullModel, withoutOriginals } from './pull.js';
import { readRecord } from './record.js';
import { parseReference, pinnedDigest } from './reference.js';

export interface ResolveOptions extends Omit<PullOptions, 'skipOriginals' | 'check'> {
  /** Folder that keeps what was pulled, one folder a manifest. */
  readonly cache: string;
}

/** A model that lies on this machine's disk, every file verified against its manifest's digest. */
export interface ResolvedModel {
  /** As it was asked for. */
  readonly reference: string;
  readonly manifestDigest: Digest;
  /** The folder that holds the package. */
  readonly directory: string;
  /** Absolute path of the ONNX file. */
  readonly modelPath: string;
  /** Graph digest that the manifest states, and that the model was found to have. 32 bytes. */
  readonly graph: Uint8Array;
  /** Paths relative to `directory`; whoever reads the files later compares with these digests. */
  readonly files: readonly PackageFile[];
}

/** Refuses a package without an ONNX model, with what to do about it; throws HUB_NOT_EXECUTABLE. */
function expectExecutable(contents: ModelPackage, reference: string): string {
  const model = fileWithRole(contents, 'model');
  if (model !== undefined) return model.path;
  const ways = notExecutable(contents).map(
    ({ path, format, conversion }) => `${path} is ${format}: ${conversion}`,
  );
  throw new AssayError(
    'HUB_NOT_EXECUTABLE',
    `expected an ONNX model in ${reference}; convert it and push the result. ${ways.join(' ; ')}`,
  );
}

/** What the cache holds of a manifest, where all of it is there. Throws HUB_FILE, HUB_RECORD, HUB_DIGEST. */
async function cachedIn(directory: string, digest: Digest): Promise<ModelPackage | undefined> {
  return withFileErrors(`reading ${directory}`, async () => {
    const kept = await readRecord(directory);
    if (kept?.digest !== digest) return undefined;
    const contents = withoutOriginals(packageOf(parseManifest(utf8(kept.manifest))));
    return (await isComplete(directory, contents.files)) ? contents : undefined;
  });
}

/**
 * Brings a model that is named by digest to this machine, from the cache where it is whole there.
 * The files can change on disk afterwards: whoever executes them reads each once, and compares what
 * was read with `files`.
 * @throws AssayError HUB_UNPINNED without a digest, HUB_NOT_EXECUTABLE, and all that pulling throws.
 */
export async function resolveModel(text: string, options: ResolveOptions): Promise<ResolvedModel> {
  const reference = parseReference(text);
  const digest = pinnedDigest(reference);
  const directory = resolve(options.cache, hexOf(digest));
  let contents = await cachedIn(directory, digest);
  if (contents === undefined) {
    const check = (whole: ModelPackage) => expectExecutable(whole, text);
    const pulling = { ...options, skipOriginals: true, check };
    ({ contents } = await pullModel(reference, directory, pulling));
  }
  const modelPath = join(directory, expectExecutable(contents, text));
  const graph = fromHex(contents.graph ?? '');
  return {
    reference: text,
    manifestDigest: digest,
    directory,
    modelPath,
    graph,
    files: contents.files,
  };
}
