import { AssayError } from '../../attestation/encoding/error.js';
import { assertStatable } from '../../attestation/evidence/manifest.js';
import type { ModelIdentity } from '../../attestation/model/identity.js';
import { type AdmissionFinding, finding } from './finding.js';

/** What a node adds of its own, which is small beside any limit; left empty, no model is refused that has room. */
const OF_THE_NODE = {
  name: '',
  version: '',
  profile: {
    runtime: '',
    libraries: [],
    provider: '',
    graphOptimizationLevel: '',
    intraOpThreads: 1,
    executionMode: '',
    deterministicCompute: false,
    architecture: '',
    instructionSet: '',
    kernels: new Uint8Array(32),
    node: '',
    assay: '',
  },
  execution: new Uint8Array(32),
} as const;

/**
 * Whether a manifest has room for the model's signature and
 * files; nodes do not load one for which it has none.
 */
export function manifestRule(identity: ModelIdentity): AdmissionFinding {
  try {
    assertStatable({ ...identity, ...OF_THE_NODE });
  } catch (error) {
    if (!(error instanceof AssayError && error.code === 'MANIFEST_SIZE')) throw error;
    const message = `${error.message}; give it fewer of these, or shorter names`;
    return finding('static.manifest', 'refuse', message);
  }
  const message =
    "what a node states of its inputs, outputs and files has room in the node's manifest";
  return finding('static.manifest', 'pass', message);
}
