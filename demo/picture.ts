import { FONT } from './font.js';

/** A grey picture: one byte a pixel, 0 black, rows from the top. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint8Array<ArrayBuffer>;
}

/** Pixels, except where a unit of the font is meant. */
const HEIGHT = 48;
const MARGIN = 12;
const BASELINE = 34.5;
const PIXELS_PER_UNIT = 2.4;
const PEN_WIDTH = 3.8;
/** Units. */
const LETTER_GAP = 2.4;

interface Segment {
  readonly ax: number;
  readonly ay: number;
  readonly dx: number;
  readonly dy: number;
}

function distance({ ax, ay, dx, dy }: Segment, x: number, y: number): number {
  const squared = dx * dx + dy * dy;
  const along = squared === 0 ? 0 : ((x - ax) * dx + (y - ay) * dy) / squared;
  const t = Math.max(0, Math.min(1, along));
  return Math.hypot(x - ax - t * dx, y - ay - t * dy);
}

/** Draws a line of text in black on white with a round pen, its edges smoothed over one pixel. */
export function drawLine(text: string): Picture {
  const segments: Segment[] = [];
  let left = MARGIN;
  for (const character of text) {
    const glyph = FONT[character];
    if (glyph === undefined) throw new RangeError(`the demo's font has no glyph for ${character}`);
    for (const stroke of glyph.strokes) {
      const points = stroke.map(([x, y]) => ({
        x: left + x * PIXELS_PER_UNIT,
        y: BASELINE - y * PIXELS_PER_UNIT,
      }));
      points.slice(1).forEach((to, i) => {
        const from = points[i] ?? to;
        segments.push({ ax: from.x, ay: from.y, dx: to.x - from.x, dy: to.y - from.y });
      });
    }
    left += (glyph.width + LETTER_GAP) * PIXELS_PER_UNIT;
  }
  const width = Math.ceil(left - LETTER_GAP * PIXELS_PER_UNIT + MARGIN);
  const pixels = new Uint8Array(width * HEIGHT).map((_, i) => {
    const [x, y] = [(i % width) + 0.5, Math.floor(i / width) + 0.5];
    const nearest = segments.reduce((least, s) => Math.min(least, distance(s, x, y)), Infinity);
    return Math.round(255 * Math.max(0, Math.min(1, nearest - PEN_WIDTH / 2 + 0.5)));
  });
  return { width, height: HEIGHT, pixels };
}

/** The picture for a terminal: two pixel rows a line of text, every second column. */
export function sketch({ width, height, pixels }: Picture): string {
  const dark = (x: number, y: number): boolean => (pixels[y * width + x] ?? 255) < 128;
  const lines: string[] = [];
  for (let y = 0; y < height; y += 4) {
    let line = '';
    for (let x = 0; x < width; x += 3) {
      const [upper, lower] = [dark(x, y) || dark(x, y + 1), dark(x, y + 2) || dark(x, y + 3)];
      line += upper ? (lower ? '█' : '▀') : lower ? '▄' : ' ';
    }
    lines.push(line.trimEnd());
  }
  return lines.filter((line) => line !== '').join('\n');
}

/** The picture as binary PGM (netpbm), which every viewer of images opens. */
export function toPgm({ width, height, pixels }: Picture): Uint8Array {
  return Buffer.concat([Buffer.from(`P5\n${width} ${height}\n255\n`), pixels]);
}
