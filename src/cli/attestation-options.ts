import type { Command } from 'commander';
import type { AttestOptions } from '../client/attest.js';
import { connect, NotAffirmedError } from '../client/connect.js';
import type { Session } from '../client/session.js';
import {
  type Appraisal,
  type AppraisalFlags,
  appraisalOptions,
  readAppraisal,
} from './appraisal-options.js';
import type { Io } from './io.js';
import { parseServiceUrl, refuseIdle } from './options.js';
import { printResult } from './render-result.js';
import { CACHE, endorsementSource } from './vendor-services.js';

/** Options of every command that attests a server, and may ask the vendors for endorsements. */
export interface AttestationFlags extends AppraisalFlags {
  readonly offline?: boolean;
  readonly kds?: string;
  readonly pcs?: string;
  readonly cache?: string;
}

/** Adds the options of appraisal, `--offline`, `--kds`, `--pcs` and `--cache`. */
export function attestationOptions(command: Command): Command {
  return appraisalOptions(command)
    .option('--offline', 'fetch nothing: revocation is judged by what the server supplies')
    .option('--kds <url>', "AMD's Key Distribution Service or a mirror", parseServiceUrl)
    .option('--pcs <url>', "Intel's PCS or a PCCS", parseServiceUrl)
    .option(...CACHE);
}

/** The vendors' services; none under `--offline`, and none for roots that are not the vendors'. */
function readServices(io: Io, flags: AttestationFlags): Pick<AttestOptions, 'services'> {
  const { offline, kds, pcs, cache, root } = flags;
  if (offline === true) {
    refuseIdle(flags, ['kds', 'pcs', 'cache'], 'with --offline');
    return {};
  }
  if (root !== undefined && kds === undefined && pcs === undefined) {
    refuseIdle(flags, ['cache'], 'with --root: nobody is asked, unless by --kds or --pcs');
    return {};
  }
  return {
    services: {
      source: endorsementSource(io, cache),
      ...(kds === undefined ? {} : { kds }),
      ...(pcs === undefined ? {} : { pcs }),
    },
  };
}

/** What those options say, read. */
export interface Attestation extends Appraisal {
  readonly options: Appraisal['options'] & AttestOptions;
}

/** Reads what the options name; throws as `readAppraisal`. */
export async function readAttestation(io: Io, flags: AttestationFlags): Promise<Attestation> {
  const { policy, options } = await readAppraisal(io, flags);
  return { policy, options: { ...options, ...readServices(io, flags) } };
}

/** Attests the server of a session again, as that was made; rejects as `connect`. */
export type Reconnect = (signal: AbortSignal) => Promise<Session>;

/**
 * Attests a server and uses the session, which is closed in the end; of a server that is not affirmed,
 * prints the result. Each attestation, of the session too, is for the time at which it is made, unless `--at`
 * names one.
 */
export async function withSession(
  io: Io,
  target: string,
  flags: AttestationFlags,
  use: (session: Session, again: Reconnect) => Promise<void>,
): Promise<void> {
  const { policy, options } = await readAttestation(io, flags);
  const attested = (signal?: AbortSignal): Promise<Session> =>
    connect(target, policy, {
      ...options,
      get at() {
        return flags.at ?? io.now();
      },
      ...(signal === undefined ? {} : { signal }),
    });
  let session: Session;
  try {
    session = await io.during(`attesting ${target}`, () => attested());
  } catch (error) {
    if (!(error instanceof NotAffirmedError)) throw error;
    printResult(io, error.result);
    return;
  }
  try {
    await use(session, attested);
  } finally {
    session.close();
  }
}
