import { toHex } from '../../attestation/encoding/bytes.js';
import type { Enclave } from '../../enclave/enclave.js';
import { SIMULATED_MEASUREMENT } from '../../enclave/platform/simulator/snp.js';

/** A policy document for a simulated enclave that serves just these models, which no launch policy pins. */
export function servedPolicy({ manifest }: Pick<Enclave, 'manifest'>) {
  return {
    version: 1,
    snp: { measurements: [toHex(SIMULATED_MEASUREMENT)] },
    enclave: {
      models: manifest.models.map(({ graph }) => ({ graph: toHex(graph) })),
      allowUnpinned: true,
    },
  };
}
