import { authenticateSnp } from '../../attestation/appraisal/authenticate-snp.js';
import { verifySnp } from '../../attestation/appraisal/verify-snp.js';
import { encodeDer, parseDer } from '../../attestation/encoding/asn1.js';
import { equalBytes, fromUtf8, utf8 } from '../../attestation/encoding/bytes.js';
import { parseCrl } from '../../attestation/encoding/crl.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { toPem } from '../../attestation/encoding/pem.js';
import { parseCertificate } from '../../attestation/encoding/x509.js';
import { amdEndorsements } from '../../attestation/endorsements/amd.js';
import { vekExtensions } from '../../attestation/endorsements/amd-extensions.js';
import { AMD_CERTIFICATES } from '../../attestation/endorsements/roots.js';
import { encodeAuxblob, parseAuxblob } from '../../attestation/evidence/auxblob.js';
import { detectEvidence } from '../../attestation/evidence/detect.js';
import { parseHclReport } from '../../attestation/evidence/hcl.js';
import { decodeSnpEvidence, encodeSnpEvidence } from '../../attestation/evidence/snp-evidence.js';
import { openSnpInput } from '../../attestation/evidence/snp-input.js';
import { encodeSnpReport, parseSnpReport } from '../../attestation/evidence/snp-report.js';
import { forgeSnp } from '../forge/amd.js';
import { hclReport } from '../forge/hcl.js';
import { FORGED_AT } from '../forge/judge-snp.js';
import { snpPolicy } from '../forge/platform-policy.js';
import { fuzz } from './harness.js';

const machines = await Promise.all([
  forgeSnp({ version: 2 }),
  forgeSnp({ product: 'Genoa' }),
  forgeSnp({ product: 'Turin' }),
  forgeSnp({ kind: 'VLEK' }),
]);
const [milan, ...others] = machines;
const reports = machines.map(({ report }) => report);
const veks = machines.map(({ endorsements }) => endorsements.certificates[0] ?? new Uint8Array());
const authorities = Object.values(AMD_CERTIFICATES).flatMap(({ ark, ask, asvk }) => [
  ark,
  ask,
  asvk,
]);
const crl = milan.endorsements.crls[0] ?? new Uint8Array();
const [vcek = new Uint8Array(), ask = new Uint8Array()] = milan.endorsements.certificates;
const azure = hclReport(milan.report, '{"keys":[]}');

const lenient = snpPolicy({ crl: 'optional' });

fuzz({
  name: 'SEV-SNP report',
  seeds: reports,
  decode: (bytes) => encodeSnpReport(parseSnpReport(bytes)),
});

fuzz({
  name: 'authenticity of a SEV-SNP report',
  seeds: [milan.report],
  decode: async (bytes) => {
    const { endorsements, roots } = milan;
    const result = await verifySnp(bytes, endorsements, lenient, { at: FORGED_AT, roots });
    const changed = !equalBytes(bytes, milan.report);
    if (result.authentic === changed) throw new Error('only the report as it was is authentic');
    if (changed) throw new AssayError('SNP_REFUSED', result.summary);
    return bytes;
  },
});

fuzz({
  name: 'authenticity under a VCEK certificate',
  seeds: [vcek],
  decode: async (bytes) => {
    const [, ...rest] = milan.endorsements.certificates;
    const endorsements = { ...milan.endorsements, certificates: [bytes, ...rest] };
    await authenticateSnp(milan.report, endorsements, { at: FORGED_AT, roots: milan.roots });
    if (!equalBytes(bytes, vcek)) throw new Error('a certificate that was changed is accepted');
    return bytes;
  },
});

fuzz({
  name: 'DER',
  seeds: [...veks, ...authorities, crl],
  decode: (bytes) => encodeDer(parseDer(bytes)),
});

fuzz({
  name: 'certificate with AMD’s extensions',
  seeds: veks,
  decode: (bytes) => {
    const certificate = parseCertificate(bytes);
    vekExtensions(certificate, certificate.subjectCommonName === 'SEV-VLEK' ? 'VLEK' : 'VCEK');
    return undefined;
  },
});

fuzz({
  name: 'certificate of an authority',
  seeds: [ask, ...authorities],
  decode: (bytes) => {
    parseCertificate(bytes);
    return undefined;
  },
});

fuzz({
  name: 'revocation list',
  seeds: [crl],
  decode: (bytes) => {
    parseCrl(bytes);
    return undefined;
  },
});

fuzz({
  name: 'host’s certificate table',
  seeds: [
    encodeAuxblob([
      { kind: 'vcek', data: vcek },
      { kind: 'ask', data: ask },
      { kind: 'crl', data: crl },
    ]),
  ],
  decode: (bytes) => {
    parseAuxblob(bytes);
    return undefined;
  },
});

fuzz({
  name: 'endorsements in any form',
  seeds: [vcek, crl, utf8(toPem(ask, 'CERTIFICATE') + toPem(crl, 'X509 CRL'))],
  decode: (bytes) => {
    amdEndorsements([bytes]);
    return undefined;
  },
});

fuzz({
  name: 'Azure HCL report',
  seeds: [azure],
  decode: (bytes) => {
    parseHclReport(bytes);
    return undefined;
  },
});

fuzz({
  name: 'collected SEV-SNP evidence',
  seeds: [
    encodeSnpEvidence({
      evidence: milan.report,
      ...milan.endorsements,
      collectedAt: 1_780_000_000,
    }),
  ],
  decode: (bytes) => encodeSnpEvidence(decodeSnpEvidence(bytes)),
});

fuzz({
  name: 'evidence of any kind',
  seeds: [milan.report, azure, Uint8Array.of(0xa1, 1, 2), Uint8Array.of(4, 0, 2, 0, 0x81)],
  decode: (bytes) => {
    detectEvidence(bytes);
    return undefined;
  },
});

fuzz({
  name: 'SEV-SNP input of any shape',
  seeds: [azure, ...others.map(({ report }) => report)],
  decode: (bytes) => {
    parseSnpReport(openSnpInput(bytes).report);
    return undefined;
  },
});

fuzz({
  name: 'SEV-SNP policy',
  seeds: [
    { measurements: ['00'.repeat(48)], vmpl: [0, 1], crl: 'optional' },
    {
      guestPolicy: { require: ['SMT'], forbid: ['CXL_ALLOW'], allowDebug: true },
      platformInfo: { require: ['ECC_EN'] },
      minimumTcb: { Turin: { reported: { fmc: 1, bootLoader: 1, tee: 1, snp: 4, microcode: 81 } } },
      mitigations: { launch: '0x3f' },
    },
  ].map((policy) => utf8(JSON.stringify(policy))),
  decode: (bytes) => {
    let value: unknown;
    try {
      value = JSON.parse(fromUtf8(bytes));
    } catch (cause) {
      throw new AssayError('POLICY_INVALID', 'expected JSON', cause);
    }
    snpPolicy(value);
    return undefined;
  },
});
