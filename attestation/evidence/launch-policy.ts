import * as z from 'zod';
import { fromHex } from '../encoding/bytes.js';
import { type CborKey, type CborValue, encodeCbor } from '../encoding/cbor.js';
import { AssayError, type ErrorCode } from '../encoding/error.js';
import { CborFields } from '../encoding/fields.js';
import { label, sha256, sha384 } from '../encoding/hash.js';
import { hex, schemaError } from '../encoding/schema.js';
import {
  compareEntries,
  entryFromCbor,
  entryToCbor,
  type LaunchPolicyModel,
  MAX_ENTRY_NAME,
} from './launch-policy-model.js';

/** What an enclave may serve, fixed when the virtual machine is launched. */
export interface LaunchPolicy {
  readonly models: readonly LaunchPolicyModel[];
  /** Whether debugging aids (inspector, preloaded libraries, runtime variables) are allowed. */
  readonly development: boolean;
  /** Whether a listener without TLS is allowed: the host can read and change what passes there. */
  readonly plaintext: boolean;
}

const VERSION = 1;
const CODE = 'LAUNCH_POLICY_ENCODING';
/** Entries of a launch policy: a verifier holds every model of the manifest to each of them. */
const MAX_ENTRIES = 4096;
/** Bytes of the canonical form: more than the most entries with the longest names take. */
const MAX_BYTES = 4 * 1024 * 1024;

const digest = hex(32).transform((text) => fromHex(text));

const schema = z.strictObject({
  version: z.literal(VERSION),
  models: z
    .array(
      z.strictObject({
        /** As `assay inspect MODEL` prints it. */
        graph: digest,
        /** Absent: executed in any way. */
        execution: digest.optional(),
        /** The name to serve it under, which no other graph may then have; absent: any. */
        name: z.string().min(1).max(MAX_ENTRY_NAME).optional(),
        /** What must have been run before it is served; absent: nothing. */
        selfTest: z
          .strictObject({
            /** Test vectors and tolerances, as `assay inspect` prints them. */
            vectors: digest,
            /** The bits that the node must compute from them; absent: any in tolerance. */
            outputs: digest.optional(),
          })
          .optional(),
      }),
    )
    .min(1)
    .max(MAX_ENTRIES),
  development: z.boolean().default(false),
  plaintext: z.boolean().default(false),
});

function assertSortedOnce(models: readonly LaunchPolicyModel[], code: ErrorCode): void {
  models.forEach((model, i) => {
    const previous = models[i - 1];
    if (previous !== undefined && compareEntries(previous, model) >= 0) {
      throw new AssayError(code, 'expected every model of the launch policy once, in order');
    }
  });
}

/**
 * Reads the parsed JSON or YAML of a launch policy file; members that it does not know are errors.
 * The order of models does not count, and there are at most 4096. Throws LAUNCH_POLICY_FILE.
 */
export function parseLaunchPolicy(value: unknown): LaunchPolicy {
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    throw schemaError('LAUNCH_POLICY_FILE', 'the launch policy is not valid', parsed.error);
  }
  const { models, development, plaintext } = parsed.data;
  const entries = models.map(
    ({ graph, execution = null, name, selfTest }): LaunchPolicyModel => ({
      graph,
      execution,
      ...(name === undefined ? {} : { name }),
      ...(selfTest && {
        selfTest: { vectors: selfTest.vectors, outputs: selfTest.outputs ?? null },
      }),
    }),
  );
  entries.sort(compareEntries);
  assertSortedOnce(entries, 'LAUNCH_POLICY_FILE');
  return { models: entries, development, plaintext };
}

/** The canonical form, which `launchPolicyDigest` is of: deterministic CBOR, models sorted. */
export function encodeLaunchPolicy(policy: LaunchPolicy): Uint8Array<ArrayBuffer> {
  return encodeCbor(
    new Map<CborKey, CborValue>([
      ['version', VERSION],
      ['models', [...policy.models].sort(compareEntries).map(entryToCbor)],
      ['development', policy.development],
      ['plaintext', policy.plaintext],
    ]),
  );
}

/** Decodes the canonical form and nothing else; throws LAUNCH_POLICY_ENCODING. */
export function decodeLaunchPolicy(bytes: Uint8Array): LaunchPolicy {
  const fields = CborFields.decode(bytes, 'the launch policy', CODE, MAX_BYTES);
  const version = fields.unsigned('version');
  const entries = fields.array('models');
  if (entries.length > MAX_ENTRIES) {
    throw new AssayError(CODE, `expected at most ${MAX_ENTRIES} models, not ${entries.length}`);
  }
  const policy = {
    models: entries.map(entryFromCbor),
    development: fields.boolean('development'),
    plaintext: fields.boolean('plaintext'),
  };
  fields.end();
  if (version !== VERSION || policy.models.length === 0) {
    throw new AssayError(CODE, `expected version ${VERSION} and at least one model`);
  }
  assertSortedOnce(policy.models, CODE);
  return policy;
}

/** The two forms of a launch policy's digest. */
export interface LaunchPolicyDigest {
  /** SHA-256(label ‖ canonical form), 32 bytes: SNP HOST_DATA, and the manifest's form. */
  readonly hostData: Uint8Array<ArrayBuffer>;
  /** SHA-384(label ‖ canonical form), 48 bytes: TDX MRCONFIGID. */
  readonly mrConfigId: Uint8Array<ArrayBuffer>;
}

/**
 * Digests of a launch policy for the launch commands of both platforms.
 * @param canonical of `encodeLaunchPolicy`.
 */
export function launchPolicyDigest(canonical: Uint8Array): LaunchPolicyDigest {
  const domain = label('launch-policy');
  return { hostData: sha256(domain, canonical), mrConfigId: sha384(domain, canonical) };
}
