import { randomFillSync } from 'node:crypto';
import {
  ClaimsForm,
  claimsEntry,
  decodeClaims,
  type InferenceClaims,
} from '../../attestation/receipt/claims.js';
import { commitTensors, encodeSalt, SALT_LENGTH } from '../../attestation/receipt/commitment.js';
import { useInferenceReceipt } from '../../attestation/receipt/inference-receipt.js';
import { encodeNotice, LogWriter, type SharedLog } from '../../enclave/log-writer.js';
import type { Annotator, ExecutionNotes, Sealed } from '../engine/engine.js';
import type { Tensor } from '../engine/tensor.js';
import { nativeHmacSha256 } from '../system/native-hmac.js';
import { nativeSha256Once } from '../system/sha256.js';
import { base64Url, encodeReceipted } from './answer-head.js';
import { encodeHead } from './codec/infer-response.js';

/** What a worker states of one inference, to be logged and answered with. */
interface Annotation {
  /** Of both commitments, 32 bytes. */
  readonly salt: Uint8Array;
  /** `encodeClaims` */
  readonly claims: Uint8Array;
  /** `claimsEntry(claims)`, 32 bytes. */
  readonly entry: Uint8Array;
  /** `encodeHead` */
  readonly head: Uint8Array;
}

/** Salts are drawn many at once: a call of the random number generator costs more than its bytes. */
const salts = new Uint8Array(128 * SALT_LENGTH);
let drawn = salts.length;

function drawSalt(): Uint8Array {
  if (drawn === salts.length) {
    randomFillSync(salts);
    drawn = 0;
  }
  const end = drawn + SALT_LENGTH;
  const salt = salts.slice(drawn, end);
  salts.fill(0, drawn, end);
  drawn = end;
  return salt;
}

/** Contexts change once a second and with a model's manifest, so what was decoded is kept. */
const MAX_KNOWN = 64;
const known = new Map<string, Context>();

interface Context {
  readonly form: ClaimsForm;
  readonly model: InferenceClaims['model'];
}

/** The requests of one execution share one. */
let current: { readonly bytes: Uint8Array; readonly context: Context } | undefined;

function contextOf(bytes: Uint8Array): Context {
  if (current?.bytes !== bytes) current = { bytes, context: knownContext(bytes) };
  return current.context;
}

function knownContext(context: Uint8Array): Context {
  const key = Buffer.from(context.buffer, context.byteOffset, context.length).toString('latin1');
  const there = known.get(key);
  if (there !== undefined) return there;
  if (known.size >= MAX_KNOWN) known.clear();
  const claims = decodeClaims(context);
  const made = { form: new ClaimsForm(claims), model: claims.model };
  known.set(key, made);
  return made;
}

/**
 * Draws a salt, commits to both sides of an inference and claims it.
 * @param notes the context of `StatedLoads`, and the caller's nonce or nothing.
 */
function annotate(
  inputs: readonly Tensor[],
  outputs: readonly Tensor[],
  { context, note }: ExecutionNotes,
): Annotation {
  const { form, model } = contextOf(context);
  const nonce = note.length === 0 ? null : note;
  const salt = drawSalt();
  const claims = Buffer.allocUnsafe(form.length(nonce));
  form.fill(claims, {
    nonce,
    request: commitTensors('request', inputs, salt, nativeHmacSha256),
    response: commitTensors('response', outputs, salt, nativeHmacSha256),
  });
  return {
    salt,
    claims,
    entry: claimsEntry(claims, nativeSha256Once),
    head: encodeHead(model, outputs),
  };
}

/** Logs what was claimed, under one tree head, and makes of each the head of its answer, with its receipt. */
function seal(writer: LogWriter, annotations: readonly Annotation[]): Sealed {
  const { head: treeHead, place } = writer.append(annotations.map(({ entry }) => entry));
  const heads = annotations.map(({ claims, salt, head }, i) => ({
    head,
    receipt: useInferenceReceipt(claims, place(i), base64Url),
    salt: base64Url(encodeSalt(salt)),
  }));
  const { bytes, ends } = encodeReceipted(heads);
  return { bytes, ends, notice: encodeNotice(treeHead) };
}

/**
 * The service's annotator, from what `SharedLog` says: a worker claims, logs and signs what it executed,
 * so that none of it meets the event loop, which is told of the newest tree head.
 */
export function makeAnnotator(log: unknown): Annotator<Annotation> {
  const writer = new LogWriter(log as SharedLog);
  return { annotate, seal: (annotations) => seal(writer, annotations) };
}
