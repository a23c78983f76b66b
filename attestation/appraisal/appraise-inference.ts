import { equalBytes, toHex } from '../encoding/bytes.js';
import { coseKeyThumbprint } from '../encoding/cose.js';
import { AssayError } from '../encoding/error.js';
import { type Manifest, manifestDigest, statedModel } from '../evidence/manifest.js';
import { claimsEntry, decodeClaims, type InferenceClaims } from '../receipt/claims.js';
import { type CommittedTensor, commitTensors, type HmacSha256 } from '../receipt/commitment.js';
import { decodeInferenceReceipt } from '../receipt/inference-receipt.js';
import { verifyReceipt } from '../receipt/receipt.js';
import type { SignedTreeHead } from '../receipt/tree-head.js';
import { Findings } from './findings.js';
import { CHAIN_OF_TRUST } from './references-enclave.js';
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

/** One comparison: digests are compared as bytes and shown in hexadecimal. */
function compare(
  findings: Findings,
  id: string,
  expected: string | Uint8Array,
  actual: string | Uint8Array,
  reason: { readonly pass: string; readonly fail: string },
  reference: string = CHAIN_OF_TRUST.claims,
): void {
  const show = (value: string | Uint8Array): string =>
    typeof value === 'string' ? value : toHex(value);
  const holds =
    expected instanceof Uint8Array && actual instanceof Uint8Array
      ? equalBytes(expected, actual)
      : expected === actual;
  const comparison = { expected: show(expected), actual: show(actual), reference };
  findings.check(`receipt.${id}`, holds, comparison, reason);
}

/** Claims about the enclave: the attested manifest's, not merely some manifest's. */
function enclaveChecks(
  findings: Findings,
  claims: InferenceClaims,
  { manifest, manifestBytes }: AppraisedEnclave,
): void {
  compare(findings, 'manifest', manifestDigest(manifestBytes), claims.manifest, {
    pass: 'The claims name the manifest that the evidence covers.',
    fail: 'The claims name another manifest than the one that the evidence covers.',
  });
  compare(findings, 'epoch', manifest.epoch, claims.epoch, {
    pass: 'The claims are of this boot of the enclave.',
    fail: 'The claims are of another boot of the enclave.',
  });
  const key = coseKeyThumbprint(manifest.signingKey);
  const reason = {
    pass: 'The claims name the signing key of the manifest.',
    fail: 'The claims name another signing key than the manifest.',
  };
  compare(findings, 'signing-key', key, claims.signingKey, reason, 'RFC 9679 section 4');
}

/** Claims about the model: what was executed is what the manifest says was measured. */
function modelChecks(
  findings: Findings,
  claims: InferenceClaims,
  exchange: InferenceExchange,
  { manifest }: AppraisedEnclave,
): void {
  const { name, version } = claims.model;
  const measured = statedModel(manifest, claims.model);
  // Quoted, so that no other pair of name and version reads the same.
  const text = (model: string, of: string): string => JSON.stringify([model, of]);
  const asked = text(exchange.model, exchange.version ?? version);
  compare(findings, 'model', asked, text(name, version), {
    pass: 'The claims name the model that was asked for.',
    fail: 'The claims name another model than the one that was asked for.',
  });
  for (const digest of ['graph', 'execution'] as const) {
    const expected = measured?.[digest] ?? 'a model of the manifest';
    compare(findings, digest, expected, claims[digest], {
      pass: `The ${digest} digest is the manifest's for this model.`,
      fail: `The ${digest} digest is not the manifest's for this model.`,
    });
  }
}

function exchangeChecks(
  findings: Findings,
  claims: InferenceClaims,
  { nonce, inputs, outputs, salt }: InferenceExchange,
  hmac: HmacSha256 | undefined,
): void {
  const carried = {
    pass: "The claims carry the request's nonce.",
    fail: 'The claims carry another nonce: the receipt is of another request.',
  };
  compare(findings, 'nonce', nonce, claims.nonce ?? 'none', carried, 'RFC 9711 section 4.1');
  for (const side of ['request', 'response'] as const) {
    const tensors = side === 'request' ? inputs : outputs;
    compare(findings, side, commitTensors(side, tensors, salt, hmac), claims[side], {
      pass: `The ${side} is the one that the enclave committed to.`,
      fail: `The ${side} is not the one that the enclave committed to: either it was changed, or the receipt is of another one.`,
    });
  }
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
  hmac?: HmacSha256,
): Promise<AppraisedInference> {
  const { claims: claimsBytes, receipt } = decodeInferenceReceipt(exchange.receipt);
  const claims = decodeClaims(claimsBytes);
  const entry = claimsEntry(claimsBytes);
  const { index, head } = await verifyReceipt(receipt, entry, enclave.manifest.signingKey);
  const findings = new Findings();
  findings.pass(
    'receipt.signature',
    {
      expected: toHex(coseKeyThumbprint(enclave.manifest.signingKey)),
      actual: toHex(head.keyId),
      reference: 'RFC 9942 section 5.2',
    },
    `The attested key signed a log of ${head.size} entries with these claims at ${index}.`,
  );
  enclaveChecks(findings, claims, enclave);
  modelChecks(findings, claims, exchange, enclave);
  exchangeChecks(findings, claims, exchange, hmac);
  return { claims, index, head, checks: findings.all };
}

/** Throws the code of the first finding that failed: RECEIPT_NONCE, RECEIPT_REQUEST, … */
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
