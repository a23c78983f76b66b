import { randomBytes, type X509Certificate } from 'node:crypto';
import {
  type AppraisedBundle,
  type AppraiseOptions,
  appraiseBundle,
} from '../../attestation/appraisal/appraise.js';
import type { AppraisedEnclave } from '../../attestation/appraisal/appraise-inference.js';
import type { AppraisalPolicy } from '../../attestation/appraisal/policy.js';
import { CHAIN_OF_TRUST } from '../../attestation/appraisal/references-enclave.js';
import {
  type AttestationResult,
  conclude,
  type Finding,
} from '../../attestation/appraisal/result.js';
import { equalBytes, toHex } from '../../attestation/encoding/bytes.js';
import { nativeP256 } from '../system/native-p256.js';
import type { AttestedEvidence } from './appraisals.js';
import { completeEndorsements, type VendorServices } from './bundle-endorsements.js';
import { parseTarget } from './endpoint.js';
import { DEFAULT_TIMEOUT, PinnedChannel } from './rpc.js';
import { LONGEST, within } from './within.js';

/** How a server is attested. */
export interface AttestOptions extends Omit<AppraiseOptions, 'nonce' | 'at' | 'p256'> {
  /** Time that the appraisal is made for; the clock's unless given. */
  readonly at?: Date;
  /** Where the vendors are asked for endorsements; without it nobody is. */
  readonly services?: VendorServices;
  /** Milliseconds for the connection and for the evidence; 60 000 unless given. */
  readonly timeout?: number;
  /** Ends attestations, and the connection as it is made. */
  readonly signal?: AbortSignal;
}

/** What one round of attestation found. */
export interface Attestation {
  readonly result: AttestationResult;
  readonly evidence: AttestedEvidence;
  /** What the server presented; worth something only if `result.affirmed`. */
  readonly certificate: X509Certificate;
}

/** One round of attestation over a connection that stays open. */
export interface ChannelAttestation {
  readonly result: AttestationResult;
  readonly evidence: AttestedEvidence;
  /** Null unless the evidence is authentic. */
  readonly enclave: AppraisedEnclave | null;
}

/** A relay can forward genuine evidence, but it cannot hold the key that the evidence names. */
function tlsFinding(attested: Uint8Array, presented: Uint8Array): Finding {
  const holds = equalBytes(attested, presented);
  return {
    id: 'client.tls-key',
    outcome: holds ? 'pass' : 'fail',
    expected: toHex(attested),
    actual: toHex(presented),
    reason: holds
      ? 'The TLS connection ends in the enclave: it presents the key of the manifest.'
      : 'The TLS connection does not end in the enclave: somebody relays its evidence.',
    reference: CHAIN_OF_TRUST.manifest,
  };
}

function withTlsKey(
  { result, enclave }: AppraisedBundle,
  presented: Uint8Array,
): AttestationResult {
  if (enclave === null) return result;
  const finding = tlsFinding(enclave.manifest.tlsKey, presented);
  return { ...result, ...conclude([...result.checks, finding], result.summary) };
}

/** Opens a connection that is pinned to whatever key the server presents: evidence has yet to tell whose. */
export function openChannel(
  target: string,
  { timeout = DEFAULT_TIMEOUT, signal }: AttestOptions,
): Promise<PinnedChannel> {
  return PinnedChannel.open(parseTarget(target), timeout, signal);
}

/** Waits for work that goes on without this caller; how long it may take, it knows by itself. */
function unlessAborted<T>(work: Promise<T>, { signal }: AttestOptions): Promise<T> {
  return within(work, { timeout: LONGEST, signal }, () => new Error('a day has passed'));
}

/**
 * Fetches evidence under a fresh nonce and appraises it; the key that the connection is pinned to must
 * be the one that the evidence covers.
 * @throws AssayError USAGE_TIMEOUT, CLIENT_UNREACHABLE, CLIENT_TLS_PIN, CLIENT_SERVICE or POLICY_INVALID; the signal's
 *   own reason.
 */
export async function attestChannel(
  channel: PinnedChannel,
  policy: AppraisalPolicy,
  options: AttestOptions,
): Promise<ChannelAttestation> {
  const nonce = new Uint8Array(randomBytes(32));
  const { bundle } = await channel.call<{ readonly bundle: Uint8Array }>(
    'assay.v1.Attestation',
    'GetEvidence',
    { nonce },
    { timeout: options.timeout ?? DEFAULT_TIMEOUT, signal: options.signal },
  );
  const bytes = new Uint8Array(bundle);
  const { at = new Date(), services, roots, endorsements: supplied = {} } = options;
  const { endorsements, notes } =
    services === undefined
      ? { endorsements: supplied, notes: [] }
      : await unlessAborted(
          completeEndorsements(bytes, supplied, services, { at, roots }),
          options,
        );
  const appraised = await appraiseBundle(bytes, policy, {
    at,
    nonce,
    endorsements,
    p256: nativeP256,
    roots,
  });
  const { amd = [], intel = null } = endorsements;
  const result = withTlsKey(appraised, channel.key);
  return {
    result: { ...result, caveats: [...result.caveats, ...notes] },
    enclave: appraised.enclave,
    evidence: { bundle: bytes, nonce, endorsements: { amd, intel } },
  };
}

/**
 * Attests a server and closes the connection: evidence under a fresh nonce, appraised, with the TLS
 * key among the checks. Evidence that does not hold is a result.
 * @throws AssayError USAGE_TARGET, USAGE_TIMEOUT, CLIENT_UNREACHABLE, CLIENT_TLS_PIN, CLIENT_SERVICE or POLICY_INVALID;
 *   the signal's own reason where `options.signal` aborts.
 */
export async function attest(
  target: string,
  policy: AppraisalPolicy,
  options: AttestOptions = {},
): Promise<Attestation> {
  const channel = await openChannel(target, options);
  try {
    const { result, evidence } = await attestChannel(channel, policy, options);
    return { result, evidence, certificate: channel.certificate };
  } finally {
    channel.close();
  }
}
