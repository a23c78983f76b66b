import type { Command } from 'commander';
import {
  type AuthenticatedSnp,
  authenticateSnp,
} from '../../attestation/appraisal/authenticate-snp.js';
import { AMD_CERTIFICATES } from '../../attestation/endorsements/roots.js';
import { encodeSnpEvidence } from '../../attestation/evidence/snp-evidence.js';
import { writeOutput } from './files.js';
import type { Io } from './io.js';
import { examples } from './options.js';
import { table } from './output.js';
import { addSnpOptions, readSnp, type SnpOptions } from './snp-options.js';

interface CollectOptions extends SnpOptions {
  readonly out: string;
}

/** The authorities of an authentic report's product, which every later verifier pins as well. */
function authorities({ product, signingKey }: AuthenticatedSnp): Uint8Array[] {
  if (product === 'Venice') return [];
  const { ark, ask, asvk } = AMD_CERTIFICATES[product];
  return [signingKey === 'VCEK' ? ask : asvk, ark];
}

async function collectEvidence(io: Io, options: CollectOptions): Promise<void> {
  const at = io.now();
  const { input, gathered } = await readSnp(io, options, at, options.offline !== true);
  if (gathered.missing !== undefined) throw gathered.missing;
  const snp = await authenticateSnp(input.report, gathered, { at });
  const supplied = new Set(gathered.certificates.map((der) => der.join()));
  const certificates = [
    ...gathered.certificates,
    ...authorities(snp).filter((der) => !supplied.has(der.join())),
  ];
  const collectedAt = Math.floor(at.getTime() / 1000);
  const { evidence } = input;
  const bytes = encodeSnpEvidence({ evidence, certificates, crls: gathered.crls, collectedAt });
  await writeOutput(options.out, bytes);
  const facts = {
    file: options.out,
    bytes: bytes.length,
    product: snp.product,
    signingKey: snp.signingKey,
    certificates: certificates.length,
    crls: gathered.crls.length,
    collectedAt: at.toISOString(),
  };
  io.print(facts, () => table(Object.entries(facts).map(([name, value]) => [name, String(value)])));
}

/** `assay collect`: a report and all that verifies it, in one file for later appraisal. */
export function registerCollect(program: Command, io: Io): void {
  addSnpOptions(
    program
      .command('collect')
      .description('gather what verifies an SEV-SNP report and export it for offline appraisal'),
  )
    .requiredOption('--out <file>', 'where to write the collected evidence')
    .addHelpText(
      'after',
      examples(
        'assay collect --report report.bin --out evidence.cbor',
        'assay verify snp --report evidence.cbor --at 2026-06-01T00:00:00Z --offline',
      ),
    )
    .action((options: CollectOptions) => collectEvidence(io, options));
}
