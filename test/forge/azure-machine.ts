import type { Tee } from '../../attestation/evidence/bundle.js';
import { type AzureOptions, openAzureVtpm } from '../../enclave/platform/azure-vtpm.js';
import { launch } from './enclave.js';
import { Paravisor } from './paravisor.js';
import { ForgedTpm } from './tpm.js';

/** Pauses end at once; deadlines never come. */
export const scheduler = {
  now: () => 0,
  after: (milliseconds: number, callback: () => void) => {
    if (milliseconds <= 1000) setImmediate(callback);
    return () => undefined;
  },
};

/** A machine of Azure whose hardware is simulated. */
export async function azureMachine(tee: Tee = 'sev-snp') {
  const hardware = await launch(tee, null);
  const tpm = new ForgedTpm();
  const paravisor = new Paravisor(hardware, tpm);
  await paravisor.start();
  const open = (options: AzureOptions = {}) =>
    openAzureVtpm({
      openTpm: async () => {
        tpm.open += 1;
        return paravisor.tpm;
      },
      host: paravisor.host,
      scheduler,
      ...options,
    });
  return { hardware, tpm, paravisor, open };
}
