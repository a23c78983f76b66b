/** Whether bit 0, 1, … of a field is set. */
export function hasBit(raw: bigint, bit: number): boolean {
  return ((raw >> BigInt(bit)) & 1n) === 1n;
}

/** Bits of a field by name. */
export function namedBits<Name extends string>(
  raw: bigint,
  bits: { readonly [name in Name]: number },
): Record<Name, boolean> {
  const entries = Object.entries<number>(bits).map(([name, bit]) => [name, hasBit(raw, bit)]);
  return Object.fromEntries(entries) as Record<Name, boolean>;
}
