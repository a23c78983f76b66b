import * as z from 'zod';
import { hex } from '../encoding/schema.js';

const digest = hex(32);

/**
 * Appraisal policy for what the enclave states of itself. What it does not mention must hold by
 * default: every served model is known, the models are pinned at launch, no debugging aids, no
 * listener without TLS, and on TDX an event log that leads to RTMR3. Members named `allow…` waive one
 * of these, and the result shows it.
 */
export const enclavePolicySchema = z.strictObject({
  /** The models that are known, by graph digest; every model that the enclave serves must be one. */
  models: z
    .array(
      z.strictObject({
        graph: digest,
        /** Execution digests that are accepted; any unless given. */
        executions: z.array(digest).min(1).optional(),
        /**
         * The name that this graph must be served under, and that no other graph may have: else a host
         * could answer requests for one known model with another. Any name that no entry has unless given.
         */
        name: z.string().min(1).max(128).optional(),
        /** What the node must have found when it ran the model's test vectors; any unless given. */
        selfTest: z
          .strictObject({
            /** The test vectors, tolerances included, as `assay inspect` prints their digest. */
            vectors: digest,
            /** Digests of computed outputs that are accepted; any within tolerance unless given. */
            outputs: z.array(digest).min(1).optional(),
          })
          .optional(),
      }),
    )
    .min(1)
    .optional(),
  /** Accepts models that the policy does not know beside those that it does. */
  allowUnknownModels: z.boolean().optional(),
  /**
   * Accepts models that no launch policy pins, where HOST_DATA or MRCONFIGID is zero: then measured software
   * states them, nothing more. Where there is no launch policy, nothing rules out debugging aids and a listener
   * without TLS either, which is accepted with it.
   */
  allowUnpinned: z.boolean().optional(),
  /** Accepts a launch policy that allows debugging aids. */
  allowDevelopment: z.boolean().optional(),
  /** Accepts a launch policy that allows a listener without TLS. */
  allowPlaintext: z.boolean().optional(),
  /** Accepts TDX evidence without an RTMR3 event log where RTMR3 is zero (kernels before 6.16). */
  allowMissingEventLog: z.boolean().optional(),
  /** Versions of Assay that are accepted; any unless given. */
  softwareVersions: z.array(z.string().min(1)).min(1).optional(),
});

export type EnclavePolicy = z.output<typeof enclavePolicySchema>;
