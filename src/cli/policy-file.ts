import { dirname, resolve } from 'node:path';
import { type AppraisalPolicy, parsePolicy } from '../../attestation/appraisal/policy.js';
import {
  parseReferenceValues,
  withReferenceValues,
} from '../../attestation/appraisal/reference-values.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { readDocument } from './document.js';
import type { Io } from './io.js';

/**
 * Reads an appraisal policy file. Its member `include`, which only files have, lists reference-values
 * files as `assay measure launch` writes them, relative to the policy file; their values are added.
 */
async function readPolicyFile(io: Io, path: string): Promise<AppraisalPolicy> {
  const document = await readDocument(io, path);
  if (typeof document !== 'object' || document === null || !('include' in document)) {
    return parsePolicy(document);
  }
  const { include, ...policy } = document;
  if (!Array.isArray(include) || !include.every((item) => typeof item === 'string')) {
    throw new AssayError('POLICY_INVALID', 'expected the member include to be a list of files');
  }
  const references = await Promise.all(
    include.map(async (file) =>
      parseReferenceValues(await readDocument(io, resolve(dirname(path), file))),
    ),
  );
  return withReferenceValues(parsePolicy(policy), references);
}

/** The strictest policy there is: it has no reference values, so that its result says which are needed. */
const NO_POLICY = { version: 1, snp: {}, tdx: {} } as const;

/** The policy of `--policy`, or the strictest without one. Throws USAGE_FILE or POLICY_INVALID. */
export async function readPolicy(io: Io, path: string | undefined): Promise<AppraisalPolicy> {
  return path === undefined ? parsePolicy(NO_POLICY) : readPolicyFile(io, path);
}
