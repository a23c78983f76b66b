import { equalBytes, isZero, toHex } from '../attestation/encoding/bytes.js';
import { AssayError } from '../attestation/encoding/error.js';
import {
  encodeLaunchPolicy,
  type LaunchPolicy,
  launchPolicyDigest,
} from '../attestation/evidence/launch-policy.js';
import { type AdmittedModel, describeModel, type ServedModel } from './manifest.js';
import type { Platform } from './platform/platform.js';
import type { RuntimeLog } from './runtime-log.js';
import type { Turns } from './turns.js';

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

/** Throws LAUNCH_POLICY_CONFIGURATION for what the policy does not allow. */
export function assertConfiguration(policy: LaunchPolicy, asked: RuledConfiguration): void {
  for (const key of ['development', 'plaintext'] as const) {
    if (asked[key] && !policy[key]) {
      throw new AssayError(
        'LAUNCH_POLICY_CONFIGURATION',
        `the configuration asks for ${key}, which the launch policy does not allow`,
      );
    }
  }
}

function assertNamed(policy: LaunchPolicy, { name, graph, execution }: AdmittedModel): void {
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

/** Decides which models may be loaded, and tells the hardware of each before it is. */
export class Admission {
  readonly #policy: LaunchPolicy | null;
  readonly #log: RuntimeLog;
  readonly #turns: Turns;

  constructor(policy: LaunchPolicy | null, log: RuntimeLog, turns: Turns) {
    this.#policy = policy;
    this.#log = log;
    this.#turns = turns;
  }

  /**
   * Admits a model: to be called before its session is created. Rejects with LAUNCH_POLICY_MODEL or
   * LAUNCH_POLICY_EXECUTION for one that the policy does not name, PLATFORM_* if RTMR3 does not extend.
   */
  async admit(served: ServedModel): Promise<AdmittedModel> {
    const model = describeModel(served);
    if (this.#policy !== null) assertNamed(this.#policy, model);
    await this.#turns.take(() => this.#log.loading(model));
    return model;
  }

  /** Tells that a model which was admitted is no longer loaded. */
  retire(model: AdmittedModel): Promise<void> {
    return this.#turns.take(() => this.#log.unloaded(model));
  }
}
