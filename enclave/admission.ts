import { equalBytes, isZero, toHex } from '../attestation/encoding/bytes.js';
import { AssayError } from '../attestation/encoding/error.js';
import {
  encodeLaunchPolicy,
  type LaunchPolicy,
  launchPolicyDigest,
} from '../attestation/evidence/launch-policy.js';
import type { ManifestModel } from '../attestation/evidence/manifest.js';
import type { Platform } from './platform/platform.js';

/** What of the configuration the launch policy rules on. */
export interface RuledConfiguration {
  readonly development: boolean;
  readonly plaintext: boolean;
}

/**
 * Refuses to go on unless the hardware reports exactly this launch policy: the host chose it before
 * the first instruction ran, and cannot change it since. Where neither the operator nor the host names
 * one, the enclave's own word is all that its models have, and verifiers see that. Throws
 * LAUNCH_POLICY_MISMATCH.
 */
export async function assertPinned(platform: Platform, policy: LaunchPolicy | null): Promise<void> {
  const { configuration } = await platform.launchBinding();
  const field = platform.tee === 'sev-snp' ? 'HOST_DATA' : 'MRCONFIGID';
  if (policy === null) {
    if (isZero(configuration)) return;
    throw new AssayError(
      'LAUNCH_POLICY_MISMATCH',
      `${field} names a launch policy, but the configuration has none`,
    );
  }
  const digest = launchPolicyDigest(encodeLaunchPolicy(policy));
  const expected = platform.tee === 'sev-snp' ? digest.hostData : digest.mrConfigId;
  if (!equalBytes(configuration, expected)) {
    throw new AssayError(
      'LAUNCH_POLICY_MISMATCH',
      `expected ${field} ${toHex(expected)}, the digest of the launch policy, not ${toHex(configuration)}`,
    );
  }
}

/** Throws LAUNCH_POLICY_MODEL or LAUNCH_POLICY_CONFIGURATION for what the policy does not allow. */
export function assertAllowed(
  policy: LaunchPolicy,
  models: readonly Pick<ManifestModel, 'name' | 'graph' | 'execution'>[],
  configuration: RuledConfiguration,
): void {
  for (const { name, graph, execution } of models) {
    const entries = policy.models.filter((entry) => equalBytes(entry.graph, graph));
    if (entries.length === 0) {
      throw new AssayError(
        'LAUNCH_POLICY_MODEL',
        `the launch policy does not name model ${name}, whose graph digest is ${toHex(graph)}`,
      );
    }
    if (!entries.some((e) => e.execution === null || equalBytes(e.execution, execution))) {
      throw new AssayError(
        'LAUNCH_POLICY_EXECUTION',
        `the launch policy pins another execution of model ${name} than ${toHex(execution)}`,
      );
    }
  }
  for (const key of ['development', 'plaintext'] as const) {
    if (configuration[key] && !policy[key]) {
      throw new AssayError(
        'LAUNCH_POLICY_CONFIGURATION',
        `the configuration asks for ${key}, which the launch policy does not allow`,
      );
    }
  }
}
