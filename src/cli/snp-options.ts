import type { Command } from 'commander';
import { AMD_KDS, amdEndorsements } from '../../attestation/endorsements/amd.js';
import { endorsementsOf } from '../../attestation/evidence/auxblob.js';
import { openSnpInput, type SnpInput } from '../../attestation/evidence/snp-input.js';
import { type Gathered, gatherSnpEndorsements } from '../client/snp-endorsements.js';
import { requireAmdCrl, requireAmdEndorsements } from './endorsement-files.js';
import { asFile, readInput } from './input-files.js';
import type { Io } from './io.js';
import { collect, parseServiceUrl } from './options.js';
import { CACHE, endorsementSource } from './vendor-services.js';

/** Options that say where a report and its endorsements come from. */
export interface SnpOptions {
  readonly report: string;
  readonly vek?: string;
  readonly chain: readonly string[];
  readonly certs?: string;
  readonly crl: readonly string[];
  readonly offline?: boolean;
  readonly kds?: string;
  readonly cache?: string;
}

/** `--report`, of which a command may have no need. */
export const REPORT = [
  '--report <file>',
  'report, Azure HCL report or collected evidence; - for stdin',
] as const;

/** Adds these options to a command, except `--report`. */
export function addSnpOptions(command: Command): Command {
  return command
    .option('--vek <file>', 'VCEK or VLEK certificate, DER or PEM')
    .option('--chain <files...>', 'ASK or ASVK and ARK, DER or PEM, any order', [])
    .option('--certs <auxblob>', "the host's certificate table, as the kernel's auxblob has it")
    .option('--crl <file>', "AMD's revocation list, DER or PEM; may be repeated", collect, [])
    .option('--offline', 'fetch nothing')
    .option(
      '--kds <url>',
      `AMD's Key Distribution Service or a mirror (${AMD_KDS})`,
      parseServiceUrl,
    )
    .option(...CACHE);
}

/** What the host's certificate table holds, which may be nothing; throws USAGE_FILE for a file that is none. */
async function readTable(io: Io, path: string): Promise<readonly Uint8Array[]> {
  const bytes = await readInput(io, path);
  // The kernel's auxblob has no bytes where the host has no certificates.
  const table = bytes.length === 0 ? null : bytes;
  return asFile(path, 'no certificate table', () => endorsementsOf(table));
}

/** A report with what endorses it. */
interface ReadSnp {
  readonly input: SnpInput;
  readonly gathered: Gathered;
}

/** Opens the input and gathers what endorses it; `fetches` false keeps off the network, `roots` replace AMD's. */
export async function readSnp(
  io: Io,
  options: SnpOptions,
  at: Date,
  fetches: boolean,
  roots?: readonly Uint8Array[],
): Promise<ReadSnp> {
  const input = openSnpInput(await readInput(io, options.report));
  const files = [options.vek, ...options.chain].filter((path) => path !== undefined);
  const table = options.certs === undefined ? [] : await readTable(io, options.certs);
  const supplied = {
    caller: amdEndorsements(
      await Promise.all([
        ...files.map(async (path) => requireAmdEndorsements(path, await readInput(io, path))),
        ...options.crl.map(async (path) => requireAmdCrl(path, await readInput(io, path))),
      ]),
    ),
    host: amdEndorsements([...table, ...input.certificates, ...input.crls]),
  };
  const service = fetches
    ? { source: endorsementSource(io, options.cache), base: options.kds ?? AMD_KDS, at, roots }
    : undefined;
  const gathered = await io.during("asking AMD's Key Distribution Service", () =>
    gatherSnpEndorsements(input.report, supplied, service),
  );
  for (const note of gathered.notes) io.note(note);
  return { input, gathered };
}
