import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { verifyTdx } from '../../../attestation/appraisal/verify-tdx.js';
import { fromHex } from '../../../attestation/encoding/bytes.js';
import { toPem } from '../../../attestation/encoding/pem.js';
import type { CollateralText } from '../../../attestation/endorsements/intel.js';
import { EndorsementSource, type SourceOptions } from '../../../attestation/endorsements/source.js';
import type { AssayError } from '../../../attestation/index.js';
import type { CertificateTemplate } from '../../../enclave/platform/simulator/certificates.js';
import { intelName, SIMULATED_PLATFORM } from '../../../enclave/platform/simulator/intel.js';
import { DiskCache } from '../../../src/client/disk-cache.js';
import { gatherTdxCollateral } from '../../../src/client/tdx-endorsements.js';
import { type ForgedTdx, forgeTdx, type IntelFault } from '../../forge/intel.js';
import { all, set } from '../../forge/json.js';
import { Pcs } from '../../forge/pcs.js';
import { tdxPolicy } from '../../forge/platform-policy.js';
import { referenceValues } from '../../forge/tdx-case.js';

const now = new Date('2026-11-21T00:00:00Z');
let pcs: Pcs;
let forged: ForgedTdx;
let directory: string;

async function forgedCollateral(fault: IntelFault): Promise<CollateralText> {
  const { collateral } = await forgeTdx(fault);
  if (typeof collateral === 'string' || collateral instanceof Uint8Array) assert.fail();
  return collateral;
}

const collateralOf = (number: number): Promise<CollateralText> =>
  forgedCollateral({
    tcbInfo: set('tcbEvaluationDataNumber', number),
    qeIdentity: set('tcbEvaluationDataNumber', number),
  });

before(async () => {
  pcs = await Pcs.open(SIMULATED_PLATFORM.fmspc);
  forged = await forgeTdx();
  pcs.served.set('standard', await collateralOf(18));
  pcs.served.set('early', await collateralOf(19));
  pcs.served.set('17', await collateralOf(17));
});
after(() => pcs.close());
beforeEach(async () => {
  pcs.requests.length = 0;
  pcs.troubles.length = 0;
  pcs.hexadecimal = false;
  pcs.headers = (headers) => headers;
  directory = await mkdtemp(join(tmpdir(), 'assay-pcs-'));
});

afterEach(() => rm(directory, { recursive: true, maxRetries: 9, retryDelay: 20 }));

const sourceAt = (at: Date, options: Partial<SourceOptions> = {}): EndorsementSource =>
  new EndorsementSource({
    cache: new DiskCache(directory),
    now: () => at,
    sleep: async () => {},
    ...options,
  });

const trusted = () => ({ at: now, roots: forged.roots });

const uncached = (): EndorsementSource =>
  new EndorsementSource({ now: () => now, sleep: async () => {} });

function gather(source = sourceAt(now), update: 'standard' | 'early' | number = 'standard') {
  return gatherTdxCollateral(forged.quote, { source, base: pcs.base, update }, trusted());
}

test('collateral from a PCS verifies the quote', async () => {
  for (const hexadecimal of [false, true]) {
    pcs.hexadecimal = hexadecimal;
    const { collateral } = await gather(sourceAt(now));
    const policy = tdxPolicy(referenceValues());
    const options = { at: now, roots: forged.roots };
    const result = await verifyTdx(forged.quote, collateral, policy, options);
    assert.equal(result.affirmed, true, result.summary);
  }
});

test('lists are taken in DER, hexadecimal and PEM, with a new line below', async () => {
  const standard = await collateralOf(18);
  const pccs = await Pcs.open(SIMULATED_PLATFORM.fmspc);
  pccs.hexadecimal = true;
  try {
    for (const write of [
      (hex: string) => `${hex}\n`,
      (hex: string) => toPem(fromHex(hex), 'X509 CRL'),
      (hex: string) => `${toPem(fromHex(hex), 'X509 CRL')}\r\n`,
    ]) {
      const [root_ca_crl, pck_crl] = [write(standard.root_ca_crl), write(standard.pck_crl)];
      pccs.served.set('standard', { ...standard, root_ca_crl, pck_crl });
      const service = { source: uncached(), base: pccs.base };
      const { collateral } = await gatherTdxCollateral(forged.quote, service, trusted());
      assert.equal(collateral?.root_ca_crl, standard.root_ca_crl);
      assert.equal(collateral?.pck_crl, standard.pck_crl);
    }
  } finally {
    await pccs.close();
  }
});

test('the chain of the TCB info may stand under the older name of its header', async () => {
  pcs.headers = ({ 'TCB-Info-Issuer-Chain': chain, ...others }) =>
    chain === undefined ? others : { 'SGX-TCB-Info-Issuer-Chain': chain };
  const { collateral } = await gather(uncached());
  assert.equal(
    collateral?.tcb_info_issuer_chain,
    pcs.served.get('standard')?.tcb_info_issuer_chain,
  );
});

test('the TCB recovery is chosen', async () => {
  for (const [update, query, expected] of [
    ['standard', 'update=standard', 18],
    ['early', 'update=early', 19],
    [17, 'tcbEvaluationDataNumber=17', 17],
  ] as const) {
    pcs.requests.length = 0;
    const { collateral } = await gather(sourceAt(now), update);
    const info = JSON.parse(collateral?.tcb_info ?? '{}') as Record<string, unknown>;
    assert.equal(info['tcbEvaluationDataNumber'], expected);
    const asked = pcs.requests.map((url) => url.replace('/tdx/certification/v4', ''));
    assert.ok(asked.includes(`/tcb?fmspc=53494D550000&${query}`), query);
    assert.ok(asked.includes(`/qe/identity?${query}`), query);
  }
  assert.equal((await gather(sourceAt(now), 99)).missing?.code, 'ENDORSEMENTS_UNKNOWN');
});

test('answers are cached for a day, and serve while the vendor is away', async () => {
  await gather();
  assert.equal(pcs.requests.length, 4);
  await gather(sourceAt(new Date('2026-11-21T23:59:59Z')));
  assert.equal(pcs.requests.length, 4);
  const later = new Date('2026-11-22T00:00:01Z');
  pcs.troubles.push(...Array.from({ length: 16 }, () => ({ status: 503 })));
  assert.ok((await gather(sourceAt(later))).collateral);
  pcs.troubles.length = 0;
  pcs.requests.length = 0;
  await gather(sourceAt(later));
  assert.equal(pcs.requests.length, 4);
});

test('what has expired is never served, and an outage is no verdict', async () => {
  await gather();
  pcs.troubles.push(...Array.from({ length: 64 }, () => 'hang up' as const));
  const { missing } = await gather(sourceAt(new Date('2049-01-01T00:00:00Z')));
  assert.equal(missing?.code, 'ENDORSEMENTS_UNAVAILABLE');
  const policy = tdxPolicy(referenceValues());
  const result = await verifyTdx(forged.quote, undefined, policy, {
    at: now,
    roots: forged.roots,
  });
  assert.equal(result.checks[0]?.outcome, 'unchecked');
});

test('rate limits are waited for', async () => {
  const waits: number[] = [];
  pcs.troubles.push({ status: 429, retryAfter: '7' });
  const sleep = async (milliseconds: number) => {
    waits.push(milliseconds);
  };
  assert.ok((await gather(sourceAt(now, { sleep }))).collateral);
  assert.deepEqual(waits, [7000]);
});

test('an answer that breaks off or fails is asked for again, and a service that is away is no verdict', async () => {
  for (const trouble of ['truncate', 'hang up', { status: 500 }, { status: 503 }] as const) {
    pcs.troubles.push(trouble);
    assert.ok((await gather(uncached())).collateral, JSON.stringify(trouble));
    assert.equal(pcs.troubles.length, 0);
    pcs.troubles.push(...Array.from({ length: 64 }, () => trouble));
    const { missing } = await gather(uncached());
    assert.equal(missing?.code, 'ENDORSEMENTS_UNAVAILABLE', JSON.stringify(trouble));
    pcs.troubles.length = 0;
  }
});

test('a rate limit beyond all patience is told at once', async () => {
  pcs.troubles.push(...Array.from({ length: 4 }, () => ({ status: 429, retryAfter: '3600' })));
  const { missing } = await gather();
  assert.equal(missing?.code, 'ENDORSEMENTS_UNAVAILABLE');
  assert.match(missing?.message ?? '', /asks to wait 3600 s/);
  assert.deepEqual(pcs.requests, [...new Set(pcs.requests)], 'nothing is asked for again');
});

test('an issuer chain of something else in the header is no answer of Intel’s', async () => {
  const { pck_crl_issuer_chain: other } = await collateralOf(18);
  for (const name of ['TCB-Info-Issuer-Chain', 'SGX-Enclave-Identity-Issuer-Chain']) {
    pcs.headers = (headers) =>
      name in headers ? { [name]: encodeURIComponent(other) } : { ...headers };
    const { missing } = await gather(uncached());
    assert.equal(missing?.code, 'ENDORSEMENTS_UNAVAILABLE');
    assert.equal((missing?.cause as AssayError | undefined)?.code, 'TDX_CERTIFICATE_ROLE', name);
  }
});

/** The last byte of a signature, or of a list in hexadecimal, changed. */
const spoilt = (hex: string): string => hex.slice(0, -2) + (hex.endsWith('00') ? '01' : '00');

for (const [member, code] of [
  ['tcb_info_signature', 'COLLATERAL_SIGNATURE'],
  ['qe_identity_signature', 'COLLATERAL_SIGNATURE'],
  ['pck_crl', 'COLLATERAL_CRL_SIGNATURE'],
  ['root_ca_crl', 'COLLATERAL_CRL_SIGNATURE'],
] as const) {
  test(`a ${member} that Intel did not sign is not kept, and what was kept serves beside it`, async () => {
    const standard = await collateralOf(18);
    const bad = await Pcs.open(SIMULATED_PLATFORM.fmspc);
    bad.hexadecimal = true;
    const ask = (at: Date) =>
      gatherTdxCollateral(forged.quote, { source: sourceAt(at), base: bad.base }, trusted());
    try {
      bad.served.set('standard', { ...standard, [member]: spoilt(standard[member]) });
      const { missing } = await ask(now);
      assert.equal(missing?.code, 'ENDORSEMENTS_UNAVAILABLE');
      assert.equal((missing?.cause as AssayError | undefined)?.code, code);
      bad.served.set('standard', standard);
      assert.ok((await ask(now)).collateral, 'it is asked for again');
      bad.served.set('standard', { ...standard, [member]: spoilt(standard[member]) });
      const { collateral } = await ask(new Date('2026-11-23T00:00:00Z'));
      assert.equal(collateral?.[member], standard[member]);
    } finally {
      await bad.close();
    }
  });
}

test('the CRL is that of the CA that issued the PCK certificate', async () => {
  const subject = intelName('Intel SGX PCK Processor CA');
  const { quote, collateral } = await forgeTdx({
    certificates: { platformCa: { template: (old) => ({ ...old, subject }) } },
  });
  if (typeof collateral === 'string' || collateral instanceof Uint8Array) assert.fail();
  const service = await Pcs.open(SIMULATED_PLATFORM.fmspc);
  const gathered = () =>
    gatherTdxCollateral(quote, { source: uncached(), base: service.base }, trusted());
  try {
    service.served.set('standard', collateral);
    assert.equal((await gathered()).collateral?.pck_crl, collateral.pck_crl);
    assert.ok(service.requests.includes('/sgx/certification/v4/pckcrl?ca=processor&encoding=der'));
    service.served.set('standard', await forgedCollateral({}));
    const { missing } = await gathered();
    assert.equal((missing?.cause as AssayError | undefined)?.code, 'COLLATERAL_CRL_ISSUER');
  } finally {
    await service.close();
  }
});

test('a forged quote makes nobody ask', async () => {
  const quote = forged.quote.map((byte, i) => (i === 600 ? byte ^ 1 : byte));
  const service = { source: uncached(), base: pcs.base };
  await assert.rejects(gatherTdxCollateral(quote, service, trusted()), {
    code: 'TDX_QUOTE_SIGNATURE',
  });
  assert.deepEqual(pcs.requests, []);
});

test('present collateral is of no use at a time that it does not hold for', async () => {
  const window = { issueDate: '2026-11-01T00:00:00Z', nextUpdate: '2026-12-01T00:00:00Z' };
  const dated = all(set('issueDate', window.issueDate), set('nextUpdate', window.nextUpdate));
  for (const fault of [{ tcbInfo: dated }, { qeIdentity: dated }]) {
    const present = await Pcs.open(SIMULATED_PLATFORM.fmspc);
    present.served.set('standard', await forgedCollateral(fault));
    const gathered = (at: string) =>
      gatherTdxCollateral(
        forged.quote,
        { source: uncached(), base: present.base },
        { ...trusted(), at: new Date(at) },
      );
    try {
      for (const at of ['2026-10-31T23:59:59Z', '2026-12-01T00:00:01Z']) {
        const { missing } = await gathered(at);
        assert.equal(missing?.code, 'ENDORSEMENTS_UNAVAILABLE');
        assert.match(missing?.message ?? '', /not current at the time of the appraisal/);
      }
      for (const at of Object.values(window)) assert.ok((await gathered(at)).collateral, at);
    } finally {
      await present.close();
    }
  }
});

for (const [member, fault] of [
  ['tcb_info', { tcbInfo: set('issueDate', '2026-11-20T00:00:00Z') }],
  ['qe_identity', { qeIdentity: set('issueDate', '2026-11-20T00:00:00Z') }],
  ['root_ca_crl', { rootCrl: { thisUpdate: new Date('2026-11-20T00:00:00Z') } }],
  ['pck_crl', { pckCrl: { thisUpdate: new Date('2026-11-20T00:00:00Z') } }],
] as const) {
  test(`a ${member} from before the one that is kept does not take its place`, async () => {
    const replaying = await Pcs.open(SIMULATED_PLATFORM.fmspc);
    const ask = async (at: Date) =>
      gatherTdxCollateral(forged.quote, { source: sourceAt(at), base: replaying.base }, trusted());
    try {
      const newer = await forgedCollateral(fault);
      replaying.served.set('standard', newer);
      assert.ok((await ask(now)).collateral);
      replaying.served.set('standard', await forgedCollateral({}));
      const { collateral } = await ask(new Date('2026-11-22T12:00:00Z'));
      assert.equal(collateral?.[member], newer[member]);
    } finally {
      await replaying.close();
    }
  });
}

describe('collateral that outlives the certificate of its issuer', () => {
  const end = new Date('2026-11-21T12:00:00Z');
  const beyond = new Date('2026-11-21T12:00:01Z');
  for (const [issuer, chain] of [
    ['tcbSigning', 'tcb_info_issuer_chain'],
    ['tcbSigning', 'qe_identity_issuer_chain'],
    ['platformCa', 'pck_crl_issuer_chain'],
  ] as const) {
    const template = (old: CertificateTemplate) => ({ ...old, notAfter: end });
    const ending: IntelFault = { certificates: { [issuer]: { template } } };
    const gatherAt = (base: string, at: Date, asked = at) =>
      gatherTdxCollateral(forged.quote, { source: sourceAt(asked), base }, { ...trusted(), at });

    test(`is asked for again once the ${issuer} certificate of its ${chain} ends`, async () => {
      const service = await Pcs.open(SIMULATED_PLATFORM.fmspc);
      try {
        service.served.set('standard', await forgedCollateral(ending));
        assert.ok((await gatherAt(service.base, now)).collateral);
        assert.ok((await gatherAt(service.base, end, now)).collateral);
        const standard = await forgedCollateral({});
        service.served.set('standard', standard);
        const { collateral } = await gatherAt(service.base, beyond);
        assert.equal(collateral?.[chain], standard[chain]);
      } finally {
        await service.close();
      }
    });

    test(`says nothing beyond the end of the ${issuer} certificate of its ${chain}`, async () => {
      const service = await Pcs.open(SIMULATED_PLATFORM.fmspc);
      try {
        service.served.set('standard', await forgedCollateral(ending));
        const { missing } = await gatherAt(service.base, beyond, now);
        assert.equal(missing?.code, 'ENDORSEMENTS_UNAVAILABLE');
      } finally {
        await service.close();
      }
    });
  }
});

for (const [what, fault] of [
  ['TCB info', { tcbInfo: set('nextUpdate', '2026-11-20T00:00:00Z') }],
  ['QE identity', { qeIdentity: set('nextUpdate', '2026-11-20T00:00:00Z') }],
  ['root CRL', { rootCrl: { nextUpdate: new Date('2026-11-20T00:00:00Z') } }],
  ['PCK CRL', { pckCrl: { nextUpdate: new Date('2026-11-20T00:00:00Z') } }],
] as const) {
  test(`a ${what} that the service serves beyond its end is not taken`, async () => {
    const old = await Pcs.open(SIMULATED_PLATFORM.fmspc);
    old.served.set('standard', await forgedCollateral(fault));
    try {
      const { missing } = await gatherTdxCollateral(
        forged.quote,
        { source: sourceAt(now), base: old.base },
        trusted(),
      );
      assert.equal(missing?.code, 'ENDORSEMENTS_UNAVAILABLE');
      assert.match(missing?.message ?? '', /expired at 2026-11-20/);
    } finally {
      await old.close();
    }
  });
}

test('answers out of shape are none: nothing was checked, and the cause is told', async () => {
  const unusable = async (service: Pcs, code: string) => {
    const { missing } = await gatherTdxCollateral(
      forged.quote,
      { source: sourceAt(now), base: service.base },
      trusted(),
    );
    assert.equal(missing?.code, 'ENDORSEMENTS_UNAVAILABLE');
    assert.equal((missing?.cause as AssayError | undefined)?.code, code);
  };
  pcs.headers = () => ({});
  await unusable(pcs, 'COLLATERAL_FORMAT');
  pcs.headers = (headers) => Object.fromEntries(Object.keys(headers).map((name) => [name, '%zz']));
  await unusable(pcs, 'COLLATERAL_FORMAT');
  pcs.headers = (headers) => headers;
  const standard = await collateralOf(18);
  const processor = await forgedCollateral({
    certificates: {
      platformCa: {
        template: (old) => ({ ...old, subject: intelName('Intel SGX PCK Processor CA') }),
      },
    },
  });
  for (const [member, value, code] of [
    ['tcb_info_signature', '00', 'COLLATERAL_FORMAT'],
    ['tcb_info', '{"id":"TDX","id":"TDX"}', 'COLLATERAL_JSON'],
    ['tcb_info', `${standard.tcb_info},"more":1`, 'COLLATERAL_FORMAT'],
    ['qe_identity', `${standard.qe_identity},"more":{}`, 'COLLATERAL_JSON'],
    ['qe_identity', '{"id":"QE","version":2}', 'COLLATERAL_ID'],
    ['root_ca_crl', 'ff', 'CRL_FORMAT'],
    ['root_ca_crl', standard.pck_crl, 'COLLATERAL_CRL_ISSUER'],
    ['pck_crl', standard.root_ca_crl, 'COLLATERAL_CRL_ISSUER'],
    ['pck_crl', processor.pck_crl, 'COLLATERAL_CRL_ISSUER'],
    ['tcb_info', set('fmspc', '00906ED50000')(standard.tcb_info), 'COLLATERAL_FMSPC'],
  ] as const) {
    const other = await Pcs.open(SIMULATED_PLATFORM.fmspc);
    other.hexadecimal = true;
    other.served.set('standard', { ...standard, [member]: value });
    try {
      await unusable(other, code);
    } finally {
      await other.close();
    }
  }
});

test('a TCB recovery that was not asked for is none', async () => {
  const [standard, asked] = [await collateralOf(18), await collateralOf(17)];
  const { tcb_info, tcb_info_signature, qe_identity, qe_identity_signature } = standard;
  for (const other of [
    { tcb_info, tcb_info_signature },
    { qe_identity, qe_identity_signature },
  ]) {
    pcs.served.set('17', { ...asked, ...other });
    const { missing } = await gather(uncached(), 17);
    assert.equal(missing?.code, 'ENDORSEMENTS_UNAVAILABLE');
    assert.match(missing?.message ?? '', /expected tcbEvaluationDataNumber 17, not 18/);
  }
  pcs.served.set('17', asked);
  assert.ok((await gather(uncached(), 17)).collateral);
});
