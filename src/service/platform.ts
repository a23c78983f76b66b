import { fromHex } from '../../attestation/encoding/bytes.js';
import {
  encodeLaunchPolicy,
  launchPolicyDigest,
} from '../../attestation/evidence/launch-policy.js';
import { openAzureVtpm } from '../../enclave/platform/azure-vtpm.js';
import { openConfigfsTsm } from '../../enclave/platform/configfs-tsm.js';
import type { Platform } from '../../enclave/platform/platform.js';
import { loadLaunchPolicy } from '../config.js';
import { cacheFolder } from '../system/cache-folder.js';
import type { Config } from './config-schema.js';

/** An open platform and how to close it. */
export interface OpenPlatform {
  readonly platform: Platform;
  /** Certificate of the simulator's root, PEM; undefined on hardware. */
  readonly simulatedRoot: string | undefined;
  close(): Promise<void>;
}

/** What the simulated host wrote into HOST_DATA or MRCONFIGID at launch: zeros for nothing. */
async function pinned(config: Config, tee: Platform['tee']): Promise<Uint8Array> {
  if (config.platform.kind === 'simulator' && config.platform.pinned !== undefined) {
    return fromHex(config.platform.pinned);
  }
  if (config.launchPolicy === undefined) return new Uint8Array(tee === 'sev-snp' ? 32 : 48);
  const policy = await loadLaunchPolicy(config.launchPolicy);
  const { hostData, mrConfigId } = launchPolicyDigest(encodeLaunchPolicy(policy));
  return tee === 'sev-snp' ? hostData : mrConfigId;
}

/** Opens the attestation interface that the configuration names; rejects with PLATFORM_*. */
export async function openPlatform(config: Config): Promise<OpenPlatform> {
  const { kind } = config.platform;
  if (kind !== 'simulator') {
    const platform = await (kind === 'azure-vtpm' ? openAzureVtpm() : openConfigfsTsm());
    return { platform, simulatedRoot: undefined, close: () => platform.close() };
  }
  const { tee, reportVersion, rootDirectory } = config.platform;
  // Loaded where it is asked for: on hardware no certificate is made, and no library for that runs.
  const { createSimulator } = await import('../../enclave/platform/simulator/simulator.js');
  const platform = await createSimulator({
    tee,
    launchPolicyDigest: await pinned(config, tee),
    reportVersion,
    rootDirectory: rootDirectory ?? cacheFolder(process.env, 'simulator'),
  });
  return { platform, simulatedRoot: platform.rootPem, close: async () => undefined };
}
