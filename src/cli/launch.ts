import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { parseLaunchPolicy } from '../../attestation/evidence/launch-policy.js';
import { planLaunch } from '../../enclave/launch/plan.js';
import { LAUNCH_TARGETS, type LaunchTarget, renderLaunch } from '../../enclave/launch/render.js';
import { readDocument } from './document.js';
import type { Io } from './io.js';
import { readDeployment } from './launch-input.js';
import { examples } from './options.js';
import { makeFolder, writeOutput } from './output-files.js';

interface Options {
  readonly target: LaunchTarget;
  readonly output?: string;
}

async function launch(io: Io, path: string, { target, output }: Options): Promise<void> {
  const deployment = await readDeployment(io, path);
  const policy = parseLaunchPolicy(await readDocument(io, deployment.launchPolicy));
  const files = renderLaunch(target, planLaunch(deployment, policy));
  if (output === undefined) {
    io.print({ files: files.map((file) => ({ ...file })) }, () =>
      files.map(({ name, contents }) => `# --- ${name}\n${contents}`).join('\n'),
    );
    return;
  }
  await makeFolder(output);
  for (const { name, contents, executable } of files) {
    await writeOutput(join(output, name), contents);
    if (executable) await chmod(join(output, name), 0o755);
  }
  const names = files.map(({ name }) => join(output, name));
  io.print({ files: names }, () => names.join('\n'));
}

/** `assay launch FILE`: the commands that start a deployment on a platform. */
export function registerLaunch(program: Command, io: Io): void {
  program
    .command('launch')
    .description('write the commands that start a deployment; nothing is started')
    .argument('<deployment>', 'deployment file')
    .addOption(
      new Option('--target <platform>', 'where it is to run')
        .choices(LAUNCH_TARGETS)
        .makeOptionMandatory(),
    )
    .option('--output <directory>', 'write the files there instead of printing them')
    .addHelpText(
      'after',
      examples(
        'assay launch deployment.yaml --target qemu',
        'assay launch deployment.yaml --target gcp --output launch',
      ),
    )
    .action((path: string, options: Options) => launch(io, path, options));
}
