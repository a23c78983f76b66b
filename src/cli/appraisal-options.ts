import type { Command } from 'commander';
import type { AppraiseOptions } from '../../attestation/appraisal/appraise.js';
import type { AppraisalPolicy } from '../../attestation/appraisal/policy.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { nativeP256 } from '../system/native-p256.js';
import {
  readCertificates,
  requireAmdEndorsements,
  requireCollateral,
} from './endorsement-files.js';
import { readInput } from './input-files.js';
import type { Io } from './io.js';
import { collect, parseTime } from './options.js';
import { readPolicy } from './policy-file.js';

/** Options of every command that appraises. */
export interface AppraisalFlags {
  readonly policy?: string;
  readonly root?: string;
  readonly endorsements?: readonly string[];
  readonly at?: Date;
}

/** What those options say, read. */
export interface Appraisal {
  readonly policy: AppraisalPolicy;
  readonly options: AppraiseOptions;
}

/** Adds `--policy`, `--root`, `--endorsements` and `--at`. */
export function appraisalOptions(command: Command): Command {
  return trustOptions(
    command.option(
      '--policy <file>',
      'appraisal policy in YAML or JSON; without it nothing is affirmed',
    ),
  );
}

/** Adds `--root`, `--endorsements` and `--at`: what decides authenticity, without a policy. */
export function trustOptions(command: Command): Command {
  return command
    .option('--root <file>', "root certificates in place of the vendors' (for the simulator)")
    .option(
      '--endorsements <file>',
      'AMD certificates and CRLs (PEM, DER) or Intel collateral (JSON); repeatable',
      collect,
    )
    .option('--at <time>', 'appraise for this RFC 3339 time (default: now)', parseTime);
}

/** The file's first byte that is no white space tells JSON from certificates. */
function isJson(bytes: Uint8Array): boolean {
  return bytes.find((byte) => byte > 0x20) === 0x7b;
}

/** Reads one file of `--endorsements`; throws USAGE_FILE for what neither vendor's are. */
async function readEndorsements(io: Io, path: string): Promise<Uint8Array> {
  const bytes = await readInput(io, path);
  return isJson(bytes) ? requireCollateral(path, bytes) : requireAmdEndorsements(path, bytes);
}

/** Reads what the options name; throws USAGE_FILE or POLICY_INVALID. */
export async function readAppraisal(io: Io, flags: AppraisalFlags): Promise<Appraisal> {
  const policy = await readPolicy(io, flags.policy);
  const files = await Promise.all(
    (flags.endorsements ?? []).map((path) => readEndorsements(io, path)),
  );
  const [intel, ...more] = files.filter(isJson);
  if (more.length > 0) {
    throw new AssayError('USAGE_FILE', 'expected one file of Intel collateral in --endorsements');
  }
  const amd = files.filter((bytes) => !isJson(bytes));
  return {
    policy,
    options: {
      at: flags.at ?? io.now(),
      p256: nativeP256,
      ...(flags.root === undefined ? {} : { roots: await readCertificates(io, flags.root) }),
      ...(files.length === 0
        ? {}
        : { endorsements: { amd, ...(intel === undefined ? {} : { intel }) } }),
    },
  };
}
