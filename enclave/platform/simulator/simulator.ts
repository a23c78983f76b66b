import { toPem } from '../../../attestation/encoding/pem.js';
import type { Platform } from '../platform.js';
import { createSnpSimulator } from './snp.js';
import { createTdxSimulator } from './tdx.js';

export interface SimulatorOptions {
  readonly tee: Platform['tee'];
  /** SEV-SNP: 3 (the default) plays Milan, 5 plays Turin. */
  readonly reportVersion?: 3 | 5 | undefined;
  /** Digest of the launch policy: HOST_DATA (SEV-SNP, 32 bytes) or MRCONFIGID (TDX, 48 bytes). */
  readonly launchPolicyDigest: Uint8Array;
  /** Where the simulated vendors keep their keys. */
  readonly rootDirectory: string;
}

/** A platform without hardware, and the root that has to be named to believe its evidence. */
export interface Simulator extends Platform {
  readonly rootPem: string;
}

/**
 * Makes a simulated platform. What it signs has the structure of genuine evidence and is worth
 * nothing: its root says SIMULATED, and no verifier accepts it that was not told that root.
 */
export async function createSimulator(options: SimulatorOptions): Promise<Simulator> {
  const directory = options.rootDirectory;
  const { platform, root } =
    options.tee === 'tdx'
      ? await createTdxSimulator({ mrConfigId: options.launchPolicyDigest, directory })
      : await createSnpSimulator({
          reportVersion: options.reportVersion ?? 3,
          hostData: options.launchPolicyDigest,
          directory,
        });
  return { ...platform, rootPem: toPem(root, 'CERTIFICATE') };
}
