/** Whether the common name is a simulator's: nothing that chains to it says anything of hardware. */
export function isSimulated(commonName: string): boolean {
  return commonName.includes('SIMULATED');
}

/** Whether the common name is this one of a vendor's, or a simulator's in its place, which carries a suffix. */
export function isNamedFor(commonName: string, expected: string): boolean {
  return commonName === expected || commonName.startsWith(`${expected} SIMULATED`);
}
