import { concat } from '../attestation/encoding/bytes.js';
import { encodeBundle } from '../attestation/evidence/bundle.js';
import {
  encodeRuntimeLog,
  type RuntimeEvent,
  runtimeEventDigest,
} from '../attestation/evidence/event-log.js';
import {
  encodeLaunchPolicy,
  type LaunchPolicy,
  launchPolicyDigest,
} from '../attestation/evidence/launch-policy.js';
import { encodeManifest, type Manifest, manifestDigest } from '../attestation/evidence/manifest.js';
import { epochEntry } from '../attestation/receipt/claims.js';
import { assertAllowed, assertPinned, type RuledConfiguration } from './admission.js';
import { Challenger } from './challenge.js';
import { Issuer } from './issuer.js';
import { type EnclaveKeys, makeKeys } from './keys.js';
import { makeManifest, manifestModel, type ServedModel } from './manifest.js';
import type { Platform } from './platform/platform.js';

export interface BootOptions {
  readonly platform: Platform;
  /** Null: nothing is pinned at launch, and verifiers are told. */
  readonly launchPolicy: LaunchPolicy | null;
  readonly configuration: RuledConfiguration;
  readonly models: readonly ServedModel[];
  readonly software: Manifest['software'];
  /** DNS names and IP addresses for the TLS certificate. */
  readonly hosts: readonly string[];
  readonly now: Date;
}

/** An enclave that has stated itself, and may now load what it stated. */
export interface Enclave {
  readonly manifest: Manifest;
  readonly manifestBytes: Uint8Array;
  readonly manifestDigest: Uint8Array;
  readonly keys: EnclaveKeys;
  readonly issuer: Issuer;
  /** An evidence bundle for a verifier's nonce of 32 bytes; rejects with BINDING_NONCE. */
  evidence(nonce: Uint8Array): Promise<Uint8Array>;
  /** Hardware reports made, and nonces that they answered. */
  evidenceCounts(): Challenger['counts'];
}

/** Extends RTMR3 with the policy and every model, in the manifest's order; null on SNP. */
async function recordAtRuntime(
  { extendRtmr3 }: Platform,
  manifest: Manifest,
): Promise<Uint8Array | null> {
  if (extendRtmr3 === undefined) return null;
  const events: RuntimeEvent[] = [];
  if (manifest.launchPolicy !== null) {
    events.push({ type: 'launch-policy', content: manifest.launchPolicy });
  }
  for (const { graph, execution } of manifest.models) {
    events.push({ type: 'model', content: concat(graph, execution) });
  }
  for (const event of events) await extendRtmr3(runtimeEventDigest(event));
  return encodeRuntimeLog(events);
}

/**
 * Begins an epoch: checks that the hardware pins this launch policy and that the policy allows these
 * models, extends RTMR3 (TDX), makes the keys, states the manifest, starts the log. Call it before any
 * session is created. Rejects with a LAUNCH_POLICY or PLATFORM error: then nothing may be served.
 */
export async function bootEnclave(options: BootOptions): Promise<Enclave> {
  const { platform, launchPolicy } = options;
  await assertPinned(platform, launchPolicy);
  const models = options.models.map(manifestModel);
  if (launchPolicy !== null) assertAllowed(launchPolicy, models, options.configuration);

  const canonical = launchPolicy === null ? null : encodeLaunchPolicy(launchPolicy);
  const policyDigest = canonical === null ? null : launchPolicyDigest(canonical).hostData;
  const keys = await makeKeys(options.hosts, options.now);
  const manifest = makeManifest(keys, models, policyDigest, options.software);
  const eventLog = await recordAtRuntime(platform, manifest);

  const manifestBytes = encodeManifest(manifest);
  const digest = manifestDigest(manifestBytes);
  const challenger = new Challenger(platform, manifestBytes);
  return {
    manifest,
    manifestBytes,
    manifestDigest: digest,
    keys,
    issuer: await Issuer.start(keys.signing, epochEntry(digest)),
    evidenceCounts: () => challenger.counts,
    evidence: async (nonce) => {
      const { evidence, position } = await challenger.answer(nonce);
      return encodeBundle({
        tee: platform.tee,
        report: evidence.report,
        endorsements: evidence.endorsements ?? null,
        manifest: manifestBytes,
        challenge: position,
        eventLog,
        launchPolicy: canonical,
      });
    },
  };
}
