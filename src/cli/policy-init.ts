import type { Command } from 'commander';
import { Document, visit } from 'yaml';
import { appraiseBundle } from '../../attestation/appraisal/appraise.js';
import type { AttestationResult, Claims, ClaimValue } from '../../attestation/appraisal/result.js';
import type { Tee } from '../../attestation/evidence/bundle.js';
import { type AppraisalFlags, readAppraisal, trustOptions } from './appraisal-options.js';
import { readInput } from './input-files.js';
import type { Io } from './io.js';
import { examples, group } from './options.js';
import { isPrintable, printable, printableYaml } from './output.js';
import { policyShortfalls } from './policy-shortfalls.js';
import { isClaims, type PolicyDocument } from './policy-waivers.js';
import { printRefusal } from './render-result.js';

type Flags = Omit<AppraisalFlags, 'policy'>;

const MEASURED = ['mrTd', 'rtmr0', 'rtmr1', 'rtmr2'] as const;

/**
 * A policy with the values that this evidence has, and without any waiver: it does not affirm that very
 * evidence where a check does not hold that is none of values.
 */
function policyOf(tee: Tee, claims: Claims): PolicyDocument {
  const enclave = claims['enclave'];
  const listed = isClaims(enclave) ? enclave['models'] : undefined;
  const models = (Array.isArray(listed) ? (listed as readonly ClaimValue[]) : []).filter(isClaims);
  const known = models.map(({ name, graph, execution, selfTest }) => ({
    name: String(name),
    graph: String(graph),
    executions: [String(execution)],
    ...(isClaims(selfTest) && { selfTest: { vectors: String(selfTest['vectors']) } }),
  }));
  const hardware: Pick<PolicyDocument, 'snp' | 'tdx'> =
    tee === 'sev-snp'
      ? {
          snp: {
            measurements: [String(claims['measurement'])],
            minimumTcb: {
              [String(claims['product'])]: { reported: claims['reportedTcb'] ?? null },
            },
          },
        }
      : { tdx: Object.fromEntries(MEASURED.map((name) => [name, [String(claims[name])]])) };
  // Without `models` a policy knows none: it refuses whatever model is served.
  return { version: 1, ...hardware, enclave: known.length === 0 ? {} : { models: known } };
}

const SIMULATED = 'SIMULATED: no hardware signed the evidence that this policy was made from.';

const HEADER = ({ simulated, at }: AttestationResult, hasModels: boolean): string =>
  [
    ...(simulated ? [`# ${SIMULATED}`] : []),
    `# What one enclave said of itself, authentic for ${at}: trust on first use. Compare the`,
    '# measurements with `assay measure launch`, the digests with `assay inspect`, before relying on it.',
    ...(hasModels
      ? []
      : ['# It served no model, and so this policy knows none: it refuses every one.']),
    '',
  ].join('\n');

/** YAML with names, which are the enclave's to choose, on a line and with escapes for what is not printable. */
function toYaml(policy: object): string {
  const document = new Document(policy);
  visit(document, {
    Scalar(_, scalar) {
      if (typeof scalar.value === 'string' && !isPrintable(scalar.value)) {
        scalar.type = 'QUOTE_DOUBLE';
      }
    },
  });
  return printableYaml(
    document.toString({ lineWidth: 0, doubleQuotedMinMultiLineLength: Number.POSITIVE_INFINITY }),
  );
}

/** Says in the file and beside it why this policy does not affirm what it was made from; it gets no waiver. */
function tellShortfalls(io: Io, shortfalls: readonly string[]): string {
  if (shortfalls.length === 0) return '';
  const lines = [
    'This policy does not affirm the evidence that it was made from. What waives a check weakens it:',
    ...shortfalls,
  ];
  for (const line of lines) io.note(line);
  return lines.map((line, i) => `# ${i === 0 ? '' : '  '}${printable(line)}\n`).join('');
}

async function run(io: Io, path: string, flags: Flags): Promise<void> {
  const { policy: none, options } = await readAppraisal(io, flags);
  const bundle = await readInput(io, path);
  const { result } = await appraiseBundle(bundle, none, options);
  if (!result.authentic || result.tee === null) {
    printRefusal(io, result);
    return;
  }
  const policy = policyOf(result.tee, result.claims);
  const shortfalls = await policyShortfalls(bundle, policy, options);
  if (result.simulated && io.json) io.note(SIMULATED);
  const told = tellShortfalls(io, shortfalls);
  const hasModels = policy.enclave?.['models'] !== undefined;
  io.print({ ...policy }, () => `${HEADER(result, hasModels)}${told}${toYaml(policy)}`);
}

/**
 * `assay policy init BUNDLE`: a strict policy with the values
 * of authentic evidence, and why it does not affirm that.
 */
export function registerPolicyInit(program: Command, io: Io): void {
  trustOptions(
    group(program, 'policy')
      .command('init')
      .description('print a strict policy with the values of an authentic evidence bundle')
      .argument('<file>', 'what `attest --save` wrote, or - for standard input'),
  )
    .addHelpText('after', examples('assay policy init bundle.cbor > policy.yaml'))
    .action((path: string, flags: Flags) => run(io, path, flags));
}
