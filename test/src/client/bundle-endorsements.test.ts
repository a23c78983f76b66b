import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type AppraiseOptions, appraiseBundle } from '../../../attestation/appraisal/appraise.js';
import { forgetCertificates } from '../../../attestation/appraisal/certified.js';
import { utf8 } from '../../../attestation/encoding/bytes.js';
import type { CollateralText } from '../../../attestation/endorsements/intel.js';
import {
  type CachedAnswer,
  EndorsementSource,
  type SourceOptions,
} from '../../../attestation/endorsements/source.js';
import { encodeAuxblob, parseAuxblob } from '../../../attestation/evidence/auxblob.js';
import type { Tee } from '../../../attestation/evidence/bundle.js';
import { derInteger } from '../../../enclave/platform/simulator/amd.js';
import type { CrlTemplate } from '../../../enclave/platform/simulator/certificates.js';
import { completeEndorsements } from '../../../src/client/bundle-endorsements.js';
import { type AmdFault, forgeSnp } from '../../forge/amd.js';
import { forgeBundle } from '../../forge/bundle.js';
import { replaced, signedByStranger } from '../../forge/certificate-changes.js';
import { forgedIntel, forgeTdx } from '../../forge/intel.js';
import { set } from '../../forge/json.js';
import { affirming, models, nonce } from '../../forge/judge-evidence.js';

const AT = new Date('2026-06-01T12:00:00Z');
const DAY = 86_400_000;
const days = (count: number): Date => new Date(AT.getTime() + count * DAY);
const HOST_ALONE = /its host chose that/;

/** What the vendor's service answers; undefined while it cannot be reached. */
type Service = ((url: string) => Response) | undefined;
type Endorsements = NonNullable<AppraiseOptions['endorsements']>;

/** Appraises a bundle with a vendor's service at hand. */
async function appraised(
  bytes: Uint8Array,
  roots: readonly Uint8Array[] | undefined,
  service: Service,
  supplied: Endorsements = {},
  options: Partial<SourceOptions> = {},
) {
  const asked: string[] = [];
  const fetch = async (url: string | URL | Request): Promise<Response> => {
    asked.push(String(url));
    if (service === undefined) throw new TypeError('no route');
    return service(String(url));
  };
  const sleep = async (): Promise<void> => {};
  const source = new EndorsementSource({ now: () => AT, fetch, sleep, ...options });
  const { endorsements, notes } = await completeEndorsements(
    bytes,
    supplied,
    { source },
    { at: AT, roots },
  );
  const trusted = roots === undefined ? { at: AT } : { at: AT, roots };
  const { result } = await appraiseBundle(bytes, affirming, { ...trusted, nonce, endorsements });
  const caveat = result.caveats.find((each) => HOST_ALONE.test(each));
  const finding = result.checks.find(({ id }) => id.endsWith('.revocation'));
  return { result, notes, asked, caveat, judged: finding?.actual ?? '' };
}

const list = async (template: Partial<CrlTemplate>): Promise<Uint8Array> => {
  const { endorsements } = await forgeSnp({ crl: (given) => ({ ...given, ...template }) });
  return endorsements.crls[0] ?? new Uint8Array();
};
const before = await list({ thisUpdate: days(-200), nextUpdate: days(1) });
const expired = await list({ thisUpdate: days(-47), nextUpdate: days(-1) });
const since = await list({ thisUpdate: days(-1), nextUpdate: days(30) });
const revoking = await list({
  thisUpdate: days(-1),
  nextUpdate: days(30),
  revoked: [{ serialNumber: '010001', date: days(-2) }],
});
const serves = (crl: Uint8Array) => (): Response => new Response(new Uint8Array(crl));

/** Evidence whose host supplied these lists beside the certificates. */
async function bundle(tee: Tee, endorsements: (supplied: Uint8Array) => Uint8Array | null) {
  return forgeBundle(tee, models, nonce, {
    bundle: (each) => ({
      ...each,
      endorsements: endorsements(each.endorsements ?? new Uint8Array()),
    }),
  });
}

const snp = (...lists: readonly Uint8Array[]) =>
  bundle('sev-snp', (table) =>
    encodeAuxblob([
      ...parseAuxblob(table).flatMap(({ kind, data }) =>
        kind === 'other' || kind === 'crl' ? [] : [{ kind, data }],
      ),
      ...lists.map((data) => ({ kind: 'crl', data }) as const),
    ]),
  );

for (const [tee, expected] of [
  ['sev-snp', ['https://kds.mirror/vcek/v1/Milan/crl']],
  [
    'tdx',
    [
      'https://pccs.mirror/tdx/certification/v4/tcb?fmspc=53494D550000&update=standard',
      'https://pccs.mirror/tdx/certification/v4/qe/identity?update=standard',
      'https://pccs.mirror/sgx/certification/v4/pckcrl?ca=platform&encoding=der',
      'https://pccs.mirror/sgx/certification/v4/rootcacrl',
    ],
  ],
] as const) {
  test(`a mirror is asked in the vendor’s place: ${tee}`, async () => {
    const { bytes, roots } = await bundle(tee, (supplied) => supplied);
    const asked: string[] = [];
    const fetch = async (url: string | URL | Request): Promise<Response> => {
      asked.push(String(url));
      return new Response('', { status: 404 });
    };
    const source = new EndorsementSource({ now: () => AT, fetch });
    const mirrors = { source, kds: 'https://kds.mirror', pcs: 'https://pccs.mirror' };
    const { notes } = await completeEndorsements(bytes, {}, mirrors, { at: AT, roots });
    assert.deepEqual([asked, notes.length], [expected, 1]);
  });
}

describe('the list of an SEV-SNP host', () => {
  test('from before a revocation does not hide it', async () => {
    const { bytes, roots } = await snp(before);
    const { result, asked } = await appraised(bytes, roots, serves(revoking));
    assert.equal(result.code, 'SNP_REVOKED');
    assert.deepEqual(asked, ['https://kdsintf.amd.com/vcek/v1/Milan/crl']);
  });

  test('counts where it says more than AMD’s', async () => {
    const { bytes, roots } = await snp(revoking);
    const { result } = await appraised(bytes, roots, serves(since));
    assert.equal(result.code, 'SNP_REVOKED');
  });

  test('may have expired where AMD’s is to be had', async () => {
    const { bytes, roots } = await snp(expired);
    const { result, judged } = await appraised(bytes, roots, serves(since));
    assert.equal(result.affirmed, true, result.summary);
    assert.equal(judged, `current, of ${days(-1).toISOString()}, none listed`);
    const alone = await appraised(bytes, roots, undefined);
    assert.equal(alone.result.code, 'SNP_CRL_VALIDITY');
  });

  test('stands beside AMD’s, and the finding dates both', async () => {
    const { bytes, roots } = await snp(before);
    const { result, judged, caveat, notes } = await appraised(bytes, roots, serves(since));
    assert.equal(result.affirmed, true, result.summary);
    assert.deepEqual([caveat, notes], [undefined, []]);
    assert.ok(judged.includes(days(-1).toISOString()), judged);
    assert.ok(judged.includes(days(-200).toISOString()), judged);
  });

  test('that is the one AMD serves is the host’s choice no more', async () => {
    forgetCertificates();
    const { bytes, roots } = await snp(since);
    const { result, judged, caveat } = await appraised(bytes, roots, serves(since));
    assert.equal(result.affirmed, true, result.summary);
    assert.equal(caveat, undefined);
    assert.equal(judged, `current, of ${days(-1).toISOString()}, none listed`);
  });

  test('stands alone while AMD cannot be reached, and the result says so', async () => {
    const { bytes, roots } = await snp(before);
    const { result, notes, caveat } = await appraised(bytes, roots, undefined);
    assert.equal(result.affirmed, true, result.summary);
    assert.match(notes.join(), /no route.*judged by the host’s list alone/);
    assert.ok(caveat);
  });

  for (const [name, other, now] of [
    ['begins after', { thisUpdate: days(1), nextUpdate: days(30) }, AT],
    ['ends before', { thisUpdate: days(-30), nextUpdate: days(-1) }, days(-2)],
  ] as const) {
    test(`stands alone where AMD’s ${name} the time of the appraisal`, async () => {
      const { bytes, roots } = await snp(before);
      const served = serves(await list(other));
      const { result, notes, caveat } = await appraised(
        bytes,
        roots,
        served,
        {},
        { now: () => now },
      );
      assert.equal(result.affirmed, true, result.summary);
      assert.match(notes.join(), /not current at the time/);
      assert.ok(caveat);
    });
  }

  test('is not looked past where the caller has one: nobody is asked', async () => {
    const { bytes, roots } = await snp(before);
    const { result, asked, caveat } = await appraised(bytes, roots, undefined, { amd: [revoking] });
    assert.equal(result.code, 'SNP_REVOKED');
    assert.deepEqual([asked, caveat], [[], undefined]);
  });

  test('is compared with AMD’s once while the cache holds that', async () => {
    const { bytes, roots } = await snp(before);
    const answers = new Map<string, CachedAnswer>();
    const cache = {
      get: async (url: string) => answers.get(url),
      put: async (url: string, answer: CachedAnswer) => void answers.set(url, answer),
    };
    const first = await appraised(bytes, roots, serves(revoking), {}, { cache });
    const second = await appraised(bytes, roots, undefined, {}, { cache });
    assert.deepEqual([first.asked.length, second.asked.length], [1, 0]);
    assert.equal(second.result.code, 'SNP_REVOKED');
  });

  test('with a report that is not authentic makes nobody ask', async () => {
    const { bytes } = await snp(before);
    const { result, asked } = await appraised(bytes, undefined, serves(since));
    assert.equal(result.code, 'SNP_ROOT_UNTRUSTED');
    assert.deepEqual(asked, []);
  });
});

/** Evidence whose host's table has this VCEK in place of its own. */
const withVcek = (data: Uint8Array) =>
  bundle('sev-snp', (table) =>
    encodeAuxblob(
      parseAuxblob(table).flatMap((each) => {
        if (each.kind === 'other') return [];
        return [each.kind === 'vcek' ? { kind: each.kind, data } : { ...each, kind: each.kind }];
      }),
    ),
  );
const vcekOf = async (fault: AmdFault): Promise<Uint8Array> =>
  (await forgeSnp(fault)).endorsements.certificates[0] ?? new Uint8Array();

describe('the VCEK of an SEV-SNP host', () => {
  test('from before its firmware was updated gives way to AMD’s', async () => {
    const { bytes, roots } = await withVcek(await vcekOf({ vek: replaced('3.8', derInteger(1)) }));
    const vcek = await vcekOf({});
    const kds = (url: string): Response =>
      new Response(new Uint8Array(url.endsWith('/crl') ? since : vcek));
    const alone = await appraised(bytes, roots, undefined);
    assert.equal(alone.result.code, 'SNP_TCB_MISMATCH');
    const { result, asked } = await appraised(bytes, roots, kds);
    assert.equal(result.affirmed, true, result.summary);
    assert.equal(asked.length, 2);
  });

  test('that AMD did not sign gives way to the caller’s', async () => {
    const { bytes, roots } = await withVcek(await vcekOf({ vekIssuer: signedByStranger }));
    const alone = await appraised(bytes, roots, undefined);
    assert.equal(alone.result.code, 'SNP_CERTIFICATE_SIGNATURE');
    const { result } = await appraised(bytes, roots, undefined, { amd: [await vcekOf({}), since] });
    assert.equal(result.affirmed, true, result.summary);
  });
});

async function collateralOf(fault: Parameters<typeof forgeTdx>[0]): Promise<CollateralText> {
  const { collateral } = await forgeTdx(fault);
  if (typeof collateral === 'string' || collateral instanceof Uint8Array) assert.fail();
  return collateral;
}
const { pck } = await forgedIntel();
const number = (value: number) => ({
  tcbInfo: set('tcbEvaluationDataNumber', value),
  qeIdentity: set('tcbEvaluationDataNumber', value),
});
const tdx = (collateral: CollateralText) => bundle('tdx', () => utf8(JSON.stringify(collateral)));

/** Intel's service with this collateral. */
const answers =
  (collateral: CollateralText) =>
  (url: string): Response => {
    const hex = (text: string) => new Response(text);
    const chained = (body: string, name: string, chain: string) =>
      new Response(body, { headers: { [name]: encodeURIComponent(chain) } });
    if (url.includes('/tcb?')) {
      const body = `{"tcbInfo":${collateral.tcb_info},"signature":"${collateral.tcb_info_signature}"}`;
      return chained(body, 'tcb-info-issuer-chain', collateral.tcb_info_issuer_chain);
    }
    if (url.includes('/qe/identity')) {
      const body = `{"enclaveIdentity":${collateral.qe_identity},"signature":"${collateral.qe_identity_signature}"}`;
      const chain = collateral.qe_identity_issuer_chain;
      return chained(body, 'sgx-enclave-identity-issuer-chain', chain);
    }
    if (!url.includes('/pckcrl')) return hex(collateral.root_ca_crl);
    return chained(collateral.pck_crl, 'sgx-pck-crl-issuer-chain', collateral.pck_crl_issuer_chain);
  };

describe('the collateral of a TDX host', () => {
  test('from before a revocation does not hide it', async () => {
    const { bytes, roots } = await tdx(await collateralOf({}));
    const { serialNumber } = pck.template;
    const revoked = await collateralOf({
      pckCrl: { revoked: [{ serialNumber, date: days(-2) }] },
    });
    const { result, asked } = await appraised(bytes, roots, answers(revoked));
    assert.equal(result.code, 'TDX_CERTIFICATE_REVOKED');
    const pcs = 'https://api.trustedservices.intel.com';
    assert.deepEqual(asked, [
      `${pcs}/tdx/certification/v4/tcb?fmspc=53494D550000&update=standard`,
      `${pcs}/tdx/certification/v4/qe/identity?update=standard`,
      `${pcs}/sgx/certification/v4/pckcrl?ca=platform&encoding=der`,
      'https://certificates.trustedservices.intel.com/IntelSGXRootCA.der',
    ]);
  });

  test('gives way to Intel’s, and the finding dates its lists', async () => {
    const { bytes, roots } = await tdx(await collateralOf(number(17)));
    const crl = { thisUpdate: days(-1), nextUpdate: days(30) };
    const newer = await collateralOf({ ...number(18), rootCrl: crl });
    const { result, caveat, judged } = await appraised(bytes, roots, answers(newer));
    assert.equal(result.affirmed, true, result.summary);
    assert.equal(result.tcb?.evaluationDataNumber, 18);
    assert.equal(caveat, undefined);
    assert.ok(judged.includes(days(-1).toISOString()), judged);
  });

  test('stands alone while Intel cannot be reached, and the result says so', async () => {
    const { bytes, roots } = await tdx(await collateralOf(number(17)));
    const { result, notes, caveat } = await appraised(bytes, roots, undefined);
    assert.equal(result.affirmed, true, result.summary);
    assert.match(notes.join(), /no route.*judged by the host’s alone/);
    assert.ok(caveat);
  });

  for (const [what, fault] of [
    ['TCB info', { tcbInfo: set('issueDate', '2026-06-02T12:00:00Z') }],
    ['QE identity', { qeIdentity: set('issueDate', '2026-06-02T12:00:00Z') }],
    ['root CRL', { rootCrl: { thisUpdate: days(1) } }],
    ['PCK CRL', { pckCrl: { thisUpdate: days(1) } }],
  ] as const) {
    test(`stands alone where Intel’s ${what} is not of the time of the appraisal`, async () => {
      const { bytes, roots } = await tdx(await collateralOf(number(17)));
      const { result, notes } = await appraised(bytes, roots, answers(await collateralOf(fault)));
      assert.equal(result.affirmed, true, result.summary);
      assert.equal(result.tcb?.evaluationDataNumber, 17);
      assert.match(notes.join(), /not current at the time/);
    });
  }

  test('is not looked past where the caller has some: nobody is asked', async () => {
    const { bytes, roots } = await tdx(await collateralOf(number(17)));
    const intel = utf8(JSON.stringify(await collateralOf(number(18))));
    const { result, asked } = await appraised(bytes, roots, undefined, { intel });
    assert.equal(result.tcb?.evaluationDataNumber, 18);
    assert.deepEqual(asked, []);
  });

  test('with a quote that is not authentic makes nobody ask', async () => {
    const { bytes } = await tdx(await collateralOf({}));
    const { result, asked } = await appraised(bytes, undefined, answers(await collateralOf({})));
    assert.equal(result.code, 'TDX_ROOT_UNTRUSTED');
    assert.deepEqual(asked, []);
  });

  test('that is missing is Intel’s to give', async () => {
    const { bytes, roots } = await bundle('tdx', () => null);
    const { result, caveat } = await appraised(bytes, roots, answers(await collateralOf({})));
    assert.equal(result.affirmed, true, result.summary);
    assert.equal(caveat, undefined);
  });
});
