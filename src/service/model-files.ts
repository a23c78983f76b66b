import { toHex } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import type { ModelIdentity } from '../../attestation/model/identity.js';
import { type Measurement, measureModel } from '../../enclave/measure.js';
import { dockerCredentials } from '../hub/credentials.js';
import { isHubReference } from '../hub/reference.js';
import { type ResolvedModel, resolveModel } from '../hub/resolve.js';
import { homeFolder } from '../system/cache-folder.js';
import type { Config } from './config-schema.js';
import type { Surroundings } from './surroundings.js';

/** Refuses files that changed on disk between the hub's verification and the measurement. */
function expectResolved(identity: ModelIdentity, resolved: ResolvedModel): void {
  const digests = new Map(resolved.files.map(({ path, blob }) => [path, blob.digest]));
  const changed = identity.files.find(
    ({ path, sha256 }) => digests.get(path) !== `sha256:${toHex(sha256)}`,
  );
  if (changed !== undefined || toHex(identity.graph) !== toHex(resolved.graph)) {
    throw new AssayError(
      'HUB_CHANGED',
      `expected the files of ${resolved.reference} not to change after they were verified`,
    );
  }
}

/** A measured model, and the test vectors that its package names. */
export interface ConfiguredMeasurement extends Measurement {
  /** Paths beside the model; none for a file that is of no hub. */
  readonly vectors: readonly string[];
}

/**
 * Measures a configured model: an .onnx file, or a hub's reference with a digest, whose files are
 * brought to this machine first. Throws HUB_* and what `measureModel` throws.
 * @param resolve what brings them; `resolveModel` but for tests that interfere after it.
 */
export async function measureConfigured(
  path: string,
  { cache, plainHttp }: Config['hub'],
  { env }: Surroundings,
  resolve: typeof resolveModel = resolveModel,
): Promise<ConfiguredMeasurement> {
  if (!isHubReference(path)) return { ...(await measureModel(path)), vectors: [] };
  const resolved = await resolve(path, {
    cache,
    credentials: dockerCredentials(env, homeFolder),
    ...(plainHttp === undefined ? {} : { plainHttp }),
  });
  const measurement = await measureModel(resolved.modelPath);
  expectResolved(measurement.measured.identity, resolved);
  const vectors = resolved.files.filter(({ role }) => role === 'vector').map((file) => file.path);
  return { ...measurement, vectors };
}
