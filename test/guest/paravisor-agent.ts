import { openTpmDevice, type Tpm } from '../../enclave/platform/tpm/device.js';
import { Paravisor } from '../forge/paravisor.js';
import { openHardware } from './hardware.js';

/** The size of the report's index in swtpm, which has none as large as Azure's. */
export const SOFTWARE_TPM_INDEX = 2048;
const PERIOD = 300;

/**
 * Plays Azure's paravisor inside the guest, over the kernel's own TPM device: looks again and again at the
 * guest's 64 bytes, and writes a report over them when they have changed. So it is late, as the real one is
 * when it renewed less than two seconds ago.
 */
export async function playParavisor(): Promise<never> {
  const sign = openHardware();
  const attest = async (data: Uint8Array) => ({
    report: sign(data).report,
    endorsements: undefined,
  });
  const tpm: Tpm = await openTpmDevice();
  const paravisor = new Paravisor({ tee: 'sev-snp', attest }, tpm, SOFTWARE_TPM_INDEX);
  for (;;) {
    await paravisor.keepUp();
    await new Promise((resume) => setTimeout(resume, PERIOD));
  }
}
