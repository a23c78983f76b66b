import type { Command } from 'commander';
import {
  type AuthenticatedSnp,
  authenticateSnp,
} from '../../attestation/appraisal/authenticate-snp.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { AMD_CERTIFICATES } from '../../attestation/endorsements/roots.js';
import { encodeSnpEvidence } from '../../attestation/evidence/snp-evidence.js';
import { collectCollateral } from './collect-tdx.js';
import type { Io } from './io.js';
import { examples, refuseIdle } from './options.js';
import { factRows, table } from './output.js';
import { requireWritable, writeOutput } from './output-files.js';
import { addSnpOptions, REPORT, readSnp, type SnpOptions } from './snp-options.js';
import { addPcsOptions, type PcsOptions } from './tdx-options.js';

interface CollectOptions extends Omit<SnpOptions, 'report'>, PcsOptions {
  readonly report?: string;
  readonly quote?: string;
  readonly out: string;
}

/** The authorities of an authentic report's product, which every later verifier pins as well. */
function authorities({ product, signingKey }: AuthenticatedSnp): Uint8Array[] {
  if (product === 'Venice') return [];
  const { ark, ask, asvk } = AMD_CERTIFICATES[product];
  return [signingKey === 'VCEK' ? ask : asvk, ark];
}

async function collectEvidence(io: Io, options: SnpOptions, out: string): Promise<void> {
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
  const crls = [...gathered.crls, ...gathered.hostCrls];
  const bytes = encodeSnpEvidence({ evidence, certificates, crls, collectedAt });
  await writeOutput(out, bytes);
  const facts = {
    file: out,
    bytes: bytes.length,
    product: snp.product,
    signingKey: snp.signingKey,
    certificates: certificates.length,
    crls: crls.length,
    collectedAt: at.toISOString(),
  };
  io.print(facts, () => table(factRows(facts)));
}

async function run(io: Io, options: CollectOptions): Promise<void> {
  const { report, quote, out } = options;
  if ((report === undefined) === (quote === undefined)) {
    throw new AssayError('USAGE_ARGUMENTS', 'expected either --report or --quote');
  }
  await requireWritable([out]);
  if (report !== undefined && quote === undefined && options.root.length === 0) {
    refuseIdle(options, ['pcs', 'tcbUpdate'], 'with --report');
    if (options.offline === true) refuseIdle(options, ['kds', 'cache'], 'with --offline');
    return collectEvidence(io, { ...options, report }, out);
  }
  if (quote !== undefined && report === undefined && options.offline !== true) {
    refuseIdle(options, ['vek', 'chain', 'certs', 'crl', 'kds'], 'with --quote');
    return collectCollateral(io, quote, options);
  }
  throw new AssayError(
    'USAGE_ARGUMENTS',
    'expected --report without --root, or --quote without --offline: a report ends in AMD’s roots, and a quote needs Intel’s answer',
  );
}

/** `assay collect`: what verifies a report or a quote, in one file for later appraisal. */
export function registerCollect(program: Command, io: Io): void {
  const command = program
    .command('collect')
    .description('gather what verifies a report or a quote and export it for offline appraisal')
    .option(...REPORT)
    .option('--quote <file>', "TDX quote, whose platform's collateral is asked for; - for stdin");
  addPcsOptions(addSnpOptions(command))
    .requiredOption('--out <file>', 'where to write what was collected')
    .addHelpText(
      'after',
      examples(
        'assay collect --report report.bin --out evidence.cbor',
        'assay verify snp --report evidence.cbor --at 2026-06-01T00:00:00Z --offline',
        'assay collect --quote quote.bin --out intel.json',
        'assay verify tdx --quote quote.bin --collateral intel.json --at 2026-06-01T00:00:00Z',
      ),
    )
    .action((options: CollectOptions) => run(io, options));
}
