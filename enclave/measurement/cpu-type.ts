import { AssayError } from '../../attestation/encoding/error.js';

/** CPUID Fn0000_0001_EAX of a family, model and stepping (AMD 25481). */
function cpuSignature(family: number, model: number, stepping: number): number {
  const base = Math.min(family, 0xf);
  const extended = family - base;
  return (
    (extended << 20) | ((model >> 4) << 16) | (base << 8) | ((model & 0xf) << 4) | (stepping & 0xf)
  );
}

const NAPLES = cpuSignature(0x17, 0x01, 2);
const ROME = cpuSignature(0x17, 0x31, 0);
const MILAN = cpuSignature(0x19, 0x01, 1);
const GENOA = cpuSignature(0x19, 0x11, 0);
const TURIN = cpuSignature(0x1a, 0x00, 0);

/** QEMU's named models (`target/i386/cpu.c`): what `-cpu` says decides RDX at launch. */
const SIGNATURES: Readonly<Record<string, number>> = {
  EPYC: NAPLES,
  'EPYC-v1': NAPLES,
  'EPYC-v2': NAPLES,
  'EPYC-IBPB': NAPLES,
  'EPYC-v3': NAPLES,
  'EPYC-v4': NAPLES,
  'EPYC-v5': NAPLES,
  'EPYC-Rome': ROME,
  'EPYC-Rome-v1': ROME,
  'EPYC-Rome-v2': ROME,
  'EPYC-Rome-v3': ROME,
  'EPYC-Rome-v4': ROME,
  'EPYC-Rome-v5': ROME,
  'EPYC-Milan': MILAN,
  'EPYC-Milan-v1': MILAN,
  'EPYC-Milan-v2': MILAN,
  'EPYC-Milan-v3': MILAN,
  'EPYC-Genoa': GENOA,
  'EPYC-Genoa-v1': GENOA,
  'EPYC-Genoa-v2': GENOA,
  'EPYC-Turin': TURIN,
  'EPYC-Turin-v1': TURIN,
};

export const CPU_TYPES = Object.keys(SIGNATURES);

/** The CPUID signature of one of QEMU's models; MEASUREMENT_INPUT for any other name. */
export function signatureOf(type: string): number {
  const signature = SIGNATURES[type];
  if (signature === undefined) {
    throw new AssayError(
      'MEASUREMENT_INPUT',
      `expected one of QEMU's EPYC models (${CPU_TYPES.join(', ')}), not ${type}`,
    );
  }
  return signature;
}
