import { randomFillSync } from 'node:crypto';
import { ClaimsForm, claimsEntry, decodeClaims } from '../../attestation/receipt/claims.js';
import { commitTensors, encodeSalt, SALT_LENGTH } from '../../attestation/receipt/commitment.js';
import { useInferenceReceipt } from '../../attestation/receipt/inference-receipt.js';
import { encodeNotice, LogWriter, type SharedLog } from '../../enclave/log-writer.js';
import type { Annotator, ExecutionNotes, Sealed } from '../engine/engine.js';
import type { Tensor } from '../engine/tensor.js';
import { nativeHmacSha256 } from '../system/native-hmac.js';
import { nativeSha256Once } from '../system/sha256.js';
import { type Annotation, makeAnnotation, splitAnnotation } from './annotation.js';
import { base64Url, receiptParameters } from './receipt-parameters.js';

/** Salts are drawn many at once: a call of the random number generator costs more than its bytes. */
const salts = new Uint8Array(128 * SALT_LENGTH);
let drawn = salts.length;

function drawSalt(into: Uint8Array): void {
  if (drawn === salts.length) {
    randomFillSync(salts);
    drawn = 0;
  }
  const salt = salts.subarray(drawn, drawn + SALT_LENGTH);
  into.set(salt);
  salt.fill(0);
  drawn += SALT_LENGTH;
}

/** Contexts change once a second and with a model's manifest, so what was decoded is kept. */
const MAX_FORMS = 64;
const forms = new Map<string, ClaimsForm>();
/** The requests of one execution share one context. */
let current: { readonly context: Uint8Array; readonly form: ClaimsForm } | undefined;

function formOf(context: Uint8Array): ClaimsForm {
  if (current?.context !== context) current = { context, form: knownForm(context) };
  return current.form;
}

function knownForm(context: Uint8Array): ClaimsForm {
  const key = Buffer.from(context.buffer, context.byteOffset, context.length).toString('latin1');
  const known = forms.get(key);
  if (known !== undefined) return known;
  if (forms.size >= MAX_FORMS) forms.clear();
  const form = new ClaimsForm(decodeClaims(context));
  forms.set(key, form);
  return form;
}

/**
 * Draws a salt, commits to both sides of an inference and claims it.
 * @param notes the context of `StatedLoads`, and the caller's nonce or nothing.
 */
function annotate(
  inputs: readonly Tensor[],
  outputs: readonly Tensor[],
  { context, note }: ExecutionNotes,
): Uint8Array {
  const form = formOf(context);
  const nonce = note.length === 0 ? null : note;
  const annotation = makeAnnotation(form.length(nonce));
  const { salt, entry, claims } = splitAnnotation(annotation);
  drawSalt(salt);
  form.fill(claims, {
    nonce,
    request: commitTensors('request', inputs, salt, nativeHmacSha256),
    response: commitTensors('response', outputs, salt, nativeHmacSha256),
  });
  entry.set(claimsEntry(claims, nativeSha256Once));
  return annotation;
}

/** Logs what was claimed, under one head, and makes of each the parameters that its answer carries. */
function seal(writer: LogWriter, annotations: readonly Uint8Array[]): Sealed {
  const claimed: Annotation[] = annotations.map(splitAnnotation);
  const { head, place } = writer.append(claimed.map(({ entry }) => entry));
  const parameters = claimed.map(({ claims, salt }, i) => {
    const receipt = useInferenceReceipt(claims, place(i), base64Url);
    return receiptParameters(receipt, base64Url(encodeSalt(salt)));
  });
  return { annotations: parameters, notice: encodeNotice(head) };
}

/**
 * The service's annotator, from what `SharedLog` says: a worker claims, logs and signs what it executed,
 * so that none of it meets the event loop, which is told of the newest head.
 */
export function makeAnnotator(log: unknown): Annotator {
  const writer = new LogWriter(log as SharedLog);
  return { annotate, seal: (annotations) => seal(writer, annotations) };
}
