import * as z from 'zod';
import type { AppraiseOptions } from '../../attestation/appraisal/appraise.js';
import { appraiseProof } from '../../attestation/appraisal/appraise-proof.js';
import type { AppraisalPolicy } from '../../attestation/appraisal/policy.js';
import { equalBytes, fromBase64, toBase64, toHex, utf8 } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { parseStrictJson } from '../../attestation/encoding/json.js';
import { schemaError } from '../../attestation/encoding/schema.js';
import { statedModel } from '../../attestation/evidence/manifest.js';
import type { ManifestModel } from '../../attestation/evidence/manifest-model.js';
import type { TestSet } from '../admission/test-sets.js';
import type { ExcludedNode } from '../client/quorum.js';
import type { Tensor } from '../client/tensor.js';
import type { NodeAnswers } from './conform.js';
import { tensorsOf } from './replay.js';

/**
 * What nodes answered to test sets, to be compared with other nodes later, elsewhere. It holds nothing
 * but proof files, so that whoever reads it need not believe whoever wrote it: the rest is for people.
 */
const schema = z.strictObject({
  version: z.literal(1),
  profile: z.literal('urn:assay:conformance-record:1'),
  nodes: z
    .array(
      z.strictObject({
        target: z.string().min(1).max(256),
        /** For people; the proofs decide. */
        graph: z.string(),
        execution: z.string(),
        /** Proof files in base64, one a test set. */
        proofs: z.array(z.base64()).min(1).max(10_000),
      }),
    )
    .min(1)
    .max(1000),
});

/** Bytes of the largest record: a proof for each node and test set, tensors included, in one string of V8's. */
export const MAX_RECORD = 511 * 1024 * 1024;

/** A record as a file. Throws PROOF_SIZE for more than `readRecord` reads, or a proof that is too large. */
export function encodeRecord(nodes: readonly NodeAnswers[]): Uint8Array {
  let left = MAX_RECORD;
  const proofText = (proof: () => Uint8Array): string => {
    const text = toBase64(proof());
    left -= text.length;
    if (left > 0) return text;
    throw tooLarge();
  };
  const record: z.input<typeof schema> = {
    version: 1,
    profile: 'urn:assay:conformance-record:1',
    nodes: nodes.map(({ target, model, proofs }) => ({
      target,
      graph: toHex(model.graph),
      execution: toHex(model.execution),
      proofs: proofs.map(proofText),
    })),
  };
  const bytes = utf8(`${JSON.stringify(record, null, 2)}\n`);
  if (bytes.length > MAX_RECORD) throw tooLarge();
  return bytes;
}

function tooLarge(): AssayError {
  return new AssayError(
    'PROOF_SIZE',
    `expected a record of at most ${MAX_RECORD} bytes: record fewer nodes or test sets at once`,
  );
}

function mismatch(message: string): never {
  throw new AssayError('PROOF_RECORD', message);
}

function sameInputs(a: readonly Tensor[], b: readonly Tensor[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ name, datatype, shape, data }) => {
      const other = b.find((tensor) => tensor.name === name);
      return (
        other !== undefined &&
        other.datatype === datatype &&
        String(other.shape) === String(shape) &&
        equalBytes(other.data, data)
      );
    })
  );
}

/** The model that is compared, as the nodes serve it. */
export interface RecordedModel {
  readonly name: string;
  /** Any unless given. */
  readonly version: string | undefined;
}

function isAskedFor(proof: RecordedModel, asked: RecordedModel): boolean {
  return proof.name === asked.name && (asked.version ?? proof.version) === proof.version;
}

/** What one node's proofs say, each appraised: one boot, the model asked for, these very inputs. */
async function answersOfProofs(
  target: string,
  proofs: readonly Uint8Array[],
  asked: RecordedModel,
  sets: readonly TestSet[],
  policy: AppraisalPolicy,
  options: AppraiseOptions,
): Promise<NodeAnswers> {
  if (proofs.length !== sets.length) {
    mismatch(`expected ${sets.length} proofs of ${target}, one a test set, not ${proofs.length}`);
  }
  const answers: (readonly Tensor[])[] = [];
  let first: { readonly epoch: Uint8Array; readonly model: ManifestModel } | undefined;
  let simulated = false;
  for (const [i, bytes] of proofs.entries()) {
    const { result, proof, enclave } = await appraiseProof(bytes, policy, options);
    if (!result.affirmed || proof === null || enclave === null) {
      return mismatch(`a proof of ${target} is not affirmed: ${result.summary}`);
    }
    if (!isAskedFor(proof.model, asked)) {
      const { name, version } = proof.model;
      mismatch(`a proof of ${target} is of model ${name} ${version}, which was not asked for`);
    }
    const { epoch } = enclave.manifest;
    const model = statedModel(enclave.manifest, proof.model);
    first ??= model && { epoch, model };
    if (model === undefined || first === undefined)
      return mismatch(`${target} has no model ${proof.model.name}`);
    if (!equalBytes(first.epoch, epoch) || !equalBytes(first.model.execution, model.execution)) {
      mismatch(`expected the proofs of ${target} to be of one boot and one execution`);
    }
    if (!sameInputs(tensorsOf(proof.inputs), sets[i]?.inputs ?? [])) {
      mismatch(`a proof of ${target} is of other inputs than test set ${sets[i]?.name}`);
    }
    answers.push(tensorsOf(proof.outputs));
    simulated ||= result.simulated;
  }
  if (first === undefined) return mismatch(`${target} has no proofs`);
  return { target, ...first, simulated, answers, proofs: proofs.map((bytes) => () => bytes) };
}

function parseRecord(bytes: Uint8Array): z.output<typeof schema> {
  const parsed = schema.safeParse(parseStrictJson(bytes, 'the record', 'PROOF_RECORD', MAX_RECORD));
  if (parsed.success) return parsed.data;
  throw schemaError('PROOF_RECORD', 'expected a record', parsed.error);
}

/**
 * The model that a record's first affirmed proof of the model asked for states; throws PROOF_RECORD where
 * none is affirmed.
 */
export async function modelOfRecord(
  bytes: Uint8Array,
  asked: RecordedModel,
  policy: AppraisalPolicy,
  options: AppraiseOptions,
): Promise<ManifestModel> {
  for (const text of parseRecord(bytes).nodes.flatMap(({ proofs }) => proofs)) {
    const { result, proof, enclave } = await appraiseProof(fromBase64(text), policy, options);
    if (!result.affirmed || proof === null || enclave === null) continue;
    if (!isAskedFor(proof.model, asked)) continue;
    const model = statedModel(enclave.manifest, proof.model);
    if (model !== undefined) return model;
  }
  return mismatch(`no proof of model ${asked.name} in the record is affirmed`);
}

/**
 * The nodes of a record whose every proof is affirmed and is of this model and these test sets; the
 * others with the reason. Throws PROOF_RECORD for what is no record.
 */
export async function readRecord(
  bytes: Uint8Array,
  asked: RecordedModel,
  sets: readonly TestSet[],
  policy: AppraisalPolicy,
  options: AppraiseOptions,
): Promise<{ readonly nodes: readonly NodeAnswers[]; readonly excluded: readonly ExcludedNode[] }> {
  const nodes: NodeAnswers[] = [];
  const excluded: ExcludedNode[] = [];
  for (const { target, proofs } of parseRecord(bytes).nodes) {
    const name = `${target} (recorded)`;
    try {
      const files = proofs.map((text) => fromBase64(text));
      nodes.push(await answersOfProofs(name, files, asked, sets, policy, options));
    } catch (error) {
      if (!(error instanceof AssayError)) throw error;
      excluded.push({ target: name, error });
    }
  }
  return { nodes, excluded };
}
