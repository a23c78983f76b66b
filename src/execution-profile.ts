import { fromHex } from '../attestation/encoding/bytes.js';
import type { ExecutionProfile } from '../attestation/evidence/execution-profile.js';
import type { ExecutionOptions } from './engine/engine.js';
import { executionFacts } from './engine/profile.js';
import { VERSION } from './version.js';

/** How this process executes a model with these options, in the manifest's form. */
export async function executionProfile(options: ExecutionOptions): Promise<ExecutionProfile> {
  const { libraries, kernels, ...facts } = await executionFacts(options);
  return {
    ...facts,
    libraries: libraries.map(({ file, sha256 }) => ({ file, sha256: fromHex(sha256) })),
    kernels: fromHex(kernels),
    assay: VERSION,
  };
}
