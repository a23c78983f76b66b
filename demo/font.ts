/** A point of a glyph: x to the right, y upwards; the baseline is 0, small letters are 7 high. */
type Point = readonly [number, number];

/** A glyph: its width, and the lines that a pen draws. */
export interface Glyph {
  readonly width: number;
  readonly strokes: readonly (readonly Point[])[];
}

const STEPS = 16;

/** Part of an ellipse around (x, y), angles in degrees. */
function arc(x: number, y: number, rx: number, ry: number, from: number, to: number): Point[] {
  return Array.from({ length: STEPS + 1 }, (_, i): Point => {
    const angle = ((from + ((to - from) * i) / STEPS) * Math.PI) / 180;
    return [x + rx * Math.cos(angle), y + ry * Math.sin(angle)];
  });
}

const bowl = arc(2.7, 3.5, 2.7, 3.5, 0, 360);
const shoulder: readonly Point[] = [...arc(2.5, 4.5, 2.5, 2.5, 180, 0), [5, 0]];

/** The project's own stroke font, as far as the demo's line needs one. */
export const FONT: { readonly [character: string]: Glyph } = {
  ' ': { width: 1.6, strokes: [] },
  E: {
    width: 6,
    strokes: [
      [
        [6, 0],
        [0, 0],
        [0, 10],
        [6, 10],
      ],
      [
        [0, 5.2],
        [5, 5.2],
      ],
    ],
  },
  a: {
    width: 5.4,
    strokes: [
      bowl,
      [
        [5.4, 7],
        [5.4, 0],
      ],
    ],
  },
  c: { width: 4.8, strokes: [arc(2.9, 3.5, 2.9, 3.5, 45, 315)] },
  e: {
    width: 5.6,
    strokes: [[[0.1, 3.7], [5.5, 3.7], ...arc(2.8, 3.5, 2.8, 3.5, 5, 312)]],
  },
  h: {
    width: 5,
    strokes: [
      [
        [0, 0],
        [0, 10.4],
      ],
      shoulder,
    ],
  },
  i: {
    width: 0,
    strokes: [
      [
        [0, 0],
        [0, 7],
      ],
      [
        [0, 9.6],
        [0, 9.9],
      ],
    ],
  },
  n: {
    width: 5,
    strokes: [
      [
        [0, 0],
        [0, 7],
      ],
      shoulder,
    ],
  },
  p: {
    width: 5.4,
    strokes: [
      [
        [0, 7],
        [0, -3],
      ],
      bowl,
    ],
  },
  r: {
    width: 3.2,
    strokes: [
      [
        [0, 0],
        [0, 7],
      ],
      arc(2.8, 4.2, 2.8, 2.8, 180, 80),
    ],
  },
  s: {
    width: 4.4,
    strokes: [[...arc(2.2, 5.25, 2.1, 1.75, 35, 270), ...arc(2.2, 1.75, 2.2, 1.75, 90, -145)]],
  },
  t: {
    width: 3.6,
    strokes: [
      [[1.5, 9.3], [1.5, 1.6], ...arc(3.1, 1.6, 1.6, 1.6, 180, 290)],
      [
        [0, 7],
        [3.4, 7],
      ],
    ],
  },
  v: {
    width: 5.2,
    strokes: [
      [
        [0, 7],
        [2.6, 0],
        [5.2, 7],
      ],
    ],
  },
  w: {
    width: 8,
    strokes: [
      [
        [0, 7],
        [2, 0],
        [4, 7],
        [6, 0],
        [8, 7],
      ],
    ],
  },
  y: {
    width: 5.2,
    strokes: [
      [
        [0, 7],
        [2.6, 0.2],
      ],
      [
        [5.2, 7],
        [2.4, -1.6],
        [1.6, -2.8],
        [0.2, -3],
      ],
    ],
  },
};
