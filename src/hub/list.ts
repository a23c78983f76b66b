import { AssayError } from '../../attestation/encoding/error.js';
import type { Digest } from './digest.js';
import { listLayouts } from './layout.js';
import { findModel, type HubOptions, openHub } from './open-hub.js';
import { type NotExecutable, notExecutable, sizeOf } from './package.js';
import { placeOf, type Reference } from './reference.js';
import { listRepositories as listRegistry } from './registry.js';

/** What a tag of a repository means: a model, or something that is none. */
export interface ListedModel {
  readonly tag: string;
  readonly model?: {
    readonly digest: Digest;
    readonly executable: boolean;
    readonly graph: string | null;
    readonly size: number;
    readonly notExecutable: readonly NotExecutable[];
  };
  /** Why it is not listed as a model. */
  readonly problem?: string;
}

/** What may be wrong with one model alone. Anything else ends the list, which would not be one. */
const PROBLEMS: readonly string[] = [
  'HUB_DIGEST',
  'HUB_FILE',
  'HUB_MANIFEST',
  'HUB_MEDIA_TYPE',
  'HUB_NOT_A_MODEL',
  'HUB_NOT_FOUND',
  'HUB_PACKAGE',
  'HUB_PATH',
  'HUB_SIZE',
];

/** References of the repositories of a hub; undefined where the reference is a repository itself. */
export async function listRepositories(
  reference: Reference,
  options: HubOptions,
): Promise<readonly string[] | undefined> {
  const place = placeOf(reference);
  if (reference.kind === 'registry') {
    if (reference.repository !== undefined) return undefined;
    return (await listRegistry(reference.host, options)).map((name) => `${place}/${name}`);
  }
  const layouts = await listLayouts(reference.path);
  return layouts.includes('.') ? undefined : layouts.map((name) => `${place}/${name}`);
}

/** The models of a repository, by tag. Of what is no model, the list says why. */
export async function listModels(
  reference: Reference,
  options: HubOptions,
  onTag: (tag: string) => void,
): Promise<readonly ListedModel[]> {
  const hub = openHub(reference, options);
  const listed: ListedModel[] = [];
  for (const tag of await hub.tags()) {
    onTag(tag);
    try {
      const { digest, contents } = await findModel(hub, { ...reference, tag });
      const model = {
        digest,
        executable: contents.graph !== undefined,
        graph: contents.graph ?? null,
        size: sizeOf(contents.files),
        notExecutable: notExecutable(contents),
      };
      listed.push({ tag, model });
    } catch (error) {
      if (!(error instanceof AssayError && PROBLEMS.includes(error.code))) throw error;
      listed.push({ tag, problem: error.message });
    }
  }
  return listed;
}
