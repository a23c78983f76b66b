import { createHash } from 'node:crypto';
import type { Command } from 'commander';
import { parseCertificate } from '../../attestation/encoding/x509.js';
import { readCertificates } from './endorsement-files.js';
import type { Io } from './io.js';
import { examples, group } from './options.js';
import { factRows, section } from './output.js';

async function showCertificate(io: Io, path: string): Promise<void> {
  const certificates = (await readCertificates(io, path)).map((der) => {
    const certificate = parseCertificate(der);
    return {
      subject: certificate.subjectCommonName,
      issuer: certificate.issuerCommonName,
      serialNumber: certificate.serialNumber,
      notBefore: certificate.notBefore.toISOString(),
      notAfter: certificate.notAfter.toISOString(),
      key: certificate.keyKind,
      signatureAlgorithm: certificate.signatureAlgorithm,
      certificateAuthority: certificate.isCa,
      sha256: createHash('sha256').update(der).digest('hex'),
    };
  });
  io.print({ certificates }, (style) =>
    certificates.map(({ subject, ...rest }) => section(style, subject, factRows(rest))).join('\n'),
  );
}

/** `assay show certificate FILE`: what a vendor's certificate says, without judging it. */
export function registerShowCertificate(program: Command, io: Io): void {
  group(program, 'show')
    .command('certificate')
    .description("print the certificates of a vendor's chain (PEM or DER)")
    .argument('<file>', 'certificates, or - for standard input')
    .addHelpText('after', examples('assay show certificate ask_ark.pem'))
    .action((path: string) => showCertificate(io, path));
}
