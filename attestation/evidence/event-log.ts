import { type CborValue, encodeCbor } from '../encoding/cbor.js';
import { AssayError } from '../encoding/error.js';
import { CborFields } from '../encoding/fields.js';
import { label, sha384 } from '../encoding/hash.js';
import { replayDigests } from './replay.js';

/** One event of Assay's own RTMR3 log: what the enclave did before it went on. */
export interface RuntimeEvent {
  /** What happened, for example `launch-policy` or `model`: lower case, digits and hyphens. */
  readonly type: string;
  /** What it happened to, for example a model's graph digest. */
  readonly content: Uint8Array;
}

/** Events of one log, and so of one epoch. */
export const MAX_RUNTIME_EVENTS = 4096;
const MAX_CONTENT = 64 * 1024;
const MAX_BYTES = 4 * 1024 * 1024;
const TYPE = /^[a-z][a-z0-9-]{0,63}$/;
const CODE = 'EVENT_LOG_FORMAT';

function toCbor(event: RuntimeEvent): CborValue {
  if (!TYPE.test(event.type) || event.content.length > MAX_CONTENT) {
    throw new AssayError(
      CODE,
      `expected an event type of at most 64 lower-case letters, digits and hyphens and a content of at most ${MAX_CONTENT} bytes`,
    );
  }
  return new Map<string, CborValue>([
    ['type', event.type],
    ['content', event.content],
  ]);
}

/** SHA-384 that RTMR3 is extended with for an event. */
export function runtimeEventDigest(event: RuntimeEvent): Uint8Array<ArrayBuffer> {
  return sha384(label('rtmr3-event'), encodeCbor(toCbor(event)));
}

/** RTMR3 of a TD in which nothing but these events was extended, in this order. */
export function replayRuntimeLog(events: readonly RuntimeEvent[]): Uint8Array<ArrayBuffer> {
  return replayDigests(events.map(runtimeEventDigest));
}

/** Deterministic CBOR of a log: `{events: [{content, type}], version: 1}`. */
export function encodeRuntimeLog(events: readonly RuntimeEvent[]): Uint8Array<ArrayBuffer> {
  if (events.length > MAX_RUNTIME_EVENTS) {
    throw new AssayError(
      CODE,
      `expected at most ${MAX_RUNTIME_EVENTS} events, not ${events.length}`,
    );
  }
  const bytes = encodeCbor(
    new Map<string, CborValue>([
      ['version', 1],
      ['events', events.map(toCbor)],
    ]),
  );
  if (bytes.length > MAX_BYTES) {
    throw new AssayError(CODE, `expected a log of at most ${MAX_BYTES} bytes, not ${bytes.length}`);
  }
  return bytes;
}

/** Decodes what `encodeRuntimeLog` makes, and nothing else; throws EVENT_LOG_FORMAT. */
export function decodeRuntimeLog(bytes: Uint8Array): RuntimeEvent[] {
  if (bytes.length > MAX_BYTES) {
    throw new AssayError(CODE, `expected a log of at most ${MAX_BYTES} bytes, not ${bytes.length}`);
  }
  const fields = CborFields.decode(bytes, 'the RTMR3 log', CODE);
  const version = fields.unsigned('version');
  if (version !== 1) throw new AssayError(CODE, `expected log version 1, not ${version}`);
  const items = fields.array('events');
  fields.end();
  if (items.length > MAX_RUNTIME_EVENTS) {
    throw new AssayError(
      CODE,
      `expected at most ${MAX_RUNTIME_EVENTS} events, not ${items.length}`,
    );
  }
  return items.map((item, i) => {
    const member = new CborFields(item, `event ${i}`, CODE);
    const event = { type: member.text('type'), content: member.bytes('content') };
    member.end();
    toCbor(event);
    return event;
  });
}
