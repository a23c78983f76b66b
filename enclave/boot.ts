import {
  encodeLaunchPolicy,
  type LaunchPolicy,
  launchPolicyDigest,
} from '../attestation/evidence/launch-policy.js';
import type { Manifest } from '../attestation/evidence/manifest.js';
import type { ManifestModel } from '../attestation/evidence/manifest-model.js';
import { Turns } from '../src/system/turns.js';
import {
  Admission,
  assertConfiguration,
  assertPinned,
  type RuledConfiguration,
} from './admission.js';
import { Enclave } from './enclave.js';
import type { IssuerOptions } from './issuer.js';
import { makeKeys } from './keys.js';
import type { Platform } from './platform/platform.js';
import { RuntimeLog } from './runtime-log.js';
import type { SigningKey } from './signing-key.js';

export interface BootOptions {
  readonly platform: Platform;
  /** Null: nothing is pinned at launch, and verifiers are told. */
  readonly launchPolicy: LaunchPolicy | null;
  readonly configuration: RuledConfiguration;
  readonly software: Manifest['software'];
  /** How much of the log memory keeps, and where the rest goes; given the epoch. */
  readonly log?: (epoch: Uint8Array) => IssuerOptions;
  /** DNS names and IP addresses for the TLS certificate. */
  readonly hosts: readonly string[];
  /** New, for this epoch alone; default: one is made. */
  readonly signing?: SigningKey;
  readonly now: Date;
}

/** An enclave that may admit and load models, and has stated nothing yet. */
export interface BootingEnclave {
  readonly admission: Admission;
  /** States the manifest and starts the log, once the first models are loaded. */
  begin(models: readonly ManifestModel[]): Promise<Enclave>;
}

/**
 * Begins an epoch: checks that the hardware pins this launch policy and that the policy allows this
 * configuration, that no log led to RTMR3 before, and makes the keys. Rejects with a LAUNCH_POLICY or
 * PLATFORM error: then nothing may be served.
 */
export async function bootEnclave(options: BootOptions): Promise<BootingEnclave> {
  const { platform, launchPolicy, configuration, software } = options;
  await assertPinned(platform, launchPolicy);
  if (launchPolicy !== null) assertConfiguration(launchPolicy, configuration);
  const canonical = launchPolicy === null ? null : encodeLaunchPolicy(launchPolicy);
  const digest = canonical === null ? null : launchPolicyDigest(canonical).hostData;

  const turns = new Turns();
  const runtimeLog = await RuntimeLog.begin(platform);
  if (digest !== null) await runtimeLog.enforced(digest);
  const keys = await makeKeys(options.hosts, options.now, options.signing);
  const admission = new Admission(launchPolicy, runtimeLog, turns);
  const log = options.log?.(keys.epoch) ?? {};
  const parts = { platform, keys, software, turns, runtimeLog, admission, log };
  const policy = canonical === null || digest === null ? null : { canonical, digest };
  return { admission, begin: (models) => Enclave.begin({ ...parts, policy }, models) };
}
