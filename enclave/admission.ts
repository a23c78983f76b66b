import { equalBytes, isZero, toHex } from '../attestation/encoding/bytes.js';
import { AssayError } from '../attestation/encoding/error.js';
import {
  encodeLaunchPolicy,
  type LaunchPolicy,
  launchPolicyDigest,
} from '../attestation/evidence/launch-policy.js';
import {
  type JudgedModel,
  type LaunchPolicyRule,
  LaunchRules,
} from '../attestation/evidence/launch-policy-model.js';
import { assertStatable } from '../attestation/evidence/manifest.js';
import type { ManifestModel } from '../attestation/evidence/manifest-model.js';
import type { Turns } from '../src/system/turns.js';
import {
  type AdmittedModel,
  describeModel,
  type ServedModel,
  type TriedModel,
} from './manifest.js';
import type { Platform } from './platform/platform.js';
import type { RuntimeLog } from './runtime-log.js';

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

/** What a launch policy demanded of a model that does not have it. */
const REFUSALS: { readonly [rule in LaunchPolicyRule]: (model: JudgedModel) => string } = {
  model: ({ name, graph }) =>
    `the launch policy does not name model ${name}, whose graph digest is ${toHex(graph)}`,
  name: ({ name, graph }) =>
    `the launch policy gives graph ${toHex(graph)} another name than ${name}`,
  execution: ({ name, execution }) =>
    `the launch policy pins another execution of model ${name} than ${toHex(execution)}`,
  vectors: ({ name, selfTest }) =>
    selfTest
      ? `the launch policy requires other test vectors of model ${name} than ${toHex(selfTest.vectors)}`
      : `the launch policy requires test vectors of model ${name}, and none were run`,
  outputs: ({ name, selfTest }) =>
    `the launch policy requires other bits of model ${name} than its test vectors gave: ${selfTest ? toHex(selfTest.outputs) : 'none'}`,
};

function assertAllowed(rules: LaunchRules, model: JudgedModel): void {
  const broken = rules.broken(model);
  if (broken === null) return;
  const { rule } = broken;
  const code = `LAUNCH_POLICY_${rule.toUpperCase() as Uppercase<LaunchPolicyRule>}` as const;
  throw new AssayError(code, REFUSALS[rule](model));
}

/** Decides which models may be loaded, and tells the hardware of each before it is. */
export class Admission {
  readonly #rules: LaunchRules | null;
  readonly #log: RuntimeLog;
  readonly #turns: Turns;

  constructor(policy: LaunchPolicy | null, log: RuntimeLog, turns: Turns) {
    this.#rules = policy && new LaunchRules(policy.models);
    this.#log = log;
    this.#turns = turns;
  }

  /**
   * Admits a model: to be called before its session is created. Rejects with LAUNCH_POLICY_MODEL,
   * LAUNCH_POLICY_NAME or LAUNCH_POLICY_EXECUTION for one that the policy does not name, MANIFEST_SIZE for one
   * that has no room in a manifest, EVENT_LOG_FULL where RTMR3's log has none for it, PLATFORM_* if RTMR3 does
   * not extend.
   */
  async admit(served: ServedModel): Promise<AdmittedModel> {
    const model = describeModel(served);
    if (this.#rules !== null) assertAllowed(this.#rules, model);
    assertStatable(model);
    await this.#turns.take(() => this.#log.loading(model));
    return model;
  }

  /**
   * What the manifest says of an admitted model, once it was tried. Throws LAUNCH_POLICY_VECTORS or
   * LAUNCH_POLICY_OUTPUTS where the policy requires another outcome: then it must not be served.
   */
  confirm(model: AdmittedModel, tried: TriedModel): ManifestModel {
    const entry = { ...model, ...tried };
    if (this.#rules !== null) assertAllowed(this.#rules, entry);
    return entry;
  }

  /** Tells that a model which was admitted is no longer loaded. */
  retire(model: AdmittedModel): Promise<void> {
    return this.#turns.take(() => this.#log.unloaded(model));
  }
}
