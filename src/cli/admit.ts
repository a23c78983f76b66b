import type { Command } from 'commander';
import { analyseModel } from '../../attestation/model/identity.js';
import { type AdmissionFinding, worstOf } from '../admission/finding.js';
import { staticFindings } from '../admission/static-rules.js';
import { EXIT } from './exit-code.js';
import { identityJson } from './inspect.js';
import type { Io } from './io.js';
import { nativeSha256, readModelSource } from './model-file.js';
import { examples } from './options.js';
import { type Cell, type Style, section, table } from './output.js';

function findingRows({ rule, outcome, message, nodes, count }: AdmissionFinding, style: Style) {
  const color = { pass: style.green, warn: style.yellow, refuse: style.red }[outcome];
  const rows: Cell[][] = [[{ text: outcome, style: color }, rule, message]];
  for (const node of nodes) rows.push(['', '', `  ${node}`]);
  if (count > nodes.length) rows.push(['', '', `  … ${count} in all`]);
  return rows;
}

const SUMMARY = {
  pass: 'admitted: every node can execute this model',
  warn: 'admitted, with warnings',
  refuse: 'refused: not every node would execute this model, or not alike',
} as const;

async function admit(io: Io, path: string): Promise<void> {
  const analysis = await io.during(`reading ${path}`, async () =>
    analyseModel(await readModelSource(path), { sha256: nativeSha256 }),
  );
  const findings = staticFindings(analysis);
  const outcome = worstOf(findings);
  if (outcome === 'refuse') io.exitCode = EXIT.refused;
  const identity = identityJson(analysis.identity);
  io.print({ outcome, identity, findings: findings.map((entry) => ({ ...entry })) }, (style) =>
    [
      section(style, 'Model', [['graph', String(identity['graph'])]]),
      section(
        style,
        'Rules',
        findings.flatMap((entry) => findingRows(entry, style)),
      ),
      table([[SUMMARY[outcome]]]),
    ].join('\n'),
  );
}

/** `assay admit MODEL`: whether any node can execute a model, and alike, rule by rule. */
export function registerAdmit(program: Command, io: Io): void {
  program
    .command('admit')
    .description('check rule by rule whether any node can execute a model, and all alike')
    .argument('<model>', 'an ONNX file; its external data lie beside it')
    .addHelpText('after', examples('assay admit model.onnx', 'assay admit model.onnx --json'))
    .action((path: string) => admit(io, path));
}
