import { equalBytes, toHex } from '../encoding/bytes.js';
import { coseKeyThumbprint } from '../encoding/cose.js';
import { AssayError } from '../encoding/error.js';
import { type Manifest, manifestDigest } from '../evidence/manifest.js';
import { claimsEntry, decodeClaims, type InferenceClaims } from '../receipt/claims.js';
import { type CommittedTensor, commitTensors, type HmacFactory } from '../receipt/commitment.js';
import { decodeInferenceReceipt } from '../receipt/inference-receipt.js';
import { verifyReceipt } from '../receipt/receipt.js';
import type { SignedTreeHead } from '../receipt/tree-head.js';
import type { Finding } from './result.js';

/** One inference as the relying party knows it: what it sent, what it received. */
export interface InferenceExchange {
  readonly model: string;
  /** The version asked for; undefined where the server was free to choose. */
  readonly version: string | undefined;
  /** The nonce that the request carried, 32 bytes. */
  readonly nonce: Uint8Array;
  /** All inputs, in the order of the model's signature. */
  readonly inputs: readonly CommittedTensor[];
  /** The outputs received, in the order of the model's signature. */
  readonly outputs: readonly CommittedTensor[];
  /** `encodeInferenceReceipt`: claims and COSE receipt. */
  readonly receipt: Uint8Array;
  readonly salt: Uint8Array;
}

/** An enclave whose evidence was appraised: its manifest, decoded and as it was signed. */
export interface AppraisedEnclave {
  readonly manifest: Manifest;
  readonly manifestBytes: Uint8Array;
}

/** A receipt whose signature holds, and what it leads to. */
export interface AppraisedInference {
  readonly claims: InferenceClaims;
  /** Position in the epoch's log. */
  readonly index: number;
  readonly head: SignedTreeHead;
  /** One for each thing that the claims must agree with. */
  readonly checks: readonly Finding[];
}

function check(
  id: string,
  expected: string | Uint8Array,
  actual: string | Uint8Array,
  meaning: string,
  reference: string,
): Finding {
  const show = (value: string | Uint8Array): string =>
    typeof value === 'string' ? value : toHex(value);
  const holds =
    expected instanceof Uint8Array && actual instanceof Uint8Array
      ? equalBytes(expected, actual)
      : expected === actual;
  return {
    id: `receipt.${id}`,
    outcome: holds ? 'pass' : 'fail',
    expected: show(expected),
    actual: show(actual),
    reason: holds ? `${meaning}.` : `It does not hold that ${lowerFirst(meaning)}.`,
    reference,
  };
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/** Claims about the enclave: the attested manifest's, not merely some manifest's. */
function enclaveChecks(claims: InferenceClaims, enclave: AppraisedEnclave): Finding[] {
  const { manifest, manifestBytes } = enclave;
  return [
    check(
      'manifest',
      manifestDigest(manifestBytes),
      claims.manifest,
      'The claims name the manifest that the evidence covers',
      'Assay design, section 4, Claims',
    ),
    check(
      'epoch',
      manifest.epoch,
      claims.epoch,
      'The claims are of this boot of the enclave',
      'Assay design, section 4, Claims',
    ),
    check(
      'signing-key',
      coseKeyThumbprint(manifest.signingKey),
      claims.signingKey,
      'The claims name the signing key of the manifest',
      'RFC 9679 section 4',
    ),
  ];
}

/** Claims about the model: what was executed is what the manifest says was measured. */
function modelChecks(
  claims: InferenceClaims,
  exchange: InferenceExchange,
  { manifest }: AppraisedEnclave,
): Finding[] {
  const { name, version } = claims.model;
  const measured = manifest.models.find((m) => m.name === name && m.version === version);
  const reference = 'Assay design, section 4, Claims';
  const asked = exchange.version ?? version;
  return [
    check(
      'model',
      `${exchange.model} ${asked}`,
      `${name} ${version}`,
      'The claims name the model that was asked for',
      reference,
    ),
    check(
      'graph',
      measured?.graph ?? 'a model of the manifest',
      claims.graph,
      "The graph digest is the manifest's for this model",
      reference,
    ),
    check(
      'execution',
      measured?.execution ?? 'a model of the manifest',
      claims.execution,
      "The execution digest is the manifest's for this model",
      reference,
    ),
  ];
}

function exchangeChecks(
  claims: InferenceClaims,
  exchange: InferenceExchange,
  hmac: HmacFactory | undefined,
): Finding[] {
  const { nonce, inputs, outputs, salt } = exchange;
  return [
    check(
      'nonce',
      nonce,
      claims.nonce ?? 'none',
      "The claims carry the request's nonce",
      'RFC 9711 section 4.1',
    ),
    check(
      'request',
      commitTensors('request', inputs, salt, hmac),
      claims.request,
      'The request that was sent is the one that was committed to',
      'RFC 2104',
    ),
    check(
      'response',
      commitTensors('response', outputs, salt, hmac),
      claims.response,
      'The response that was received is the one that was committed to',
      'RFC 2104',
    ),
  ];
}

/**
 * Appraises one inference against an enclave whose evidence was affirmed. The signature and the
 * inclusion in the log must hold, else this throws (RECEIPT_…, CLAIMS_…); everything that the claims
 * must agree with is gathered as findings.
 * @param hmac a faster HMAC than the portable one, for large tensors.
 */
export async function appraiseInference(
  exchange: InferenceExchange,
  enclave: AppraisedEnclave,
  hmac?: HmacFactory,
): Promise<AppraisedInference> {
  const { claims: claimsBytes, receipt } = decodeInferenceReceipt(exchange.receipt);
  const claims = decodeClaims(claimsBytes);
  const entry = claimsEntry(claimsBytes);
  const { index, head } = await verifyReceipt(receipt, entry, enclave.manifest.signingKey);
  const checks: Finding[] = [
    {
      id: 'receipt.signature',
      outcome: 'pass',
      expected: toHex(coseKeyThumbprint(enclave.manifest.signingKey)),
      actual: toHex(head.keyId),
      reason: `The attested key signed a log of ${head.size} entries with these claims at ${index}.`,
      reference: 'RFC 9942 section 5.2',
    },
    ...enclaveChecks(claims, enclave),
    ...modelChecks(claims, exchange, enclave),
    ...exchangeChecks(claims, exchange, hmac),
  ];
  return { claims, index, head, checks };
}

/** Throws RECEIPT_MISMATCH for the first finding that failed. */
export function assertAgrees({ checks }: AppraisedInference): void {
  const failed = checks.find(({ outcome }) => outcome === 'fail');
  if (failed === undefined) return;
  throw new AssayError(
    codeOf(failed.id),
    `${failed.reason} Expected ${failed.expected}, not ${failed.actual}`,
  );
}

function codeOf(id: string): `RECEIPT_${Uppercase<string>}` {
  const name = id.slice('receipt.'.length).replaceAll('-', '_').toUpperCase();
  return `RECEIPT_${name as Uppercase<string>}`;
}
