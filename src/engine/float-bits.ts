/**
 * Floats that are drawn by their bits, of both signs. `wide`: of all magnitudes from 1/4 to 2¹⁴, each octave
 * alike; `vast`: any finite bits; `wild`: as `vast`, but every second one an infinity, a NaN (quiet, with a
 * payload, signalling), a zero or a denormal; `flecked`: as `wide`, with such a one in 64.
 */
export type FloatRange = 'wide' | 'vast' | 'wild' | 'flecked';

/** Bits of the word that has the sign, which is the only one but for FP64, and those of its exponent. */
const LAYOUTS = {
  FP16: { bits: 16, exponent: 5 },
  FP32: { bits: 32, exponent: 8 },
  FP64: { bits: 32, exponent: 11 },
} as const;

const OCTAVES = { lowest: -2, count: 16 };
const SPECIAL: Readonly<Record<FloatRange, number>> = {
  wide: 0,
  vast: 0,
  wild: 1 / 2,
  flecked: 1 / 64,
};
const PAYLOAD = 0x123;

/** Draws floats as their words: `[the one with the sign, the one below it]`, which only FP64 has. */
export function floatWords(
  datatype: keyof typeof LAYOUTS,
  range: FloatRange,
  random: () => number,
): () => readonly [number, number] {
  const { bits, exponent } = LAYOUTS[datatype];
  const exponents = 2 ** exponent;
  const unit = 2 ** (bits - 1 - exponent);
  const infinite = (exponents - 1) * unit;
  const quiet = infinite + unit / 2;
  const specials = [infinite, quiet, quiet + PAYLOAD, infinite + 1, 0, 1];
  const below = (count: number): number => Math.floor(random() * count);
  const vast = range === 'vast' || range === 'wild';
  return () => {
    const sign = below(2) * exponents * unit;
    if (random() < SPECIAL[range]) return [sign + (specials[below(specials.length)] ?? 0), 0];
    const biased = vast
      ? below(exponents - 1)
      : exponents / 2 - 1 + OCTAVES.lowest + below(OCTAVES.count);
    return [sign + biased * unit + below(unit), below(2 ** 32)];
  };
}
