import {
  type CborKey,
  type CborValue,
  countItems,
  encodeCbor,
  MAX_ITEMS,
} from '../encoding/cbor.js';
import { AssayError } from '../encoding/error.js';
import { CborFields } from '../encoding/fields.js';
import type { CommittedTensor } from './commitment.js';

/** Endorsements that the client which saved the file appraised with. */
export interface ProofEndorsements {
  /** AMD certificates and revocation lists, DER or PEM. */
  readonly amd: readonly Uint8Array[];
  /** Intel PCS collateral as JSON. */
  readonly intel: Uint8Array | null;
}

/**
 * One inference with all that it takes to appraise it later, offline, on another machine. It holds the
 * tensors and the salt in the clear: whoever gets the file reads them.
 */
export interface ProofFile {
  /** `encodeBundle`: the evidence of the enclave that answered. */
  readonly evidence: Uint8Array;
  /** The nonce under which the evidence was fetched, 32 bytes. */
  readonly evidenceNonce: Uint8Array;
  /** What endorses the evidence beside what the bundle carries, as it was used: its maker's choice. */
  readonly endorsements: ProofEndorsements;
  /** The model that was asked for. */
  readonly model: { readonly name: string; readonly version: string };
  /** The nonce of the request, 32 bytes. */
  readonly nonce: Uint8Array;
  /** All inputs, in the order of the model's signature. */
  readonly inputs: readonly CommittedTensor[];
  /** The outputs that were answered, in the order of the model's signature. */
  readonly outputs: readonly CommittedTensor[];
  /** `encodeInferenceReceipt`. */
  readonly receipt: Uint8Array;
  /** Salt of both commitments, 32 bytes. */
  readonly salt: Uint8Array;
}

const PROFILE = 'urn:assay:proof-file:1';
const CODE = 'PROOF_ENCODING';
const MAX_RANK = 32;
/** What `decodeCbor` reads at most. */
const MAX_BYTES = 64 * 1024 * 1024;

function tensorToCbor({ name, datatype, shape, data }: CommittedTensor): CborValue {
  return new Map<CborKey, CborValue>([
    ['name', name],
    ['datatype', datatype],
    ['shape', [...shape]],
    ['data', data],
  ]);
}

function tensorsFromCbor(items: readonly CborValue[]): CommittedTensor[] {
  return items.map((item) => {
    const fields = new CborFields(item, 'a tensor of the proof file', CODE);
    const shape = fields.array('shape');
    const isDimension = (value: CborValue): value is number =>
      typeof value === 'number' && value >= 0;
    if (shape.length > MAX_RANK || !shape.every(isDimension)) {
      throw new AssayError(CODE, `expected a shape of at most ${MAX_RANK} unsigned integers`);
    }
    const tensor = {
      name: fields.text('name'),
      datatype: fields.text('datatype'),
      shape,
      data: fields.bytes('data'),
    };
    fields.end();
    return tensor;
  });
}

/** The file in deterministic CBOR. Throws PROOF_SIZE for more bytes, or more tensors, than a verifier reads. */
export function encodeProofFile(proof: ProofFile): Uint8Array<ArrayBuffer> {
  const bytes = encodeCbor(
    new Map<CborKey, CborValue>([
      ['profile', PROFILE],
      ['evidence', proof.evidence],
      ['evidenceNonce', proof.evidenceNonce],
      [
        'endorsements',
        new Map<CborKey, CborValue>([
          ['amd', [...proof.endorsements.amd]],
          ['intel', proof.endorsements.intel],
        ]),
      ],
      [
        'model',
        new Map<CborKey, CborValue>([
          ['name', proof.model.name],
          ['version', proof.model.version],
        ]),
      ],
      ['nonce', proof.nonce],
      ['inputs', proof.inputs.map(tensorToCbor)],
      ['outputs', proof.outputs.map(tensorToCbor)],
      ['receipt', proof.receipt],
      ['salt', proof.salt],
    ]),
  );
  if (bytes.length > MAX_BYTES) {
    throw new AssayError(
      'PROOF_SIZE',
      `expected a proof file of at most ${MAX_BYTES} bytes, not ${bytes.length}: its tensors are too large`,
    );
  }
  const items = countItems(bytes);
  if (items > MAX_ITEMS) {
    throw new AssayError(
      'PROOF_SIZE',
      `expected a proof file of at most ${MAX_ITEMS} items, not ${items}: it has too many tensors`,
    );
  }
  return bytes;
}

function endorsementsFromCbor(fields: CborFields): ProofEndorsements {
  const amd = fields.array('amd');
  const intel = fields.take('intel');
  fields.end();
  const isBytes = (value: CborValue): value is Uint8Array => value instanceof Uint8Array;
  if (!amd.every(isBytes) || !(intel === null || isBytes(intel))) {
    throw new AssayError(CODE, 'expected the endorsements of the proof file to be bytes');
  }
  return { amd, intel };
}

/**
 * Decodes a proof file strictly; nothing in it is verified yet. Throws PROOF_ENCODING, or PROOF_PROFILE
 * for another format.
 */
export function decodeProofFile(bytes: Uint8Array): ProofFile {
  const fields = CborFields.decode(bytes, 'the proof file', CODE);
  fields.expectProfile(PROFILE, 'PROOF_PROFILE');
  const model = fields.map('model');
  const proof = {
    evidence: fields.bytes('evidence'),
    evidenceNonce: fields.bytes('evidenceNonce', 32),
    endorsements: endorsementsFromCbor(fields.map('endorsements')),
    model: { name: model.text('name'), version: model.text('version') },
    nonce: fields.bytes('nonce', 32),
    inputs: tensorsFromCbor(fields.array('inputs')),
    outputs: tensorsFromCbor(fields.array('outputs')),
    receipt: fields.bytes('receipt'),
    salt: fields.bytes('salt', 32),
  };
  model.end();
  fields.end();
  return proof;
}
