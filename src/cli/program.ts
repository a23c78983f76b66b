import { Command, CommanderError } from 'commander';
import { AssayError } from '../../attestation/encoding/error.js';
import { VERSION } from '../system/version.js';
import { registerAdmit } from './admit.js';
import { registerAttest } from './attest.js';
import { registerCollect } from './collect.js';
import { registerConform } from './conform.js';
import { registerDiff } from './diff.js';
import { registerDoctor } from './doctor.js';
import { EXIT, type ExitCode } from './exit-code.js';
import { registerHubList } from './hub-list.js';
import { registerHubPull } from './hub-pull.js';
import { registerHubPush } from './hub-push.js';
import { registerHubShow } from './hub-show.js';
import { registerInfer } from './infer.js';
import { registerInspect } from './inspect.js';
import { type Call, Io } from './io.js';
import { registerLaunch } from './launch.js';
import { registerLaunchPolicy } from './launch-policy.js';
import { registerMeasureLaunch } from './measure-launch.js';
import { examples, refuseRepeated } from './options.js';
import { registerPolicyInit } from './policy-init.js';
import { registerProxy } from './proxy.js';
import { registerQuorum } from './quorum.js';
import { registerReplay } from './replay.js';
import { registerServe } from './serve.js';
import { registerShowCertificate } from './show-certificate.js';
import { registerShowEventLog } from './show-eventlog.js';
import { registerShowSnp } from './show-snp.js';
import { registerShowTdx } from './show-tdx.js';
import { registerVerifyEvidence } from './verify-evidence.js';
import { registerVerifyReceipt } from './verify-receipt.js';
import { registerVerifySnp } from './verify-snp.js';
import { registerVerifyTdx } from './verify-tdx.js';

/** Adds one command, or several that belong together. */
type Register = (program: Command, io: Io) => void;

const COMMANDS: readonly (readonly [heading: string, commands: readonly Register[]])[] = [
  [
    'Attest and infer:',
    [
      registerAttest,
      registerInfer,
      registerProxy,
      registerVerifyEvidence,
      registerVerifyReceipt,
      registerVerifySnp,
      registerVerifyTdx,
      registerPolicyInit,
    ],
  ],
  ['Compare executions:', [registerReplay, registerConform, registerQuorum]],
  [
    'Models:',
    [
      registerInspect,
      registerDiff,
      registerAdmit,
      registerHubPush,
      registerHubPull,
      registerHubList,
      registerHubShow,
    ],
  ],
  [
    'Run an enclave:',
    [registerServe, registerDoctor, registerLaunchPolicy, registerMeasureLaunch, registerLaunch],
  ],
  [
    'Look at evidence:',
    [
      registerShowCertificate,
      registerShowSnp,
      registerShowTdx,
      registerShowEventLog,
      registerCollect,
    ],
  ],
];

const EXIT_CODES = `
Exit codes: 0 affirmed, 1 refused, 2 wrong usage, 3 could not check, 4 the service failed.
`;

/** What may stand before the name of a command. */
const FLAGS = ['--json', '--help', '-h', '--version', '-V'];

/** Prints the help of a command, however deep it lies; throws USAGE_ARGUMENTS where there is none. */
function help(program: Command, names: readonly string[]): never {
  let command = program;
  for (const name of names) {
    const next = command.commands.find((each) => each.name() === name);
    if (next === undefined) {
      throw new AssayError('USAGE_ARGUMENTS', `there is no command ${names.join(' ')}`);
    }
    command = next;
  }
  return command.help();
}

/**
 * The arguments, up to the first word where a command is expected that is none: commander would answer it with
 * help or the version where these are asked for too.
 */
function upToUnknownCommand(program: Command, args: readonly string[]): readonly string[] {
  let command = program;
  for (const [i, word] of args.entries()) {
    if (command.commands.length === 0) return args;
    if (FLAGS.includes(word)) continue;
    if (word.startsWith('-')) return args;
    const next = command.commands.find((each) => each.name() === word);
    if (next === undefined) {
      return args.slice(0, i + 1).filter((each) => !FLAGS.includes(each));
    }
    command = next;
  }
  return args;
}

function makeProgram(io: Io): Command {
  const { stdout, stderr } = io.call;
  const program = new Command('assay')
    .description('Attested ONNX inference: serve, attest, infer, verify.')
    .version(VERSION)
    .option('--json', 'print results and errors as JSON')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => {
        if (!io.json) stderr.write(text);
      },
      outputError: (text, write) => {
        if (!io.json) write(text);
      },
    })
    .exitOverride()
    .addHelpText('after', EXIT_CODES)
    .addHelpText(
      'after',
      examples(
        'assay attest localhost:8443 --policy policy.yaml',
        'assay infer localhost:8443 ocr --input x=line.npy --policy policy.yaml',
        'assay serve assay.yaml',
      ),
    );
  for (const [heading, commands] of COMMANDS) {
    program.commandsGroup(heading);
    for (const register of commands) register(program, io);
  }
  program.commandsGroup('Help:');
  program
    .helpCommand(false)
    .command('help')
    .description('print the help of a command')
    .argument('[command...]', 'its name, such as verify snp')
    .action((names: readonly string[]) => help(program, names));
  refuseRepeated(program);
  return program;
}

/** Runs one command line and returns its exit code. Never throws. */
export async function run(args: readonly string[], call: Call): Promise<ExitCode> {
  const io = new Io(call, args.includes('--json'));
  try {
    const program = makeProgram(io);
    await program.parseAsync(upToUnknownCommand(program, args), { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) io.fail(error);
    else if (error.exitCode === 0) return EXIT.affirmed;
    else {
      io.exitCode = EXIT.usage;
      const asked = error.code === 'commander.help';
      const message = asked ? 'expected a command' : error.message.replace(/^error: /, '');
      if (io.json) io.fail(new AssayError('USAGE_ARGUMENTS', message));
    }
  }
  io.end();
  return io.exitCode;
}
