import type { ExecutionProfile } from '../../attestation/evidence/execution-profile.js';
import type { CommittedTensor } from '../../attestation/receipt/commitment.js';
import { type Agreement, type AnswerRelation, relateAnswers } from '../client/agreement.js';
import { datatypeOf } from '../client/datatype.js';
import { assertTensor, type Tensor } from '../client/tensor.js';
import type { Executed } from './executor.js';
import { type ProfileDifference, profileDifferences } from './profile-difference.js';

/**
 * `identical`: the same bits. `within`: other bits, within the declared tolerance. `contradiction`:
 * the answers are further apart than the model's publisher declares or, where nothing is declared, the
 * same profile gave other bits. `inconclusive`: other bits under another profile, and no tolerance says
 * whether that is too far.
 */
export type ReplayVerdict = 'identical' | 'within' | 'contradiction' | 'inconclusive';

/** What executing a request again showed. */
export interface Replay {
  readonly verdict: ReplayVerdict;
  readonly relation: AnswerRelation;
  /** Empty where the replay had the attested profile: then bits are expected to be identical. */
  readonly profile: readonly ProfileDifference[];
  /** The `tolerances.json` beside the model that decided what is near enough; null where none did. */
  readonly tolerances: string | null;
}

/**
 * Judges a replay by `agreement`, or else by what the model's publisher declares; without either no distance is
 * close enough. What was replayed is the reference: the limits are not scaled by what the attested answer
 * claims.
 */
export function judgeReplay(
  attested: { readonly outputs: readonly Tensor[]; readonly profile: ExecutionProfile },
  replayed: Executed,
  agreement: Agreement | undefined,
): Replay {
  const declared = agreement === undefined ? replayed.tolerances : undefined;
  const limits = agreement ?? declared?.agreement;
  const relation = relateAnswers(replayed.outputs, attested.outputs, limits);
  const profile = profileDifferences(attested.profile, replayed.profile);
  const verdict = verdictOfReplay(relation, profile, limits);
  return { verdict, relation, profile, tolerances: declared?.path ?? null };
}

function verdictOfReplay(
  { kind }: AnswerRelation,
  profile: readonly ProfileDifference[],
  agreement: Agreement | undefined,
): ReplayVerdict {
  if (kind === 'identical') return 'identical';
  if (kind === 'within') return 'within';
  const excused = kind === 'apart' && profile.length > 0 && agreement === undefined;
  return excused ? 'inconclusive' : 'contradiction';
}

/** The tensors of a proof file as the protocol has them; throws TENSOR_… for what is none. */
export function tensorsOf(tensors: readonly CommittedTensor[]): readonly Tensor[] {
  return tensors.map(({ name, datatype, shape, data }) => {
    const tensor = { name, datatype: datatypeOf(datatype), shape, data };
    assertTensor(tensor);
    return tensor;
  });
}
