import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { toHex } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { sha256 } from '../../attestation/encoding/hash.js';
import { type Endpoint, parseEndpoint } from '../client/endpoint.js';
import type { Inference, Session } from '../client/session.js';
import type { SessionChange } from '../proxy/lasting-session.js';
import { endBy, endingSignal } from '../system/ending-signal.js';
import {
  type AttestationFlags,
  attestationOptions,
  type Reconnect,
  withSession,
} from './attestation-options.js';
import type { Io } from './io.js';
import { examples } from './options.js';
import { makeFolder, writeOutput } from './output-files.js';
import { simulatedBanner } from './render-result.js';

interface Flags extends AttestationFlags {
  readonly listen: Endpoint;
  readonly saveProofs?: string;
}

/** Where clients connect unless they are told otherwise. */
const LISTEN = '127.0.0.1:8001';

const MAX_RECEIVE = 64 * 1024 * 1024;

const RESTARTS = `
A server that was started again has new keys. The call that meets them is answered UNAVAILABLE (it may have
been executed: the proxy sends none twice), and the server is attested anew, as at the start. Until it is
affirmed nothing is passed on, ServerReady is false, and calls are answered UNAVAILABLE, or
FAILED_PRECONDITION where it is refused; they have it attested again, after 1 to 30 seconds each time.`;

/**
 * Keeps every answer as evidence: one proof file each, named by epoch and position in its log. Where there is
 * another of that name, an enclave may have signed two answers for one position: both are kept, and told.
 */
function proofWriter(
  folder: string,
  note: (text: string) => void,
): (answer: Inference) => Promise<void> {
  return async (answer) => {
    const place = join(folder, `${toHex(answer.claims.epoch).slice(0, 16)}-${answer.index}`);
    let path = `${place}.proof`;
    if (existsSync(path)) {
      path = `${place}-${toHex(sha256(answer.receipt)).slice(0, 16)}.proof`;
      note(`${place}.proof is there already: another answer of that position is in ${path}`);
    }
    // What is not flushed is lost with the power alone: flushing would cost each answer a while.
    await writeOutput(path, answer.proof(), false);
  };
}

/** Remarks; with `--json`, where they wait for the end, the first alone. */
function boundedNotes(io: Io): (text: string) => void {
  let noted = false;
  return (text) => {
    if (io.json && noted) return;
    noted = true;
    io.note(text);
  };
}

function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return error instanceof AssayError ? `${error.code}: ${message}` : message;
}

function namesOf(session: Session): readonly string[] {
  return session.models().map(({ name, version }) => `${name} ${version}`);
}

function changeText(target: string, change: SessionChange): string {
  switch (change.kind) {
    case 'over':
      return `nothing is passed on until ${target} is attested anew: ${messageOf(change.error)}`;
    case 'failed':
      return `${target} was not attested anew, the first call in ${change.wait / 1000} s or later tries again: ${messageOf(change.error)}`;
    case 'attested': {
      const { manifest, result } = change.session;
      return `${result.simulated ? 'SIMULATED: ' : ''}${target} is affirmed anew, epoch ${toHex(manifest.epoch).slice(0, 16)}: ${namesOf(change.session).join(', ')}`;
    }
  }
}

/** Port 0 is any that is free. */
function parseListen(text: string): Endpoint {
  const endpoint = parseEndpoint(text);
  if (endpoint !== undefined) return endpoint;
  throw new InvalidArgumentError('expected host:port such as 127.0.0.1:8001.');
}

async function run(io: Io, target: string, flags: Flags): Promise<void> {
  if (flags.saveProofs !== undefined) await makeFolder(flags.saveProofs);
  await withSession(io, target, flags, (session, again) =>
    serve(io, target, session, again, flags),
  );
}

async function serve(
  io: Io,
  target: string,
  session: Session,
  again: Reconnect,
  flags: Flags,
): Promise<void> {
  const { startProxy } = await import('../proxy/proxy.js');
  const stop = endingSignal(endBy);
  const { saveProofs } = flags;
  const note = boundedNotes(io);
  const proxy = await startProxy(session, {
    address: flags.listen,
    maxReceiveBytes: MAX_RECEIVE,
    connect: again,
    onChange: (change) => note(changeText(target, change)),
    onFailure: (error) => note(`an answer was not passed on: ${messageOf(error)}`),
    ...(saveProofs === undefined ? {} : { onAnswer: proofWriter(saveProofs, note) }),
  });
  const models = namesOf(session);
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
      'write a proof file for every answer, before it is passed on; a loss of power may take the newest',
    )
    .addHelpText('after', RESTARTS)
    .addHelpText(
      'after',
      examples(
        'assay proxy enclave.example:8443 --policy policy.yaml',
        'assay proxy localhost:8443 --policy policy.yaml --root simulator.pem --save-proofs proofs/',
      ),
    )
    .action((target: string, flags: Flags) => run(io, target, flags));
}
