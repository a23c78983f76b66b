import { createHash } from 'node:crypto';
import { toBase64 } from '../../attestation/encoding/bytes.js';
import {
  encodeLaunchPolicy,
  type LaunchPolicy,
  launchPolicyDigest,
} from '../../attestation/evidence/launch-policy.js';
import { hasAuthorKey } from '../measurement/id-block.js';
import type { Deployment } from './deployment.js';

/** A deployment with what is derived from it: all that the generators look at. */
export interface LaunchPlan {
  readonly deployment: Deployment;
  /** Digest of the launch policy, as HOST_DATA (32 bytes) or MRCONFIGID (48 bytes). */
  readonly bindingBase64: string;
  /** Of the guest's network card: another for each name, and the same at each start. */
  readonly macAddress: string;
  /** Whether an author vouches for the key of the ID block. */
  readonly authorKey: boolean;
}

/** What a generator writes: file names and contents. */
export interface LaunchFile {
  readonly name: string;
  readonly contents: string;
  readonly executable: boolean;
}

/** Locally administered and of one station (IEEE 802): six octets, of which a name decides five. */
function macAddressOf(name: string): string {
  const octets = createHash('sha256').update(name).digest().subarray(0, 5);
  return ['02', ...Array.from(octets, (octet) => octet.toString(16).padStart(2, '0'))].join(':');
}

export function planLaunch(deployment: Deployment, policy: LaunchPolicy): LaunchPlan {
  const digest = launchPolicyDigest(encodeLaunchPolicy(policy));
  const binding = deployment.tee === 'sev-snp' ? digest.hostData : digest.mrConfigId;
  const { idBlock } = deployment.snp;
  return {
    deployment,
    bindingBase64: toBase64(binding),
    macAddress: macAddressOf(deployment.name),
    authorKey: idBlock !== undefined && hasAuthorKey(Buffer.from(idBlock.authentication, 'base64')),
  };
}
