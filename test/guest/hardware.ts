import { readFileSync } from 'node:fs';
import { fromHex } from '../../attestation/encoding/bytes.js';
import { parseSnpReport } from '../../attestation/evidence/snp-report.js';
import { cachedKeyPair } from '../../enclave/platform/simulator/keys.js';
import { createSnpSimulator, signReport } from '../../enclave/platform/simulator/snp.js';

/** What the test's hardware measured at launch, as the test's host writes it down. */
interface Launch {
  readonly hostData: string;
  readonly measurement: string;
}

/** The answer of the forged provider: an errno, or blobs. */
export interface Answer {
  readonly error: number;
  readonly report: Uint8Array;
  readonly auxiliary: Uint8Array;
}

/** Signs reports under the simulator's chain as the hardware of this launch would. */
export async function openHardware(folder: string): Promise<(data: Uint8Array) => Promise<Answer>> {
  const launch = JSON.parse(readFileSync(`${folder}/launch.json`, 'utf8')) as Launch;
  const keys = `${folder}/keys`;
  const hostData = fromHex(launch.hostData);
  const { platform } = await createSnpSimulator({ reportVersion: 3, hostData, directory: keys });
  const { privateKey } = await cachedKeyPair(keys, 'amd-vcek', 'p-384');
  return async (data) => {
    const { report, endorsements } = await platform.attest(data);
    const measurement = fromHex(launch.measurement);
    return {
      error: 0,
      report: await signReport({ ...parseSnpReport(report), measurement }, privateKey),
      auxiliary: endorsements ?? new Uint8Array(),
    };
  };
}
