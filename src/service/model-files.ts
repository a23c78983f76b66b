import { toHex } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import type { ModelIdentity } from '../../attestation/model/identity.js';
import { dockerCredentials } from '../hub/credentials.js';
import { digestFrom } from '../hub/digest.js';
import { isHubReference } from '../hub/reference.js';
import { type ResolvedModel, resolveModel } from '../hub/resolve.js';
import { answerOfThread } from '../system/answer-of-thread.js';
import { homeFolder } from '../system/cache-folder.js';
import type { Config } from './config-schema.js';
import type { JudgedModel } from './judged-model.js';
import type { Judged } from './measure-thread.js';
import type { Surroundings } from './surroundings.js';

/** `judgeModel` on a thread of its own. */
async function judgeApart(path: string): Promise<JudgedModel> {
  const module = new URL('./measure-thread.js', import.meta.url);
  const judged = await answerOfThread<Judged>(module, path);
  if ('judged' in judged) return judged.judged;
  throw new AssayError(judged.code, judged.error.message, judged.error);
}

/** Refuses files that changed on disk between the hub's verification and the measurement. */
function expectResolved(identity: ModelIdentity, resolved: ResolvedModel): void {
  const digests = new Map(resolved.files.map(({ path, blob }) => [path, blob.digest]));
  const changed = identity.files.find(
    ({ path, sha256 }) => digests.get(path) !== digestFrom(sha256),
  );
  if (changed !== undefined || toHex(identity.graph) !== toHex(resolved.graph)) {
    throw new AssayError(
      'HUB_CHANGED',
      `expected the files of ${resolved.reference} not to change after they were verified`,
    );
  }
}

/** A measured model, and the test vectors that its package names. */
export interface ConfiguredMeasurement extends JudgedModel {
  /** Paths beside the model; none for a file that is of no hub. */
  readonly vectors: readonly string[];
}

/**
 * Measures a configured model: an .onnx file, or a hub's reference with a digest, whose files are
 * brought to this machine first. The event loop goes on meanwhile. Throws HUB_* and what `judgeModel` throws.
 * @param resolve what brings them; `resolveModel` but for tests that interfere after it.
 */
export async function measureConfigured(
  path: string,
  { cache, plainHttp }: Config['hub'],
  { env }: Surroundings,
  resolve: typeof resolveModel = resolveModel,
): Promise<ConfiguredMeasurement> {
  if (!isHubReference(path)) return { ...(await judgeApart(path)), vectors: [] };
  const resolved = await resolve(path, {
    cache,
    credentials: dockerCredentials(env, homeFolder),
    ...(plainHttp === undefined ? {} : { plainHttp }),
  });
  const judged = await judgeApart(resolved.modelPath);
  expectResolved(judged.measured.identity, resolved);
  const vectors = resolved.files.filter(({ role }) => role === 'vector').map((file) => file.path);
  return { ...judged, vectors };
}
