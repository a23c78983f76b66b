import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { verifySnp } from '../../../attestation/appraisal/verify-snp.js';
import { AssayError } from '../../../attestation/encoding/error.js';
import {
  type CachedAnswer,
  type EndorsementCache,
  EndorsementSource,
} from '../../../attestation/endorsements/source.js';
import { encodeTcb } from '../../../attestation/evidence/snp-fields.js';
import { derInteger } from '../../../enclave/platform/simulator/amd.js';
import { SIMULATED_CHIPS } from '../../../enclave/platform/simulator/snp.js';
import { gatherSnpEndorsements } from '../../../src/client/snp-endorsements.js';
import { forgeSnp } from '../../forge/amd.js';
import { dated, replaced, signedByStranger } from '../../forge/certificate-changes.js';
import { KNOWN_MEASUREMENT } from '../../forge/judge-snp.js';
import { snpPolicy } from '../../forge/platform-policy.js';

const AT = new Date('2026-06-01T12:00:00Z');
const { report, endorsements, roots } = await forgeSnp();
const { certificates, crls } = endorsements;
const [list = new Uint8Array()] = crls;
const newer = await forgeSnp({
  crl: (template) => ({ ...template, thisUpdate: new Date('2026-05-31T00:00:00Z') }),
});
const [served = new Uint8Array()] = newer.endorsements.crls;
const none = { certificates: [], crls: [] };

function service() {
  const asked: string[] = [];
  const source = new EndorsementSource({
    now: () => AT,
    fetch: async (url) => {
      asked.push(String(url));
      return new Response(new Uint8Array(served));
    },
  });
  return { asked, service: { source, base: 'https://kds.example', at: AT, roots } };
}

test('AMD’s list stands beside the host’s, each once', async () => {
  for (const [given, others] of [
    [[list], [list]],
    [[served, list], [list]],
    [[], []],
  ] as const) {
    const { asked, service: amd } = service();
    const supplied = { host: { certificates, crls: given }, caller: none };
    const gathered = await gatherSnpEndorsements(report, supplied, amd);
    assert.deepEqual(gathered, {
      certificates,
      crls: [new Uint8Array(served)],
      hostCrls: others,
      notes: [],
      missing: undefined,
    });
    assert.deepEqual(asked, ['https://kds.example/vcek/v1/Milan/crl']);
  }
});

test('a report that names no processor makes AMD be asked for each product line that it may be of', async () => {
  const forged = await forgeSnp({ version: 2 });
  const asked: string[] = [];
  const source = new EndorsementSource({
    now: () => AT,
    fetch: async (url) => {
      asked.push(String(url).replace(/[0-9a-f]{128}/, 'HWID'));
      return new Response('', { status: 404 });
    },
  });
  const asks = { source, base: 'https://kds', at: AT, roots };
  const { missing } = await gatherSnpEndorsements(
    forged.report,
    { host: none, caller: none },
    asks,
  );
  assert.equal(missing?.code, 'ENDORSEMENTS_UNKNOWN');
  const query = 'blSPL=4&teeSPL=0&snpSPL=24&ucodeSPL=219';
  assert.deepEqual(
    asked,
    ['Milan', 'Genoa'].map((product) => `https://kds/vcek/v1/${product}/HWID?${query}`),
  );
});

for (const [name, change, code] of [
  ['that nobody signed', { keyInfo: 0x1c }, 'SNP_UNSIGNED'],
  ['of a masked key', { keyInfo: 2 }, 'SNP_UNSIGNED'],
  [
    'of a processor without a product line',
    { cpuid: { family: 0x19, model: 0x20, stepping: 0 } },
    'SNP_PRODUCT_UNKNOWN',
  ],
] as const) {
  test(`a report ${name} makes nobody ask: ${code}`, async () => {
    const forged = await forgeSnp({ report: change });
    const { asked, service: amd } = service();
    await assert.rejects(
      gatherSnpEndorsements(forged.report, { host: none, caller: none }, amd),
      (error) => error instanceof AssayError && error.code === code,
    );
    assert.deepEqual(asked, []);
    const offline = await verifySnp(forged.report, none, {}, { at: AT });
    assert.equal(offline.code, code);
  });
}

test('a caller’s list stands beside the host’s, and nobody is asked', async () => {
  const { asked, service: amd } = service();
  const supplied = { host: { certificates, crls }, caller: { certificates: [], crls: [served] } };
  for (const asks of [amd, undefined]) {
    const gathered = await gatherSnpEndorsements(report, supplied, asks);
    assert.deepEqual([gathered.crls, gathered.hostCrls], [[served], [list]]);
  }
  assert.deepEqual(asked, []);
});

/** The KDS of a report's VCEK and list, which can serve something else; what is kept is kept in memory. */
async function kept() {
  const entries = new Map<string, CachedAnswer>();
  const cache: EndorsementCache = {
    get: async (url) => entries.get(url),
    put: async (url, answer) => {
      entries.set(url, answer);
    },
  };
  const good = { vcek: certificates[0] ?? new Uint8Array(), crl: list };
  const answers = { ...good };
  const source = new EndorsementSource({
    cache,
    now: () => AT,
    fetch: async (url) =>
      new Response(new Uint8Array(String(url).endsWith('/crl') ? answers.crl : answers.vcek)),
  });
  const supplied = { host: { certificates: certificates.slice(1), crls: [] }, caller: none };
  const gather = (at = AT) =>
    gatherSnpEndorsements(report, supplied, { source, base: 'https://kds', at, roots });
  return { gather, answers, good };
}

/** With the signature's last byte changed. */
function spoilt(der: Uint8Array): Uint8Array {
  return der.map((byte, i) => (i === der.length - 1 ? byte ^ 1 : byte));
}

test('a VCEK that AMD did not sign is no answer of AMD’s, and is asked for again', async () => {
  const { gather, answers, good } = await kept();
  answers.vcek = spoilt(good.vcek);
  const { missing } = await gather();
  assert.equal(missing?.code, 'ENDORSEMENTS_UNAVAILABLE');
  assert.equal((missing?.cause as AssayError | undefined)?.code, 'SNP_CERTIFICATE_SIGNATURE');
  answers.vcek = good.vcek;
  assert.equal((await gather()).missing, undefined);
  answers.vcek = spoilt(good.vcek);
  assert.equal((await gather()).missing, undefined, 'the right one is kept');
});

describe('a VCEK that was kept', async () => {
  const dates = (from: string, until: string) =>
    forgeSnp({ vek: dated(new Date(from), new Date(until)) });
  const first = await dates('2026-01-01T00:00:00Z', '2033-01-01T00:00:00Z');
  const renewed = await dates('2033-06-01T00:00:00Z', '2040-06-01T00:00:00Z');
  const [old = new Uint8Array(), young = new Uint8Array()] = [first, renewed].map(
    ({ endorsements }) => endorsements.certificates[0],
  );
  const vekOf = ({ certificates: [vek] }: { certificates: readonly Uint8Array[] }) => vek;

  test('gives way to the one that AMD issues once it has expired', async () => {
    const { gather, answers } = await kept();
    answers.vcek = old;
    assert.deepEqual(vekOf(await gather()), new Uint8Array(old));
    answers.vcek = young;
    assert.deepEqual(vekOf(await gather(new Date('2033-01-01T00:00:00Z'))), new Uint8Array(old));
    const gathered = await gather(new Date('2034-01-01T00:00:00Z'));
    assert.deepEqual(vekOf(gathered), new Uint8Array(young));
    const policy = snpPolicy({ measurements: [KNOWN_MEASUREMENT] });
    const trusted = { at: new Date('2034-01-01T00:00:00Z'), roots };
    const result = await verifySnp(report, { ...gathered, crls }, policy, trusted);
    assert.equal(result.code, null, result.summary);
  });

  test('says nothing of a report at a time that it is not valid at', async () => {
    const { gather, answers } = await kept();
    answers.vcek = young;
    const { missing } = await gather();
    assert.equal(missing?.code, 'ENDORSEMENTS_UNAVAILABLE');
    assert.equal((missing?.cause as AssayError | undefined)?.code, 'SNP_CERTIFICATE_VALIDITY');
  });
});

test('a list that AMD did not sign is no answer of AMD’s, and is asked for again', async () => {
  const { gather, answers, good } = await kept();
  answers.crl = spoilt(good.crl);
  const { crls: lists, notes } = await gather();
  assert.deepEqual(lists, []);
  assert.match(notes.join(), /did not sign the revocation list/);
  answers.crl = good.crl;
  assert.deepEqual((await gather()).crls, [new Uint8Array(good.crl)]);
});

test('a VCEK of a chain that nobody supplied is for the appraisal to judge', async () => {
  const { service: amd } = service();
  const [vcek = new Uint8Array()] = certificates;
  const source = new EndorsementSource({
    now: () => AT,
    fetch: async () => new Response(new Uint8Array(vcek)),
  });
  const gathered = await gatherSnpEndorsements(
    report,
    { host: none, caller: none },
    { ...amd, source },
  );
  assert.deepEqual(gathered.certificates, [new Uint8Array(vcek)]);
});

const tcb = encodeTcb(SIMULATED_CHIPS.Milan.tcb, 'Milan') | 0x10000n;

for (const [name, change, why] of [
  ['a masked chip', { chipId: new Uint8Array(64) }, /the host masks CHIP_ID/],
  ['a TCB with reserved bytes', { reportedTcb: tcb }, /REPORTED_TCB has reserved bytes set/],
] as const) {
  test(`a report of ${name} makes nobody ask for its VCEK`, async () => {
    const forged = await forgeSnp({ report: change });
    const { asked, service: amd } = service();
    const { missing } = await gatherSnpEndorsements(
      forged.report,
      { host: none, caller: none },
      amd,
    );
    assert.equal(missing?.code, 'ENDORSEMENTS_UNKNOWN');
    assert.match(missing?.message ?? '', why);
    assert.deepEqual(asked, []);
  });
}

test('a VCEK for a TCB without its reserved bytes is refused where it is supplied', async () => {
  const forged = await forgeSnp({ report: { reportedTcb: tcb } });
  const { asked, service: amd } = service();
  const host = forged.endorsements;
  const gathered = await gatherSnpEndorsements(forged.report, { host, caller: none }, amd);
  const result = await verifySnp(forged.report, gathered, {}, { at: AT, roots });
  assert.deepEqual([result.code, asked], ['SNP_TCB_MISMATCH', []]);
});

test('a VCEK for a TCB with reserved bytes counts where it is supplied', async () => {
  const forged = await forgeSnp({
    report: { reportedTcb: tcb, currentTcb: tcb, committedTcb: tcb, launchTcb: tcb },
    vek: replaced('3.4', derInteger(1)),
  });
  const { asked, service: amd } = service();
  const host = forged.endorsements;
  const gathered = await gatherSnpEndorsements(forged.report, { host, caller: none }, amd);
  const policy = snpPolicy({ measurements: [KNOWN_MEASUREMENT] });
  const result = await verifySnp(forged.report, gathered, policy, { at: AT, roots });
  assert.deepEqual([result.code, asked.length], [null, 1], result.summary);
});

test('a caller’s list of another product line is no list of this one', async () => {
  const genoa = await forgeSnp({ product: 'Genoa' });
  const other = genoa.endorsements.crls;
  const { asked, service: amd } = service();
  const supplied = { host: { certificates, crls: [] }, caller: { certificates: [], crls: other } };
  const gathered = await gatherSnpEndorsements(report, supplied, amd);
  assert.deepEqual(gathered.crls, [...other, new Uint8Array(served)]);
  assert.deepEqual(asked, ['https://kds.example/vcek/v1/Milan/crl']);
});

describe('a host’s VCEK from before its firmware was updated', async () => {
  const older = await forgeSnp({ vek: replaced('3.8', derInteger(1)) });
  const [stale = new Uint8Array(), ...chain] = older.endorsements.certificates;
  const host = { certificates: [stale, ...chain], crls: [] };
  const [current = new Uint8Array()] = certificates;
  const gather = async (answers: (url: string) => Response, caller: readonly Uint8Array[] = []) => {
    const asked: string[] = [];
    const fetch = async (url: string | URL | Request): Promise<Response> => {
      asked.push(String(url));
      return answers(String(url));
    };
    const source = new EndorsementSource({ now: () => AT, fetch, sleep: async () => {} });
    const supplied = { host, caller: { certificates: caller, crls } };
    const asks = { source, base: 'https://kds', at: AT, roots };
    const gathered = await gatherSnpEndorsements(report, supplied, asks);
    const policy = snpPolicy({ measurements: [KNOWN_MEASUREMENT] });
    const result = await verifySnp(report, gathered, policy, { at: AT, roots });
    return { asked, gathered, result };
  };

  test('makes AMD be asked for the present one, which counts', async () => {
    const { asked, gathered, result } = await gather(() => new Response(new Uint8Array(current)));
    assert.equal(asked.length, 1);
    assert.match(asked.join(), /^https:\/\/kds\/vcek\/v1\/Milan\/[0-9a-f]{128}\?/);
    assert.deepEqual([gathered.notes, gathered.missing], [[], undefined]);
    assert.equal(result.code, null, result.summary);
  });

  test('gives way to the caller’s, and nobody is asked', async () => {
    const { asked, result } = await gather(() => new Response(), [current]);
    assert.deepEqual([asked, result.code], [[], null]);
  });

  test('is judged where AMD has no other, and a note says so', async () => {
    const { gathered, result } = await gather(() => new Response('', { status: 404 }));
    assert.match(gathered.notes.join(), /has no such endorsement/);
    assert.equal(gathered.missing, undefined);
    assert.equal(result.code, 'SNP_TCB_MISMATCH');
  });
});

test('a caller’s VCEK stands before one of the host’s that AMD did not sign', async () => {
  const forged = await forgeSnp({ vekIssuer: signedByStranger });
  const host = { certificates: forged.endorsements.certificates, crls: [] };
  const caller = { certificates: certificates.slice(0, 1), crls };
  const gathered = await gatherSnpEndorsements(report, { host, caller }, undefined);
  const policy = snpPolicy({ measurements: [KNOWN_MEASUREMENT] });
  const result = await verifySnp(report, gathered, policy, { at: AT, roots });
  assert.equal(result.code, null, result.summary);
});
