import { type AppraisalPolicy, parsePolicy } from '../../attestation/appraisal/policy.js';
import { concat, toHex } from '../../attestation/encoding/bytes.js';
import { pemBlocks } from '../../attestation/encoding/pem.js';
import type { Tee } from '../../attestation/evidence/bundle.js';
import {
  type RuntimeEvent,
  replayRuntimeLog,
  runtimeEventDigest,
} from '../../attestation/evidence/event-log.js';
import {
  encodeLaunchPolicy,
  type LaunchPolicy,
  launchPolicyDigest,
} from '../../attestation/evidence/launch-policy.js';
import { identifyModel } from '../../attestation/model/identity.js';
import { type BootOptions, bootEnclave } from '../../enclave/boot.js';
import type { Enclave } from '../../enclave/enclave.js';
import type { ServedModel } from '../../enclave/manifest.js';
import { createSimulator, type Simulator } from '../../enclave/platform/simulator/simulator.js';
import { SIMULATED_MEASUREMENT } from '../../enclave/platform/simulator/snp.js';
import { simulatorKeys } from '../vectors.js';
import { madeUpProfile } from './made-up-profile.js';
import { dataType, encodeModel } from './onnx.js';

/** `y = x * factor` over FP32 vectors of any length. */
export function scaleModel(factor: number): Uint8Array {
  const vector = { tensor: dataType.float, shape: ['n'] };
  return encodeModel({
    graph: {
      name: 'scale',
      nodes: [{ op: 'Mul', inputs: ['x', 'factor'], outputs: ['y'] }],
      inputs: [{ name: 'x', type: vector }],
      outputs: [{ name: 'y', type: vector }],
      initializers: [{ name: 'factor', type: dataType.float, dims: [], floats: [factor] }],
    },
  });
}

/** A model as the enclave is given it, executed under a made-up profile. */
export function servedModel(name: string, factor: number): ServedModel {
  const identity = identifyModel({ path: `${name}.onnx`, bytes: scaleModel(factor) });
  return { name, version: '1', identity, profile: madeUpProfile };
}

/** A launch policy that names these models. */
export function launchPolicyFor(...models: readonly ServedModel[]): LaunchPolicy {
  return {
    models: models.map(({ identity }) => ({ graph: identity.graph, execution: null })),
    development: false,
    plaintext: false,
  };
}

/** A simulated machine that was launched with this policy in HOST_DATA or MRCONFIGID. */
export function launch(tee: Tee, policy: LaunchPolicy | null): Promise<Simulator> {
  const digest = policy === null ? null : launchPolicyDigest(encodeLaunchPolicy(policy));
  const launchPolicyDigestBytes =
    tee === 'sev-snp'
      ? (digest?.hostData ?? new Uint8Array(32))
      : (digest?.mrConfigId ?? new Uint8Array(48));
  return createSimulator({
    tee,
    launchPolicyDigest: launchPolicyDigestBytes,
    rootDirectory: simulatorKeys,
  });
}

/** Extends the register of a simulated TD with these events; SNP has none. */
export async function extendAll(
  { rtmr3 }: Simulator,
  events: readonly RuntimeEvent[],
): Promise<void> {
  let held: Uint8Array = replayRuntimeLog([]);
  for (const event of events) held = (await rtmr3?.extend(held, runtimeEventDigest(event))) ?? held;
}

/** Boot options and the models that are served then. */
export interface ServingOptions extends BootOptions {
  readonly models: readonly ServedModel[];
}

/** Boot options that hold for tests; change what the test is about. */
export function bootOptions(
  platform: Simulator,
  models: readonly ServedModel[],
  changes: Partial<ServingOptions> = {},
): ServingOptions {
  return {
    platform,
    launchPolicy: launchPolicyFor(...models),
    configuration: { development: false, plaintext: false },
    models,
    software: { name: 'assay', version: '0.1.0' },
    hosts: ['localhost', '127.0.0.1'],
    now: new Date(),
    ...changes,
  };
}

/** What an enclave states of a model that the tests load into no engine. */
export const UNTRIED = {
  batching: { maxBatchSize: 1, invariance: 'off' },
  selfTest: null,
} as const;

/** Boots an enclave that has admitted and stated these models; nothing executes them. */
export async function bootServing(options: ServingOptions): Promise<Enclave> {
  const { admission, begin } = await bootEnclave(options);
  const models = [];
  for (const served of options.models) {
    models.push(admission.confirm(await admission.admit(served), UNTRIED));
  }
  return begin(models);
}

/** An evidence bundle for a nonce, in one piece. */
export async function evidenceOf(enclave: Enclave, nonce: Uint8Array): Promise<Uint8Array> {
  return concat(...(await enclave.evidence(nonce)));
}

/** DER of a simulator's root, in the form that appraisals take. */
export function rootsOf({ rootPem }: Simulator): Uint8Array[] {
  return pemBlocks(rootPem, 'CERTIFICATE');
}

/** A policy that affirms a simulated enclave with these models, and nothing looser. */
export function affirmingPolicy(
  models: readonly ServedModel[],
  enclave: Record<string, unknown> = {},
): AppraisalPolicy {
  return parsePolicy({
    version: 1,
    snp: { measurements: [toHex(SIMULATED_MEASUREMENT)] },
    tdx: { allowUnknown: ['mrTd', 'rtmr0', 'rtmr1', 'rtmr2'] },
    enclave: {
      models: models.map(({ identity }) => ({ graph: toHex(identity.graph) })),
      ...enclave,
    },
  });
}
