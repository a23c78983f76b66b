import type { AppraisalPolicy } from '../../attestation/appraisal/policy.js';
import { type AttestationResult, verdictOf } from '../../attestation/appraisal/result.js';
import { AssayError } from '../../attestation/encoding/error.js';
import type { Affirmed } from './appraisals.js';
import { type AttestOptions, attestChannel, openChannel } from './attest.js';
import { Session } from './session.js';

/** A server whose evidence was not affirmed: nothing was sent to it. */
export class NotAffirmedError extends AssayError {
  readonly result: AttestationResult;

  /** CLIENT_UNCHECKED if something could not be checked and nothing failed, else CLIENT_REFUSED. */
  constructor(target: string, result: AttestationResult) {
    const unchecked = verdictOf(result) === 'unchecked';
    const code = unchecked ? 'CLIENT_UNCHECKED' : 'CLIENT_REFUSED';
    super(code, `${target} is not affirmed (${result.code}): ${result.summary}`);
    this.result = result;
  }
}

/**
 * Attests a server and opens a session with it: evidence under a fresh nonce must meet the policy, and
 * the TLS connection must end in the very enclave that the evidence is about.
 * @param target `host:port`.
 * @param policy what must hold, from `parsePolicy`.
 * @throws NotAffirmedError with the result, check by check; AssayError as `attest`.
 */
export async function connect(
  target: string,
  policy: AppraisalPolicy,
  options: AttestOptions = {},
): Promise<Session> {
  const channel = await openChannel(target, options);
  const affirm = async (): Promise<Affirmed> => {
    const { result, enclave, evidence } = await attestChannel(channel, policy, options);
    if (!result.affirmed || enclave === null) throw new NotAffirmedError(target, result);
    return { result, enclave, evidence };
  };
  try {
    return new Session(channel, await affirm(), affirm);
  } catch (error) {
    channel.close();
    throw error;
  }
}
