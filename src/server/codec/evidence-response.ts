import { totalLength } from '../../engine/pieces.js';
import type { Pieces } from '../unary-methods.js';
import { fieldHead } from './field-head.js';
import { PREFIX } from './prefix.js';

/** `GetEvidenceResponse` behind `PREFIX` bytes of room; the bundle's pieces are not copied. */
export function encodeEvidence(bundle: readonly Uint8Array[]): Pieces {
  const head = fieldHead(1, totalLength(bundle));
  return [Buffer.concat([Buffer.alloc(PREFIX), head]), ...bundle];
}
