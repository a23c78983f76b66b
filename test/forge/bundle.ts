import { concat } from '../../attestation/encoding/bytes.js';
import { makeChallenge, reportData } from '../../attestation/evidence/binding.js';
import type { Tee } from '../../attestation/evidence/bundle.js';
import { type EvidenceBundle, encodeBundle } from '../../attestation/evidence/bundle.js';
import { encodeRuntimeLog, type RuntimeEvent } from '../../attestation/evidence/event-log.js';
import {
  encodeLaunchPolicy,
  type LaunchPolicy,
  launchPolicyDigest,
} from '../../attestation/evidence/launch-policy.js';
import { encodeManifest, type Manifest } from '../../attestation/evidence/manifest.js';
import { makeKeys } from '../../enclave/keys.js';
import { describeModel, makeStatement } from '../../enclave/manifest.js';
import {
  extendAll,
  launch,
  launchPolicyFor,
  rootsOf,
  type servedModel,
  UNTRIED,
} from './enclave.js';

type Served = ReturnType<typeof servedModel>;

/** One thing that is wrong with evidence that the simulated hardware signs nevertheless. */
export interface BundleFault {
  /** Changes the manifest before the hardware signs for it. */
  readonly manifest?: (manifest: Manifest) => Manifest;
  /** Changes the manifest's bytes before the hardware signs for them. */
  readonly manifestBytes?: (bytes: Uint8Array) => Uint8Array;
  /** What the hardware is made to sign in place of the binding. */
  readonly reportData?: (challenge: Uint8Array, manifest: Uint8Array) => Uint8Array;
  /** What was pinned at launch in place of the policy for the models; null for nothing. */
  readonly pinned?: LaunchPolicy | null;
  /** The policy that the enclave enforces and sends. */
  readonly policy?: LaunchPolicy;
  /** Events in place of the honest ones; the register follows them. */
  readonly events?: (honest: readonly RuntimeEvent[]) => readonly RuntimeEvent[];
  /** Changes the bundle after all was signed. */
  readonly bundle?: (bundle: EvidenceBundle) => EvidenceBundle | Promise<EvidenceBundle>;
}

export interface ForgedBundle {
  readonly bytes: Uint8Array;
  readonly roots: readonly Uint8Array[];
}

/** Honest evidence of an enclave with these models, for this nonce, with one fault at most. */
export async function forgeBundle(
  tee: Tee,
  models: readonly Served[],
  nonce: Uint8Array,
  fault: BundleFault = {},
): Promise<ForgedBundle> {
  const policy = fault.policy ?? launchPolicyFor(...models);
  const platform = await launch(tee, fault.pinned === undefined ? policy : fault.pinned);
  const canonical = encodeLaunchPolicy(policy);
  const { hostData } = launchPolicyDigest(canonical);
  const keys = await makeKeys(['localhost'], new Date());
  const software = { name: 'assay', version: '0.1.0' };
  const served = models.map((model) => ({ ...describeModel(model), ...UNTRIED }));
  const { manifest: honest } = makeStatement(keys, served, hostData, software);
  const manifest = fault.manifest?.(honest) ?? honest;
  const encoded = encodeManifest(manifest);
  const bytes = fault.manifestBytes?.(encoded) ?? encoded;

  const told: readonly RuntimeEvent[] = [
    { type: 'launch-policy', content: hostData },
    ...honest.models.map((m) => ({ type: 'model', content: concat(m.graph, m.execution) })),
  ];
  const events = fault.events?.(told) ?? told;
  await extendAll(platform, events);

  const [stranger, other] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  const challenge = makeChallenge([stranger, nonce, other])[1];
  if (challenge === undefined) throw new Error('the nonce has a position');
  const data = (fault.reportData ?? reportData)(challenge.root, bytes);
  const { report, endorsements } = await platform.attest(data);
  const bundle: EvidenceBundle = {
    tee,
    report,
    endorsements: endorsements ?? null,
    manifest: bytes,
    challenge,
    eventLog: tee === 'tdx' ? encodeRuntimeLog(events) : null,
    launchPolicy: canonical,
  };
  return {
    bytes: encodeBundle((await fault.bundle?.(bundle)) ?? bundle),
    roots: rootsOf(platform),
  };
}
