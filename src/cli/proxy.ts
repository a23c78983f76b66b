import { join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { toHex } from '../../attestation/encoding/bytes.js';
import { type Endpoint, parseEndpoint } from '../client/endpoint.js';
import type { Inference, Session } from '../client/session.js';
import { endBy, endingSignal } from '../system/ending-signal.js';
import { type AttestationFlags, attestationOptions, withSession } from './attestation-options.js';
import { makeFolder, writeOutput } from './files.js';
import type { Io } from './io.js';
import { examples } from './options.js';
import { simulatedBanner } from './render-result.js';

interface Flags extends AttestationFlags {
  readonly listen: Endpoint;
  readonly saveProofs?: string;
}

/** Where clients connect unless they are told otherwise. */
const LISTEN = '127.0.0.1:8001';

const MAX_RECEIVE = 64 * 1024 * 1024;

/** Keeps every answer as evidence: one proof file each, named by epoch and position in its log. */
function proofWriter(folder: string): (answer: Inference) => Promise<void> {
  return async (answer) => {
    const name = `${toHex(answer.claims.epoch).slice(0, 16)}-${answer.index}.proof`;
    await writeOutput(join(folder, name), answer.proof());
  };
}

/** Says what went wrong with an answer; with `--json`, where remarks wait for the end, of the first alone. */
function failureNotes(io: Io): (error: unknown) => void {
  let noted = false;
  return (error) => {
    if (io.json && noted) return;
    noted = true;
    io.note(`an answer was not passed on: ${error instanceof Error ? error.message : error}`);
  };
}

/** Port 0 is any that is free. */
function parseListen(text: string): Endpoint {
  const endpoint = parseEndpoint(text);
  if (endpoint !== undefined) return endpoint;
  throw new InvalidArgumentError('expected host:port such as 127.0.0.1:8001.');
}

async function run(io: Io, target: string, flags: Flags): Promise<void> {
  if (flags.saveProofs !== undefined) await makeFolder(flags.saveProofs);
  await withSession(io, target, flags, (session) => serve(io, target, session, flags));
}

async function serve(io: Io, target: string, session: Session, flags: Flags): Promise<void> {
  const { startProxy } = await import('../proxy/proxy.js');
  const stop = endingSignal(endBy);
  const { saveProofs } = flags;
  const proxy = await startProxy(session, {
    address: flags.listen,
    maxReceiveBytes: MAX_RECEIVE,
    onFailure: failureNotes(io),
    ...(saveProofs === undefined ? {} : { onAnswer: proofWriter(saveProofs) }),
  });
  const models = session.models().map(({ name, version }) => `${name} ${version}`);
  const { simulated } = session.result;
  io.print(
    { target, port: proxy.port, models, simulated },
    (style) =>
      `${simulatedBanner(style, simulated)}${target} is affirmed; its models answer on port ${proxy.port}, without TLS: ${models.join(', ')}`,
  );
  await stop;
  await proxy.close();
}

/** `assay proxy TARGET`: attested inference for clients that know nothing of it. */
export function registerProxy(program: Command, io: Io): void {
  attestationOptions(
    program
      .command('proxy')
      .description('attest a server and pass verified answers to any client on this machine')
      .argument('<target>', 'host:port of the server'),
  )
    .addOption(
      new Option('--listen <host:port>', 'where clients connect, without TLS; 1024 at once')
        .argParser(parseListen)
        .default(parseListen(LISTEN), LISTEN),
    )
    .option(
      '--save-proofs <folder>',
      'write a proof file for every answer; none is passed on without',
    )
    .addHelpText(
      'after',
      '\nAn enclave that was started again has new keys: nothing is passed on from it (DATA_LOSS, CLIENT_TLS_PIN),\nand ServerReady says so, until the proxy is started again and attests it.',
    )
    .addHelpText(
      'after',
      examples(
        'assay proxy enclave.example:8443 --policy policy.yaml',
        'assay proxy localhost:8443 --policy policy.yaml --root simulator.pem --save-proofs proofs/',
      ),
    )
    .action((target: string, flags: Flags) => run(io, target, flags));
}
