import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { verifySnp } from '../../../attestation/appraisal/verify-snp.js';
import { AMD_CERTIFICATES } from '../../../attestation/endorsements/roots.js';
import { derIa5 } from '../../../enclave/platform/simulator/amd.js';
import {
  type CertificateTemplate,
  issueCertificate,
} from '../../../enclave/platform/simulator/certificates.js';
import { simulatedChipId } from '../../../enclave/platform/simulator/snp.js';
import { type AmdFault, forgedAmd, forgedKey, forgeSnp } from '../../forge/amd.js';
import {
  after,
  before,
  dated,
  replaced,
  signedByStranger,
} from '../../forge/certificate-changes.js';
import { FORGED_AT, idsOf, judgeSnp } from '../../forge/judge-snp.js';
import { FORGED_CHAINS } from '../../forge/snp-chain-cases.js';
import { certificates, OTHER_VCEKS, supply } from '../../forge/snp-supply-cases.js';

for (const [title, cases] of Object.entries(FORGED_CHAINS)) {
  describe(`forged chains: ${title}`, () => {
    for (const { name, fault, code } of cases) {
      test(name, async () => {
        const result = await judgeSnp(fault);
        assert.equal(result.code, code, result.summary);
        assert.equal(result.authentic, false);
        assert.deepEqual(idsOf(result, 'fail'), [code]);
        assert.notEqual(result.checks[0]?.expected, 'authentic evidence');
      });
    }
  });
}

const list = async (fault: AmdFault): Promise<Uint8Array> =>
  (await forgeSnp(fault)).endorsements.crls[0] ?? new Uint8Array();
const current = await list({});
const expired = await list({ crl: (given) => ({ ...given, nextUpdate: before(FORGED_AT) }) });
const future = await list({ crl: (given) => ({ ...given, thisUpdate: after(FORGED_AT) }) });
const forgery = await list({
  crl: (given) => ({ ...given, nextUpdate: before(FORGED_AT) }),
  crlIssuer: signedByStranger,
});
const {
  endorsements: { crls: genoa },
  roots: genoaRoots,
} = await forgeSnp({ product: 'Genoa' });
const revoked = [{ serialNumber: '010001', date: before(FORGED_AT) }];
const revoking = await list({ crl: (given) => ({ ...given, revoked }) });
const revokingToday = await list({
  crl: (given) => ({ ...given, revoked, nextUpdate: FORGED_AT }),
});

describe('endorsements that are missing or in another order', () => {
  test('any order is accepted, and twice the same', async () => {
    const fault: AmdFault = { supply: certificates((list) => [...list, ...list].reverse()) };
    assert.equal((await judgeSnp(fault)).code, null);
  });

  test('the root need not be supplied', async () => {
    assert.equal((await judgeSnp({ supply: certificates((list) => list.slice(0, 2)) })).code, null);
  });

  for (const [name, pick] of [
    ['VCEK', (list: readonly Uint8Array[]) => list.slice(1)],
    ['ASK', (list: readonly Uint8Array[]) => [list[0]]],
  ] as const) {
    test(`without the ${name} nothing was checked, and nothing failed`, async () => {
      const result = await judgeSnp({ supply: certificates((list) => [...pick(list)]) });
      assert.equal(result.code, 'ENDORSEMENTS_MISSING');
      assert.deepEqual(idsOf(result, 'unchecked'), ['ENDORSEMENTS_MISSING']);
      assert.deepEqual(idsOf(result, 'fail'), []);
    });
  }

  test('without a CRL the report is authentic and revocation unchecked', async () => {
    const fault: AmdFault = {
      supply: supply(({ endorsements }) => ({ endorsements: { ...endorsements, crls: [] } })),
    };
    const strict = await judgeSnp(fault);
    assert.equal(strict.authentic, true);
    assert.equal(strict.affirmed, false);
    assert.deepEqual(idsOf(strict, 'unchecked'), ['snp.revocation']);
    assert.equal(strict.code, 'snp.revocation');
    const lenient = await judgeSnp(fault, { crl: 'optional' });
    assert.equal(lenient.affirmed, true);
    assert.deepEqual(idsOf(lenient, 'waived'), ['snp.revocation']);
  });

  for (const [name, fault] of [
    ['a certificate from its first instant', { vek: dated(FORGED_AT, after(FORGED_AT)) }],
    ['a certificate to its last', { vek: dated(before(FORGED_AT), FORGED_AT) }],
    ['a list from its first instant', { crl: (given) => ({ ...given, thisUpdate: FORGED_AT }) }],
    ['a list to its last', { crl: (given) => ({ ...given, nextUpdate: FORGED_AT }) }],
  ] as const satisfies readonly (readonly [string, AmdFault])[]) {
    test(`${name} holds`, async () => {
      const result = await judgeSnp(fault);
      assert.equal(result.code, null, result.summary);
    });
  }

  for (const [name, own, hosts, code] of [
    ['the host’s expired one beside the verifier’s', [current], [expired], null],
    ['the host’s expired one beside a current one of its own', [], [expired, current], null],
    ['the host’s expired one alone', [], [expired], 'SNP_CRL_VALIDITY'],
    ['the verifier’s expired one beside the host’s', [expired], [current], 'SNP_CRL_VALIDITY'],
    ['two expired ones', [expired], [expired], 'SNP_CRL_VALIDITY'],
    ['one of the host that is yet to come', [current], [future], 'SNP_CRL_VALIDITY'],
    ['one of the host that revokes', [current], [revoking], 'SNP_REVOKED'],
    ['one of the host that revokes, at its end', [current], [revokingToday], 'SNP_REVOKED'],
    ['one of the verifier that revokes', [revoking], [current], 'SNP_REVOKED'],
    ['the host’s expired one, forged', [current], [forgery], 'SNP_CRL_SIGNATURE'],
  ] as const) {
    test(`revocation lists: ${name}: ${code ?? 'affirmed'}`, async () => {
      const lists = { crls: own, hostCrls: hosts };
      const fault: AmdFault = {
        supply: supply(({ endorsements }) => ({ endorsements: { ...endorsements, ...lists } })),
      };
      const result = await judgeSnp(fault);
      assert.equal(result.code, code, result.summary);
    });
  }

  test('of several roots of one name the chain’s own counts, wherever it stands', async () => {
    const { roots: others } = await forgeSnp({ ark: dated(before(FORGED_AT), after(FORGED_AT)) });
    const expired = dated(before(before(FORGED_AT)), before(FORGED_AT));
    for (const strangers of [[AMD_CERTIFICATES.Milan.ark], others]) {
      for (const place of [0, 1]) {
        const among = supply(({ roots }) => ({ roots: roots.toSpliced(place, 0, ...strangers) }));
        for (const [fault, code] of [
          [{}, null],
          [{ askIssuer: signedByStranger }, 'SNP_CERTIFICATE_SIGNATURE'],
          [{ ask: expired }, 'SNP_CERTIFICATE_VALIDITY'],
        ] as const) {
          const result = await judgeSnp({ ...fault, supply: among });
          assert.equal(result.code, code, result.summary);
        }
      }
    }
  });

  test('a root that is not trusted is refused, also beside the one that is', async () => {
    const { roots: strangers } = await forgeSnp({
      ark: dated(before(FORGED_AT), after(FORGED_AT)),
    });
    const among = certificates((own) => [...own, ...strangers]);
    assert.equal((await judgeSnp({ supply: among })).code, 'SNP_ROOT_UNTRUSTED');
  });

  test('a root that was not supplied is told from AMD’s by what it issued', async () => {
    for (const place of [0, 1]) {
      const among = supply(({ roots, endorsements: { certificates: list, crls } }) => ({
        roots: roots.toSpliced(place, 0, AMD_CERTIFICATES.Milan.ark),
        endorsements: { certificates: list.slice(0, 2), crls },
      }));
      assert.equal((await judgeSnp({ supply: among })).code, null);
    }
  });

  for (const [what, other] of OTHER_VCEKS) {
    test(`of several VCEKs the report’s own counts, wherever it stands: beside one with ${what}`, async () => {
      for (const place of [0, 1]) {
        for (const chipId of [simulatedChipId('Milan'), new Uint8Array(64)]) {
          const among = certificates((own) => own.toSpliced(place, 0, other));
          const result = await judgeSnp(
            { report: { chipId }, supply: among },
            { allowMaskedChipId: true },
          );
          assert.equal(result.code, null, result.summary);
        }
      }
    });
  }

  test('of several VCEKs for the report no more than 32 are tried', async () => {
    const { publicKey } = await forgedKey('amd-vcek-stranger');
    const others = await Promise.all(
      Array.from({ length: 32 }, async (_, i) => {
        const serialNumber = `7${(0x100 + i).toString(16)}`;
        const { endorsements } = await forgeSnp({
          vek: (given) => ({ ...given, serialNumber, publicKey }),
        });
        return endorsements.certificates[0];
      }),
    );
    for (const [count, code] of [
      [31, null],
      [32, 'SNP_SIGNATURE'],
    ] as const) {
      const among = certificates((own) => [...others.slice(0, count), ...own]);
      assert.equal((await judgeSnp({ supply: among })).code, code);
    }
  });

  test('of several authorities of one name the one that signed counts, wherever it stands', async () => {
    const amd = await forgedAmd('Milan');
    const { publicKey } = amd.asvk.template;
    const renewed = (change: Partial<CertificateTemplate>) =>
      issueCertificate({ ...amd.ask.template, serialNumber: '010009', ...change }, amd.ark.issuer);
    const again = await renewed({});
    const listed = (serialNumber: string): AmdFault => ({
      crl: (given) => ({ ...given, revoked: [{ serialNumber, date: before(FORGED_AT) }] }),
    });
    const forgery = await issueCertificate(
      { ...amd.ask.template, serialNumber: '010009', publicKey },
      await signedByStranger(amd.ark.issuer, amd),
    );
    for (const [other, fault, code] of [
      [await renewed({ publicKey }), {}, null],
      [await renewed({ publicKey }), listed('010009'), null],
      [await renewed({ publicKey }), listed('010001'), 'SNP_REVOKED'],
      [await renewed({ publicKey, notAfter: before(FORGED_AT) }), {}, null],
      [await renewed({ publicKey }), { vekIssuer: signedByStranger }, 'SNP_CERTIFICATE_SIGNATURE'],
      [again, {}, null],
      [again, listed('010001'), 'SNP_REVOKED'],
      [again, listed('010009'), 'SNP_REVOKED'],
      [forgery, {}, 'SNP_CERTIFICATE_SIGNATURE'],
    ] as const) {
      for (const place of [1, 2]) {
        const among = certificates((supplied) => supplied.toSpliced(place, 0, other));
        const result = await judgeSnp({ ...fault, supply: among });
        assert.equal(result.code, code, result.summary);
      }
    }
  });

  for (const supplier of ['crls', 'hostCrls'] as const) {
    test(`lists and chains of two product lines may be given together, where both roots are trusted: ${supplier}`, async () => {
      for (const product of ['Milan', 'Genoa'] as const) {
        const other = await forgeSnp({ product: product === 'Milan' ? 'Genoa' : 'Milan' });
        const chain = other.endorsements.certificates.slice(1);
        const judge = (pick: (own: readonly Uint8Array[]) => readonly Uint8Array[]) =>
          judgeSnp({
            product,
            supply: supply(({ endorsements: { certificates: own, crls }, roots }) => ({
              roots: [...roots, ...other.roots],
              endorsements: { certificates: [...own, ...chain], crls: [], [supplier]: pick(crls) },
            })),
          });
        const both = await judge((own) => [...other.endorsements.crls, ...own]);
        assert.equal(both.code, null, both.summary);
        const othersAlone = await judge(() => other.endorsements.crls);
        assert.deepEqual(idsOf(othersAlone, 'unchecked'), ['snp.revocation']);
      }
    });
  }

  for (const [name, lists, isSuppliers] of [
    ['the host’s alone', { crls: [], hostCrls: [current] }, true],
    ['the host’s, and the verifier’s of another', { crls: genoa, hostCrls: [current] }, true],
    ['the host’s and the verifier’s', { crls: [...genoa, current], hostCrls: [current] }, false],
    ['the verifier’s alone', { crls: [current] }, false],
  ] as const) {
    test(`lists of the product line: ${name}: the caveat is ${isSuppliers ? '' : 'not '}there`, async () => {
      const result = await judgeSnp({
        supply: supply(({ endorsements, roots }) => ({
          roots: [...roots, ...genoaRoots],
          endorsements: { ...endorsements, ...lists },
        })),
      });
      assert.equal(result.code, null, result.summary);
      const says = result.caveats.some((caveat) => /only by what came with/.test(caveat));
      assert.equal(says, isSuppliers);
    });
  }

  test('simulated evidence is refused under the pinned roots', async () => {
    const { report, endorsements } = await forgeSnp();
    const result = await verifySnp(report, endorsements, {}, { at: FORGED_AT });
    assert.equal(result.code, 'SNP_ROOT_UNTRUSTED');
  });

  test('a product line whose root nobody pins is refused, and the verdict says what to name', async () => {
    const { report, endorsements } = await forgeSnp({
      product: 'Turin',
      report: { cpuid: { family: 0x1a, model: 0x50, stepping: 0 } },
      vek: replaced('2', derIa5('Venice-A0')),
    });
    const result = await verifySnp(report, endorsements, {}, { at: FORGED_AT });
    assert.equal(result.code, 'SNP_ROOT_UNTRUSTED');
    assert.match(result.summary, /pins no AMD root for Venice: name ARK-Venice.* \(--root/);
  });
});
