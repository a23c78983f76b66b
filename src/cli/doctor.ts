import { randomBytes } from 'node:crypto';
import { release, totalmem } from 'node:os';
import type { Command } from 'commander';
import { type Diagnosis, diagnose, thisMachine } from '../../enclave/platform/doctor.js';
import { kernelFs } from '../../enclave/platform/report-fs.js';
import { EXIT } from './exit-code.js';
import type { Io } from './io.js';
import { examples } from './options.js';
import { type Style, table } from './output.js';

function rows(style: Style, diagnoses: readonly Diagnosis[]): string {
  const colours = { ok: style.green, warning: style.yellow, problem: style.red };
  const lines = diagnoses.map(({ outcome, check, found }) => [
    { text: outcome, style: colours[outcome] },
    check,
    found,
  ]);
  const advice = diagnoses
    .filter((diagnosis) => diagnosis.advice !== '')
    .map((diagnosis) => [diagnosis.check, diagnosis.advice]);
  const sections = [table(lines)];
  if (advice.length > 0) sections.push(`${style.bold('What to change')}\n${table(advice, '  ')}`);
  return sections.join('\n\n');
}

async function doctor(io: Io): Promise<void> {
  const diagnoses = await io.during('asking the hardware for a report', () =>
    diagnose(
      thisMachine(kernelFs, {
        kernelRelease: release(),
        versions: process.versions,
        memoryBytes: totalmem(),
        now: io.now(),
        trial: new Uint8Array(randomBytes(64)),
      }),
    ),
  );
  const able = diagnoses.every(({ outcome }) => outcome !== 'problem');
  io.print({ able, diagnoses: diagnoses.map((diagnosis) => ({ ...diagnosis })) }, (style) =>
    rows(style, diagnoses),
  );
  if (!able) io.exitCode = EXIT.service;
}

/** `assay doctor`: what this guest can do, and what to change. */
export function registerDoctor(program: Command, io: Io): void {
  program
    .command('doctor')
    .description('say whether this machine can attest, and what to change if it cannot')
    .addHelpText('after', examples('assay doctor', 'assay doctor --json'))
    .action(() => doctor(io));
}
