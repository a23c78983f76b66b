import { randomBytes } from 'node:crypto';
import { encodeClaims } from '../../attestation/receipt/claims.js';
import { encodeInferenceReceipt } from '../../attestation/receipt/inference-receipt.js';
import { encodeProofFile } from '../../attestation/receipt/proof-file.js';
import type { Enclave } from '../../enclave/enclave.js';
import type { Tensor } from '../../src/client/tensor.js';
import { evidenceOf } from './enclave.js';
import { honestClaims, issueClaims } from './issue.js';

const drawn = (): Uint8Array<ArrayBuffer> => new Uint8Array(randomBytes(32));

/** A proof that is affirmed, of whatever an enclave is made to say that a model answered. */
export async function writtenProof(
  enclave: Enclave,
  name: string,
  inputs: readonly Tensor[],
  outputs: readonly Tensor[],
): Promise<Uint8Array> {
  const model = enclave.manifest.models.find((stated) => stated.name === name);
  if (model === undefined) throw new Error(`the enclave states no model ${name}`);
  const [nonce, evidenceNonce, salt] = [drawn(), drawn(), drawn()];
  const claims = encodeClaims(honestClaims(enclave, model, [inputs, outputs], { nonce, salt }));
  const receipt = await issueClaims(enclave.issuer, claims);
  return encodeProofFile({
    evidence: await evidenceOf(enclave, evidenceNonce),
    evidenceNonce,
    endorsements: { amd: [], intel: null },
    model: { name, version: model.version },
    nonce,
    inputs,
    outputs,
    receipt: encodeInferenceReceipt({ claims, receipt }),
    salt,
  });
}
