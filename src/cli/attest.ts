import type { Command } from 'commander';
import { toHex, utf8 } from '../../attestation/encoding/bytes.js';
import { attest } from '../client/attest.js';
import { endorsedBundle } from '../client/endorsed-bundle.js';
import {
  type AttestationFlags,
  attestationOptions,
  readAttestation,
} from './attestation-options.js';
import type { Io } from './io.js';
import { examples } from './options.js';
import {
  type AnswerFile,
  reportUnwritten,
  requireWritable,
  writeAnswerFiles,
} from './output-files.js';
import { printResult } from './render-result.js';

interface Flags extends AttestationFlags {
  readonly save?: string;
  readonly ca?: string;
}

async function run(io: Io, target: string, flags: Flags): Promise<void> {
  await requireWritable([flags.save, flags.ca]);
  const { policy, options } = await readAttestation(io, flags);
  const { result, evidence, certificate } = await io.during(`attesting ${target}`, () =>
    attest(target, policy, options),
  );
  const nonce = toHex(evidence.nonce);
  const { save, ca } = flags;
  const outputs: (AnswerFile & { readonly what: string })[] = [];
  if (save !== undefined) {
    const what = `evidence in ${save}, fetched under the nonce ${nonce}`;
    outputs.push({ path: save, what, bytes: () => endorsedBundle(evidence) });
  }
  if (ca !== undefined && result.affirmed) {
    const what = `the enclave's certificate in ${ca}: any gRPC client may pin it as its only root`;
    outputs.push({ path: ca, what, bytes: () => utf8(certificate.toString()) });
  }
  const { written, failures } = await writeAnswerFiles(outputs);
  const files = written.map(({ what }) => what);
  if (flags.ca !== undefined && !result.affirmed) {
    io.note(`${flags.ca} is not written: the enclave is not affirmed`);
  }
  printResult(io, result, {
    json: { target, nonce },
    text: files.length === 0 ? '' : `\nWrote ${files.join('\nWrote ')}\n`,
  });
  reportUnwritten(io, failures);
}

/** `assay attest TARGET`: evidence under a fresh nonce, appraised, over the TLS key that it covers. */
export function registerAttest(program: Command, io: Io): void {
  attestationOptions(
    program
      .command('attest')
      .description('fetch evidence under a fresh nonce, appraise it, check the TLS key against it')
      .argument('<target>', 'host:port of the server'),
  )
    .option('--save <file>', 'write the evidence bundle, with what endorses it, affirmed or not')
    .option('--ca <file>', "write the enclave's certificate (PEM) once it is affirmed")
    .addHelpText(
      'after',
      examples(
        'assay attest localhost:8443 --policy policy.yaml',
        'assay attest localhost:8443 --policy policy.yaml --root simulator.pem --ca enclave.pem',
      ),
    )
    .action((target: string, flags: Flags) => run(io, target, flags));
}
