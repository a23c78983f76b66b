import { createHash, verify, X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { forgetCertificates } from '../../attestation/appraisal/certified.js';
import { verifySnp } from '../../attestation/appraisal/verify-snp.js';
import { toHex } from '../../attestation/encoding/bytes.js';
import { parseCertificate } from '../../attestation/encoding/x509.js';
import { amdEndorsements } from '../../attestation/endorsements/amd.js';
import { parseSnpReport, signedBytes } from '../../attestation/evidence/snp-report.js';
import { snpPolicy } from '../forge/platform-policy.js';
import { repositoryRoot, vectorFile, withoutVectors } from '../vectors.js';
import { type Contender, sideBySide } from './support/measure.js';
import { Report } from './support/report.js';

/** Enough for the optimising compiler to have seen every contender. */
const ROUNDS = 2000;
/** A report that the peer accepts too: it knows Genoa and version 3 only. */
const CASE = 'genoa-v3-vcek';

interface Peer {
  verifyAttestation(document: { format: string; body: string }, vcek: string): Promise<unknown>;
}

/** The peer from `test/bench/peers`, where `make bench` installs it. */
async function loadPeer(): Promise<Peer | undefined> {
  const entry = join(
    repositoryRoot,
    '.cache/bench/node_modules/@tinfoilsh/verifier/dist/attestation.js',
  );
  return existsSync(entry) ? import(pathToFileURL(entry).href) : undefined;
}

function must(holds: unknown): void {
  if (holds !== true) throw new Error('a contender refused genuine evidence');
}

async function main(results: Report): Promise<void> {
  const file = (name: string): Uint8Array => new Uint8Array(vectorFile('snp', CASE, name));
  const report = file('report.bin');
  const supplied = amdEndorsements(['vek.der', 'ask.pem', 'ark.pem'].map(file));
  const [vek, ask, ark] = supplied.certificates.map((der) => new X509Certificate(der));
  if (vek === undefined || ask === undefined || ark === undefined) throw new Error('no chain');
  const { measurement, signature } = parseSnpReport(report);
  const policy = snpPolicy({ measurements: [toHex(measurement)], crl: 'optional' });
  const at = new Date('2026-06-01T00:00:00Z');

  const key = { key: vek.publicKey, dsaEncoding: 'ieee-p1363' } as const;
  const covered = signedBytes(report);
  const bareReport = () => {
    createHash('sha256').update(report).digest();
    must(verify('sha384', covered, key, signature));
  };
  const links = supplied.certificates.map((der, i) => {
    const { tbs, signature: signed } = parseCertificate(der);
    return { tbs, signed, key: [ask, ark, ark][i]?.publicKey ?? ark.publicKey };
  });
  const pss = { padding: 6, saltLength: 48 };
  const bareChain = () => {
    for (const { tbs, signed, key: issuer } of links) {
      must(verify('sha384', tbs, { key: issuer, ...pss }, signed));
    }
    bareReport();
  };
  const endorsements = { ...supplied, certificates: supplied.certificates.slice(0, 1) };
  const ours = async () => must((await verifySnp(report, endorsements, policy, { at })).affirmed);
  const roots = supplied.certificates.slice(2);
  const oursUnpinned = async () =>
    must((await verifySnp(report, supplied, policy, { at, roots })).affirmed);

  const peer = await loadPeer();
  const document = {
    format: 'https://tinfoil.sh/predicate/sev-snp-guest/v2',
    body: gzipSync(report).toString('base64'),
  };
  const vcek = Buffer.from(supplied.certificates[0] ?? []).toString('base64');
  const measure = async (title: string, ...contenders: Contender[]): Promise<number[]> => {
    const costs = await sideBySide(contenders, ROUNDS);
    results.costs(`SEV-SNP, ${CASE}: ${title}, ${ROUNDS} rounds`, costs);
    return costs.map(({ median }) => median);
  };
  const warmOurs: Contender = { name: 'assay, full appraisal', run: ours };

  const [bare = 0, warm = 0] = await measure(
    'the chain is known',
    { name: 'node:crypto, P-384 and hash', run: bareReport },
    warmOurs,
  );
  results.bar({
    what: 'full appraisal, against the bare verification',
    value: warm / bare,
    limit: 1.5,
    atLeast: false,
  });

  const [chain = 0, cold = 0, unpinned = 0] = await measure(
    'nothing supplied was seen before',
    { name: 'node:crypto, three certificates and P-384', run: bareChain },
    { name: 'assay, AMD pinned', before: forgetCertificates, run: ours },
    { name: 'assay, whole chain supplied', before: forgetCertificates, run: oursUnpinned },
  );
  results.bar({
    what: 'full appraisal, against the bare chain',
    value: cold / chain,
    limit: 1.3,
    atLeast: false,
  });
  results.bar({
    what: 'whole chain supplied, against the bare chain',
    value: unpinned / chain,
    limit: 1.3,
    atLeast: false,
  });

  if (peer === undefined)
    return console.log('  @tinfoilsh/verifier is not installed: run make bench');
  const [again = 0, theirs = 0] = await measure('against a peer', warmOurs, {
    name: '@tinfoilsh/verifier',
    run: () => peer.verifyAttestation(document, vcek),
  });
  results.bar({
    what: '@tinfoilsh/verifier, against full appraisal',
    value: theirs / again,
    limit: 4,
    atLeast: true,
  });
}

if (withoutVectors === false) {
  const results = new Report('snp');
  await main(results);
  results.write();
} else console.log(`SEV-SNP: skipped, ${withoutVectors}`);
