import type { Picture } from './picture.js';

/** Input of PP-OCRv4's recogniser: (x / 255 - 0.5) / 0.5 for blue, green and red, [1, 3, 48, width]. */
export function preprocess({ width, height, pixels }: Picture): {
  readonly shape: readonly number[];
  readonly values: Float32Array;
} {
  const plane = Float32Array.from(pixels, (value) => (value / 255 - 0.5) / 0.5);
  const values = new Float32Array(3 * plane.length);
  for (let channel = 0; channel < 3; channel++) values.set(plane, channel * plane.length);
  return { shape: [1, 3, height, width], values };
}

/** The classes of the recogniser: the CTC blank, one character a line of the table, the space. */
export function characterTable(text: string): readonly string[] {
  return ['', ...text.split('\n'), ' '];
}

/**
 * Greedy CTC decoding of [1, steps, classes] probabilities: the most probable class of each step,
 * repetitions and blanks dropped. The confidence is the mean over the characters that remain.
 */
export function decode(
  probabilities: readonly number[],
  shape: readonly number[],
  table: readonly string[],
): { readonly text: string; readonly confidence: number } {
  const [, steps = 0, classes = 0] = shape;
  if (classes !== table.length) {
    throw new RangeError(`the model has ${classes} classes, the table ${table.length}`);
  }
  let text = '';
  let sum = 0;
  let characters = 0;
  let previous = 0;
  for (let step = 0; step < steps; step++) {
    const row = probabilities.slice(step * classes, (step + 1) * classes);
    const best = row.reduce((top, value, i) => (value > (row[top] ?? 0) ? i : top), 0);
    if (best !== 0 && best !== previous) {
      text += table[best] ?? '';
      sum += row[best] ?? 0;
      characters++;
    }
    previous = best;
  }
  return { text: text.trim(), confidence: characters === 0 ? 0 : sum / characters };
}
