import { snpPolicy } from '../../forge/platform-policy.js';
import 'reflect-metadata';
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { X509Certificate as PeculiarCertificate } from '@peculiar/x509';
import { type AttestationResult, verdictOf } from '../../../attestation/appraisal/result.js';
import { verifySnp } from '../../../attestation/appraisal/verify-snp.js';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { toPem } from '../../../attestation/encoding/pem.js';
import { parseCertificate } from '../../../attestation/encoding/x509.js';
import { amdEndorsements } from '../../../attestation/endorsements/amd.js';
import { AMD_CERTIFICATES } from '../../../attestation/endorsements/roots.js';
import {
  encodeSnpReport,
  parseSnpReport,
  type SnpReport,
} from '../../../attestation/evidence/snp-report.js';
import { forgeSnp } from '../../forge/amd.js';
import { idsOf } from '../../forge/judge-snp.js';
import { vectorCases, vectorFile, withoutVectors } from '../../vectors.js';

interface Vector {
  readonly verifyAt: string;
  readonly authentic: boolean;
  readonly signingKey: string;
  readonly reportVersion: number;
  readonly productInCertificate: string;
  readonly vmpl: number;
  readonly guestPolicy: string;
}

const REJECTED: Readonly<Record<string, string>> = {
  'genoa-v2-wrong-tcb-vcek': 'SNP_TCB_MISMATCH',
  'milan-v2-leaf-not-signed-by-ask': 'SNP_CERTIFICATE_SIGNATURE',
};

/** What the default policy refuses of each authentic report, beside the measurement it does not know. */
const REFUSED: Readonly<Record<string, readonly string[]>> = {
  'milan-v2-vcek-debug': ['snp.guest-policy.debug'],
  'milan-v3-vlek-vmpl1': ['snp.vmpl', 'snp.tcb.provisional'],
};

function read(name: string): { vector: Vector; report: Uint8Array; blobs: Uint8Array[] } {
  const file = (path: string): Buffer => vectorFile('snp', name, path);
  return {
    vector: JSON.parse(file('case.json').toString('utf8')),
    report: new Uint8Array(file('report.bin')),
    blobs: ['vek.der', 'ask.pem', 'ark.pem'].map((path) => new Uint8Array(file(path))),
  };
}

function verify(name: string, policy: object = {}, bytes?: Uint8Array): Promise<AttestationResult> {
  const { vector, report, blobs } = read(name);
  return verifySnp(bytes ?? report, amdEndorsements(blobs), snpPolicy(policy), {
    at: new Date(vector.verifyAt),
  });
}

describe('genuine reports', { skip: withoutVectors }, () => {
  for (const name of vectorCases('snp')) {
    test(name, async () => {
      const { vector, report } = read(name);
      const parsed = parseSnpReport(report);
      assert.deepEqual(encodeSnpReport(parsed), report);
      const result = await verify(name);
      assert.equal(result.authentic, vector.authentic, result.summary);
      if (!vector.authentic) {
        assert.equal(result.code, REJECTED[name]);
        assert.equal(verdictOf(result), 'refused');
        return;
      }
      const failed = [...(REFUSED[name] ?? []), 'snp.measurement'];
      assert.deepEqual(idsOf(result, 'fail'), failed);
      assert.equal(result.code, failed[0]);
      assert.deepEqual(idsOf(result, 'unchecked'), ['snp.revocation']);
      assert.equal(result.simulated, false);
      assert.equal(result.trustAnchor?.source, 'pinned');
      const { claims } = result;
      assert.equal(claims['version'], vector.reportVersion);
      assert.equal(claims['signingKey'], vector.signingKey);
      assert.equal(claims['certificateProduct'], vector.productInCertificate);
      assert.equal(claims['vmpl'], vector.vmpl);
      assert.equal(parsed.policy, BigInt(vector.guestPolicy));
    });
  }

  for (const name of vectorCases('snp').filter((each) => REJECTED[each] === undefined)) {
    test(`${name} is affirmed under a policy that says what it is`, async () => {
      const { report } = read(name);
      const { measurement } = parseSnpReport(report);
      const result = await verify(name, {
        measurements: [toHex(measurement)],
        crl: 'optional',
        vmpl: [0, 1],
        allowProvisionalFirmware: true,
        guestPolicy: { allowDebug: true },
      });
      assert.equal(result.affirmed, true, result.summary);
      assert.equal(result.code, null);
      const waived = (REFUSED[name] ?? []).filter((id) => id !== 'snp.vmpl');
      assert.deepEqual(new Set(idsOf(result, 'waived')), new Set(['snp.revocation', ...waived]));
    });

    test(`${name} with a byte changed anywhere is not authentic`, async () => {
      const { report } = read(name);
      for (let at = 0; at < report.length; at += 31) {
        const changed = new Uint8Array(report);
        changed[at] = (changed[at] ?? 0) ^ 0x10;
        assert.equal((await verify(name, {}, changed)).authentic, false, `byte ${at}`);
      }
    });
  }

  test('a VLEK outlives its year only at a time within it', async () => {
    const { report, blobs } = read('milan-v3-vlek-vmpl1');
    const late = { at: new Date('2026-06-01T00:00:00Z') };
    const result = await verifySnp(report, amdEndorsements(blobs), snpPolicy({}), late);
    assert.equal(result.code, 'SNP_CERTIFICATE_VALIDITY');
  });

  test('a VCEK alone is enough: the authorities are pinned', async () => {
    const { report, blobs, vector } = read('turin-v5-vcek');
    const result = await verifySnp(report, amdEndorsements(blobs.slice(0, 1)), snpPolicy({}), {
      at: new Date(vector.verifyAt),
    });
    assert.equal(result.authentic, true);
  });

  const pem = (...ders: readonly Uint8Array[]): Uint8Array =>
    new TextEncoder().encode(ders.map((der) => toPem(der, 'CERTIFICATE')).join(''));
  const { Milan, Genoa } = AMD_CERTIFICATES;
  for (const [supplied, chain, code] of [
    ['the chain of another product', pem(Genoa.ask, Genoa.ark), 'SNP_ROOT_UNTRUSTED'],
    ['the chain of the other kind of key', pem(Milan.asvk, Milan.ark), 'SNP_CERTIFICATE_NAME'],
    ['the ASK of another product', pem(Genoa.ask, Milan.ark), 'SNP_CERTIFICATE_NAME'],
    ['every chain', pem(...Object.values(Milan), ...Object.values(Genoa)), 'snp.measurement'],
  ] as const) {
    test(`${supplied} beside a VCEK of Milan: ${code}`, async () => {
      const { report, blobs, vector } = read('milan-v3-vcek');
      const endorsements = amdEndorsements([...blobs.slice(0, 1), chain]);
      const at = new Date(vector.verifyAt);
      const result = await verifySnp(report, endorsements, snpPolicy({}), { at });
      assert.equal(result.code, code, result.summary);
    });
  }

  test('a tampered ASK is refused although the pinned one would do', async () => {
    const { report, blobs, vector } = read('milan-v3-vcek');
    const { certificates, crls } = amdEndorsements(blobs);
    const [vek = new Uint8Array(), ask = new Uint8Array()] = certificates;
    const tampered = new Uint8Array(ask);
    tampered[tampered.length - 1] = (tampered.at(-1) ?? 0) ^ 1;
    const endorsements = { certificates: [vek, tampered], crls };
    const at = new Date(vector.verifyAt);
    const result = await verifySnp(report, endorsements, snpPolicy({}), { at });
    assert.equal(result.code, 'SNP_CERTIFICATE_SIGNATURE');
  });
});

/** Two parsers of different make must agree on every certificate at hand. */
function assertParsersAgree(der: Uint8Array): void {
  const ours = parseCertificate(der);
  const theirs = new PeculiarCertificate(new Uint8Array(der));
  assert.equal(ours.serialNumber.replace(/^(00)+(?=..)/, ''), theirs.serialNumber);
  assert.deepEqual(ours.notBefore, theirs.notBefore);
  assert.deepEqual(ours.notAfter, theirs.notAfter);
  assert.deepEqual(theirs.subjectName.getField('CN'), [ours.subjectCommonName]);
  assert.deepEqual(theirs.issuerName.getField('CN'), [ours.issuerCommonName]);
  const spki = new Uint8Array(theirs.publicKey.rawData);
  assert.deepEqual(ours.publicKey, spki.slice(-ours.publicKey.length));
  assert.deepEqual(
    [...ours.extensions].map(([id, { critical, value }]) => [id, critical, toHex(value)]),
    Array.from(theirs.extensions, ({ type, critical, value }) => [
      type,
      critical,
      toHex(new Uint8Array(value)),
    ]),
  );
  assert.deepEqual(ours.signature, new Uint8Array(theirs.signature));
}

describe('certificates as @peculiar/x509 reads them', () => {
  for (const [product, certificates] of Object.entries(AMD_CERTIFICATES)) {
    for (const [role, der] of Object.entries(certificates)) {
      test(`${product} ${role}`, () => assertParsersAgree(der));
    }
  }

  for (const kind of ['VCEK', 'VLEK'] as const) {
    for (const product of ['Milan', 'Genoa', 'Turin'] as const) {
      test(`simulated ${product} chain of a ${kind}`, async () => {
        const { endorsements } = await forgeSnp({ product, kind });
        endorsements.certificates.forEach(assertParsersAgree);
      });
    }
  }

  for (const name of vectorCases('snp')) {
    test(name, () => amdEndorsements(read(name).blobs).certificates.forEach(assertParsersAgree));
  }
});

describe('reports of the simulator beside genuine ones', { skip: withoutVectors }, () => {
  /** Fields that are zero in one and not in the other would betray a structure of our own. */
  const shape = (report: SnpReport): string[] =>
    Object.entries(report)
      .filter(([, value]) => value !== undefined)
      .map(([name]) => name);

  for (const [product, name] of [
    ['Milan', 'milan-v3-vcek'],
    ['Turin', 'turin-v5-vcek'],
  ] as const) {
    test(product, async () => {
      const genuine = parseSnpReport(read(name).report);
      const simulated = parseSnpReport((await forgeSnp({ product })).report);
      assert.deepEqual(shape(simulated), shape(genuine));
      assert.deepEqual(simulated.cpuid, { ...genuine.cpuid });
      assert.equal(simulated.version, genuine.version);
    });
  }
});
