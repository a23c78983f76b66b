import type { ModelInit } from './onnx-init.js';
import { pick, type Random } from './random.js';

/** A part of a model that can be exchanged for another. */
interface Place {
  readonly holder: { [key: string]: unknown };
  readonly key: string;
}

function placesOf(holder: { [key: string]: unknown }): Place[] {
  return Object.entries(holder).flatMap(([key, value]) => {
    const inner =
      typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)
        ? placesOf(value as { [key: string]: unknown })
        : [];
    return [{ holder, key }, ...inner];
  });
}

/**
 * The model with one change anywhere: another number, another of the model's texts in place of one, an
 * element of a list left out, a member left out. It need not be well-formed any more.
 */
export function mutatedModel(model: ModelInit, random: Random): ModelInit {
  const copy: ModelInit = structuredClone(model);
  const places = placesOf(copy as unknown as { [key: string]: unknown });
  const texts = places.map(({ holder, key }) => holder[key]).filter((v) => typeof v === 'string');
  const { holder, key } = pick(random, places);
  const value = holder[key];
  if (typeof value === 'number') holder[key] = value + 1;
  else if (typeof value === 'string') holder[key] = pick(random, texts);
  else if (Array.isArray(value)) value.splice(random(value.length + 1), 1);
  else delete holder[key];
  return copy;
}
