import type { Tee } from '../evidence/bundle.js';
import type { RuntimeEvent } from '../evidence/event-log.js';
import type { LaunchPolicy } from '../evidence/launch-policy.js';
import type { Manifest } from '../evidence/manifest.js';

/** What an authentic bundle says of the enclave, decoded. */
export interface EnclaveStatement {
  readonly tee: Tee;
  readonly manifest: Manifest;
  /** The launch policy that the bundle carries; null where none is enforced. */
  readonly launchPolicy: LaunchPolicy | null;
  /** SHA-256 digest of it, in the manifest's form. */
  readonly launchPolicyDigest: Uint8Array | null;
  /** Its digest in the form of HOST_DATA or MRCONFIGID. */
  readonly expectedBinding: Uint8Array | null;
  /** HOST_DATA or MRCONFIGID, as the hardware reports it. */
  readonly binding: Uint8Array;
  /** RTMR3 (TDX), as the hardware reports it; null elsewhere. */
  readonly rtmr3: Uint8Array | null;
  /** RTMR3 events (TDX); null where the bundle has none. */
  readonly events: readonly RuntimeEvent[] | null;
}
