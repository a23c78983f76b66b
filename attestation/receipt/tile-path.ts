/** Hashes in a complete tile, tlog-tiles (C2SP). */
export const TILE_WIDTH = 256;

/**
 * Path of a tile, tlog-tiles (C2SP): the index in groups of three digits, `x` before all but the last;
 * an incomplete tile says how many hashes it has.
 */
export function tilePath(level: number, index: number, width = TILE_WIDTH): string {
  const digits = String(index);
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, '0');
  const parts = padded.match(/\d{3}/g) ?? [];
  const last = parts.length - 1;
  const path = parts.map((part, i) => (i < last ? `x${part}` : part));
  const whole = ['tile', String(level), ...path].join('/');
  return width < TILE_WIDTH ? `${whole}.p/${width}` : whole;
}

/** The newest published head, beside the tiles that it covers. */
export const HEAD_FILE = 'tree-head.cbor';
