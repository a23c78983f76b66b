import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { AssayError } from '../../../attestation/encoding/error.js';
import {
  type AmdCrlRequest,
  type AmdRequest,
  crlUrl,
  fetchAmdCrl,
  fetchVcek,
  vcekUrl,
} from '../../../attestation/endorsements/amd.js';
import {
  type CachedAnswer,
  type EndorsementCache,
  EndorsementSource,
  type SourceOptions,
} from '../../../attestation/endorsements/source.js';
import { encodeTcb, type TcbComponents } from '../../../attestation/evidence/snp-fields.js';
import { amdName, derInteger } from '../../../enclave/platform/simulator/amd.js';
import { issueCrl, SIMULATED_DATES } from '../../../enclave/platform/simulator/certificates.js';
import {
  SIMULATED_CHIPS,
  type SimulatedProduct,
  simulatedChipId,
} from '../../../enclave/platform/simulator/snp.js';
import { type AmdFault, type ForgedSnp, forgedAmd, forgeSnp } from '../../forge/amd.js';
import { replaced } from '../../forge/certificate-changes.js';
import { Kds } from '../../forge/kds.js';

const HOUR = 3_600_000;
const NOON = new Date('2026-06-01T12:00:00Z');
const later = (date: Date, milliseconds: number): Date => new Date(date.getTime() + milliseconds);

class MemoryCache implements EndorsementCache {
  readonly entries = new Map<string, CachedAnswer>();
  async get(url: string): Promise<CachedAnswer | undefined> {
    return this.entries.get(url);
  }
  async put(url: string, answer: CachedAnswer): Promise<void> {
    this.entries.set(url, answer);
  }
}

let kds: Kds;
let forged: ForgedSnp;
let clock = NOON;
let slept: number[] = [];
let cache = new MemoryCache();
const chipId = simulatedChipId('Milan');
const { tcb } = SIMULATED_CHIPS.Milan;
const authentic = async (): Promise<void> => {};
const requestFor = (product: SimulatedProduct, spls: TcbComponents): AmdRequest => ({
  kind: 'VCEK',
  products: [product],
  chipId: simulatedChipId(product),
  reportedTcb: encodeTcb(spls, product),
  tcb: () => spls,
  authentic,
});
const request = requestFor('Milan', tcb);
const whose: AmdCrlRequest = { kind: 'VCEK', product: 'Milan', authentic };
const path = (url: string): string => url.slice(kds.base.length);

/** A source whose time moves only when a test or a backoff moves it. */
function source(options: Partial<SourceOptions> = {}): EndorsementSource {
  return new EndorsementSource({
    cache,
    now: () => clock,
    sleep: async (milliseconds) => {
      slept.push(milliseconds);
      clock = later(clock, milliseconds);
    },
    ...options,
  });
}

async function refused(
  work: Promise<unknown>,
  code: string,
  text: RegExp,
  cause?: string,
): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof AssayError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, text);
    if (cause !== undefined) assert.equal((error.cause as AssayError).code, cause);
    return true;
  });
}

async function crl(
  nextUpdate: Date,
  thisUpdate: Date = SIMULATED_DATES.notBefore,
): Promise<Uint8Array> {
  const { ark } = await forgedAmd('Milan');
  return issueCrl({ thisUpdate, nextUpdate, revoked: [] }, ark.issuer);
}

before(async () => {
  kds = await Kds.open();
  forged = await forgeSnp();
});

after(() => kds.close());

beforeEach(() => {
  clock = NOON;
  slept = [];
  cache = new MemoryCache();
  kds.requests.length = 0;
  kds.troubles.length = 0;
  const [vcek = new Uint8Array()] = forged.endorsements.certificates;
  kds.served.set(path(vcekUrl(kds.base, 'Milan', chipId, tcb)), vcek);
  kds.served.set(path(crlUrl(kds.base, 'VCEK', 'Milan')), forged.endorsements.crls[0] ?? '');
});

describe('what is fetched and kept', () => {
  test('a VCEK is fetched once and kept for good', async () => {
    const fetched = await fetchVcek(source(), request, kds.base);
    assert.deepEqual(fetched, new Uint8Array(forged.endorsements.certificates[0] ?? []));
    clock = later(clock, 10 * 365 * 24 * HOUR);
    await fetchVcek(source(), request, kds.base);
    assert.equal(kds.requests.length, 1);
  });

  test('an answer in pieces is whole', async () => {
    const [vcek = new Uint8Array()] = forged.endorsements.certificates;
    const pieces = [vcek.subarray(0, 1), vcek.subarray(1, 900), vcek.subarray(900)];
    const body = new ReadableStream<Uint8Array>({
      start(to) {
        for (const piece of pieces) to.enqueue(piece);
        to.close();
      },
    });
    const fetch = async () => new Response(body);
    assert.deepEqual(await fetchVcek(source({ fetch }), request, kds.base), new Uint8Array(vcek));
  });

  test('a CRL is asked for once a day', async () => {
    await fetchAmdCrl(source(), whose, kds.base);
    clock = later(clock, 23 * HOUR);
    await fetchAmdCrl(source(), whose, kds.base);
    assert.equal(kds.requests.length, 1);
    clock = later(clock, 2 * HOUR);
    await fetchAmdCrl(source(), whose, kds.base);
    assert.equal(kds.requests.length, 2);
  });

  test('a CRL older than a day serves while AMD is unreachable, and no longer than it is current', async () => {
    const list = await crl(later(NOON, 72 * HOUR));
    kds.served.set(path(crlUrl(kds.base, 'VCEK', 'Milan')), list);
    await fetchAmdCrl(source(), whose, kds.base);
    const outage = { fetch: () => Promise.reject(new TypeError('no route')) };
    clock = later(NOON, 71 * HOUR);
    assert.deepEqual(await fetchAmdCrl(source(outage), whose, kds.base), list);
    clock = later(NOON, 72 * HOUR);
    await refused(
      fetchAmdCrl(source(outage), whose, kds.base),
      'ENDORSEMENTS_UNAVAILABLE',
      /no route/,
    );
  });

  test('a CRL from before the one that is kept takes its place once that has expired, and no sooner', async () => {
    const url = crlUrl(kds.base, 'VCEK', 'Milan');
    const older = await crl(later(NOON, 480 * HOUR), later(NOON, -2 * HOUR));
    const kept = await crl(later(NOON, 240 * HOUR), later(NOON, -HOUR));
    kds.served.set(path(url), kept);
    await fetchAmdCrl(source(), whose, kds.base);
    kds.served.set(path(url), older);
    clock = later(NOON, 25 * HOUR);
    assert.deepEqual(await fetchAmdCrl(source(), whose, kds.base), kept);
    assert.deepEqual(cache.entries.get(url)?.storedAt, NOON, 'the vendor is asked again');
    clock = later(NOON, 240 * HOUR);
    assert.deepEqual(await fetchAmdCrl(source(), whose, kds.base), older);
  });

  test('a stale CRL is not taken from AMD either', async () => {
    kds.served.set(path(crlUrl(kds.base, 'VCEK', 'Milan')), await crl(later(NOON, -1000)));
    await refused(fetchAmdCrl(source(), whose, kds.base), 'ENDORSEMENTS_UNAVAILABLE', /expired/);
    assert.equal(cache.entries.size, 0);
  });

  test('an answer that cannot be kept serves nevertheless, and the one before it no longer', async () => {
    const full: EndorsementCache = {
      get: (url) => cache.get(url),
      put: () => Promise.reject(new Error('ENOSPC')),
    };
    await fetchAmdCrl(source(), whose, kds.base);
    const list = await crl(later(NOON, 72 * HOUR));
    kds.served.set(path(crlUrl(kds.base, 'VCEK', 'Milan')), list);
    clock = later(NOON, 25 * HOUR);
    const fetched = await fetchAmdCrl(source({ cache: full }), whose, kds.base);
    assert.deepEqual(fetched, list);
    cache.entries.clear();
    assert.deepEqual(await fetchAmdCrl(source({ cache: full }), whose, kds.base), list);
  });

  test('a CRL that AMD says there is none of is not served from the cache', async () => {
    await fetchAmdCrl(source(), whose, kds.base);
    kds.served.clear();
    clock = later(NOON, 25 * HOUR);
    await refused(fetchAmdCrl(source(), whose, kds.base), 'ENDORSEMENTS_UNKNOWN', /no such/);
  });

  test('equal requests at the same time share one fetch', async () => {
    const one = source();
    await Promise.all(Array.from({ length: 8 }, () => fetchVcek(one, request, kds.base)));
    assert.equal(kds.requests.length, 1);
  });

  for (const [name, isFirst] of [
    ['first', true],
    ['second', false],
  ] as const) {
    test(`who trusts another root judges the shared answer alone: who asks ${name}`, async () => {
      const one = source();
      const stranger = async (): Promise<void> => {
        throw new AssayError('SNP_CRL_SIGNATURE', 'another root');
      };
      const ask = (isStranger: boolean) =>
        fetchAmdCrl(one, isStranger ? { ...whose, authentic: stranger } : whose, kds.base);
      const [first, second] = [ask(isFirst), ask(!isFirst)];
      const [strangers, trusting] = isFirst ? [first, second] : [second, first];
      await Promise.all([
        refused(strangers, 'ENDORSEMENTS_UNAVAILABLE', /another root/, 'SNP_CRL_SIGNATURE'),
        trusting,
      ]);
      assert.equal(kds.requests.length, 1);
      assert.equal(cache.entries.size, 1);
    });
  }

  test('a damaged cache entry is no entry', async () => {
    const url = vcekUrl(kds.base, 'Milan', chipId, tcb);
    await cache.put(url, { body: Uint8Array.of(1), headers: {}, storedAt: NOON });
    await fetchVcek(source(), request, kds.base);
    assert.equal(kds.requests.length, 1);
  });

  test('a CRL of the future is asked for again, and serves while AMD is unreachable', async () => {
    const first = await fetchAmdCrl(source(), whose, kds.base);
    clock = later(NOON, -HOUR);
    kds.troubles.push({ status: 403 });
    assert.deepEqual(await fetchAmdCrl(source(), whose, kds.base), first);
    await fetchAmdCrl(source(), whose, kds.base);
    assert.equal(kds.requests.length, 3);
  });

  test('a VCEK is kept for good though the clock is set back', async () => {
    await fetchVcek(source(), request, kds.base);
    clock = later(NOON, -HOUR);
    await fetchVcek(source(), request, kds.base);
    assert.equal(kds.requests.length, 1);
  });
});

describe('rate limits and outages', () => {
  const waits: readonly (readonly [string, string | undefined, readonly number[]])[] = [
    ['without Retry-After, doubling', undefined, [1000, 2000]],
    ['Retry-After in seconds', '7', [7000, 7000]],
    ['Retry-After as a date', new Date(NOON.getTime() + 9000).toUTCString(), [9000, 0]],
    ...['soon', '-1', '1.5', '2026-06-01T12:00:09Z'].map(
      (text) => [`Retry-After that is nonsense: ${text}`, text, [1000, 2000]] as const,
    ),
  ];
  for (const [name, retryAfter, expected] of waits) {
    test(`429 twice, ${name}`, async () => {
      const trouble = retryAfter === undefined ? { status: 429 } : { status: 429, retryAfter };
      kds.troubles.push(trouble, trouble);
      await fetchVcek(source(), request, kds.base);
      assert.deepEqual(slept, expected);
      assert.equal(kds.requests.length, 3);
    });
  }

  test('an hour of Retry-After is not waited for', async () => {
    kds.troubles.push({ status: 429, retryAfter: '3600' });
    await refused(
      fetchVcek(source(), request, kds.base),
      'ENDORSEMENTS_UNAVAILABLE',
      /limits its rate, and it asks to wait 3600 s/,
    );
    assert.deepEqual(slept, []);
  });

  const ended = /(socket|closed|ECONNRESET|terminated).* \(2 attempts\)/;
  for (const [name, trouble, text, options] of [
    ['a rate limit that stays', { status: 429 }, /limits its rate \(4 attempts\)/, {}],
    ['status 503', { status: 503 }, /status 503 \(4 attempts\)/, {}],
    ['connections that break', 'hang up', ended, {}],
    ['no answer in time', 'hang', /(time|abort).* \(2 attempts\)/i, { timeout: 50 }],
  ] as const) {
    test(`${name} means that nothing was checked`, async () => {
      kds.troubles.push(trouble, trouble, trouble, trouble);
      const work = fetchVcek(source(options), request, kds.base);
      await refused(work, 'ENDORSEMENTS_UNAVAILABLE', text);
      assert.equal(cache.entries.size, 0);
    });
  }

  test('nobody is sent elsewhere, not even to where the answer is', async () => {
    const [vcek = new Uint8Array()] = forged.endorsements.certificates;
    kds.served.set('/elsewhere', vcek);
    kds.troubles.push({ status: 302, location: `${kds.base}/elsewhere` });
    const work = fetchVcek(source(), request, kds.base);
    await refused(work, 'ENDORSEMENTS_UNAVAILABLE', /it redirects, and is not followed$/);
    assert.equal(kds.requests.includes('/elsewhere'), false);
    assert.equal(cache.entries.size, 0);
  });

  test('a runtime that knows no redirect mode `error`, as Cloudflare’s, is asked for another', async () => {
    const workers: typeof fetch = async (url, init) => {
      if (init?.redirect === 'error') throw new TypeError('Invalid redirect value');
      return fetch(url, init);
    };
    await fetchVcek(source({ fetch: workers }), request, kds.base);
    assert.equal(kds.requests.length, 1);
  });

  test('an outage that ends in time is no harm', async () => {
    kds.troubles.push('hang up', { status: 500 });
    await fetchVcek(source(), request, kds.base);
    assert.equal(kds.requests.length, 3);
  });

  test('an answer that is no certificate means that nothing was checked, and is not kept', async () => {
    kds.troubles.push({ body: '<html>maintenance</html>' });
    const work = fetchVcek(source(), request, kds.base);
    await refused(work, 'ENDORSEMENTS_UNAVAILABLE', /not what was asked for: .*does not parse/);
    assert.equal(cache.entries.size, 0);
  });

  const hwid = new Uint8Array(64).fill(9);
  const others: readonly (readonly [string, AmdFault, string])[] = [
    ['of another chip', { vek: replaced('4', hwid) }, 'SNP_HWID_MISMATCH'],
    ['of another product', { product: 'Genoa' }, 'SNP_PRODUCT_MISMATCH'],
    ...['3.1', '3.2', '3.3', '3.4', '3.5', '3.6', '3.7', '3.8'].map(
      (spl) =>
        [`for another ${spl}`, { vek: replaced(spl, derInteger(77)) }, 'SNP_TCB_MISMATCH'] as const,
    ),
    ['that is a VLEK', { kind: 'VLEK' }, 'SNP_CERTIFICATE_EXTENSION'],
  ];
  for (const [name, fault, code] of others) {
    test(`a VCEK ${name} means that nothing was checked, and is not kept`, async () => {
      const { endorsements } = await forgeSnp(fault);
      kds.troubles.push({ body: endorsements.certificates[0] ?? '' });
      await refused(
        fetchVcek(source(), request, kds.base),
        'ENDORSEMENTS_UNAVAILABLE',
        /asked/,
        code,
      );
      assert.equal(cache.entries.size, 0);
    });
  }

  test('a VCEK of Turin is the one that was asked for', async () => {
    const turin = await forgeSnp({ product: 'Turin' });
    const [vcek = new Uint8Array()] = turin.endorsements.certificates;
    const { tcb: spls } = SIMULATED_CHIPS.Turin;
    for (const name of ['fmc', 'bootLoader', 'tee', 'snp', 'microcode'] as const) {
      kds.troubles.push({ body: vcek });
      const work = fetchVcek(source(), requestFor('Turin', { ...spls, [name]: 77 }), kds.base);
      await refused(work, 'ENDORSEMENTS_UNAVAILABLE', /asked/, 'SNP_TCB_MISMATCH');
    }
    kds.troubles.push({ body: vcek });
    const fetched = await fetchVcek(source(), requestFor('Turin', spls), kds.base);
    assert.deepEqual(fetched, new Uint8Array(vcek));
  });

  for (const product of ['Genoa', 'Milanese']) {
    test(`a list of the root of ${product} means that nothing was checked, and is not kept`, async () => {
      const { ark } = await forgedAmd('Milan');
      const issuer = { ...ark.issuer, name: amdName(`ARK-${product}`) };
      const { notBefore: thisUpdate, notAfter: nextUpdate } = SIMULATED_DATES;
      kds.troubles.push({ body: await issueCrl({ thisUpdate, nextUpdate, revoked: [] }, issuer) });
      const work = fetchAmdCrl(source(), whose, kds.base);
      await refused(work, 'ENDORSEMENTS_UNAVAILABLE', /asked/, 'SNP_CRL_ISSUER');
      assert.equal(cache.entries.size, 0);
    });
  }

  test('an answer of more than 4 MiB is cut off', async () => {
    kds.troubles.push({ body: new Uint8Array(2 ** 22) }, { body: new Uint8Array(2 ** 22 + 1) });
    for (const why of [/not what was asked for/, /larger than 4194304 bytes/]) {
      await refused(fetchVcek(source(), request, kds.base), 'ENDORSEMENTS_UNAVAILABLE', why);
    }
  });

  for (const status of [400, 401, 403, 407, 408, 451, 206]) {
    test(`status ${status} says nothing: what was kept serves, and without it nothing was checked`, async () => {
      const kept = await fetchAmdCrl(source(), whose, kds.base);
      clock = later(clock, 25 * HOUR);
      kds.troubles.push({ status });
      assert.deepEqual(await fetchAmdCrl(source(), whose, kds.base), kept);
      cache.entries.clear();
      kds.troubles.length = 0;
      kds.troubles.push({ status }, { status });
      const work = fetchAmdCrl(source(), whose, kds.base);
      await refused(work, 'ENDORSEMENTS_UNAVAILABLE', /could not fetch/);
    });
  }

  for (const status of [404, 410]) {
    test(`status ${status} says that there is none, whatever was kept`, async () => {
      await fetchAmdCrl(source(), whose, kds.base);
      clock = later(clock, 25 * HOUR);
      kds.troubles.push({ status });
      const work = fetchAmdCrl(source(), whose, kds.base);
      await refused(work, 'ENDORSEMENTS_UNKNOWN', new RegExp(`status ${status}`));
    });
  }

  test('what its authorities did not sign means that nothing was checked, and is not kept', async () => {
    const fault = new AssayError('SNP_CERTIFICATE_SIGNATURE', 'somebody else signed it');
    const authentic = () => Promise.reject(fault);
    for (const work of [
      fetchVcek(source(), { ...request, authentic }, kds.base),
      fetchAmdCrl(source(), { ...whose, authentic }, kds.base),
    ]) {
      await refused(work, 'ENDORSEMENTS_UNAVAILABLE', /somebody else/, fault.code);
    }
    assert.equal(cache.entries.size, 0);
    await fetchVcek(source(), request, kds.base);
    const kept = fetchVcek(source(), { ...request, authentic }, kds.base);
    await refused(kept, 'ENDORSEMENTS_UNAVAILABLE', /somebody else/);
    assert.equal(kds.requests.length, 4, 'what was kept is judged as well, and asked for again');
  });

  test('a platform that cannot check a signature says so', async () => {
    const authentic = () => Promise.reject(new AssayError('CRYPTO_UNAVAILABLE', 'no WebCrypto'));
    const work = fetchVcek(source(), { ...request, authentic }, kds.base);
    await refused(work, 'CRYPTO_UNAVAILABLE', /no WebCrypto/);
  });

  test('a masked chip is not asked for', async () => {
    const masked = { ...request, chipId: new Uint8Array(64) };
    await refused(fetchVcek(source(), masked, kds.base), 'ENDORSEMENTS_UNKNOWN', /masks CHIP_ID/);
    assert.deepEqual(kds.requests, []);
  });

  test('a chip that AMD does not know is not asked for again', async () => {
    const stranger = { ...request, chipId: new Uint8Array(64).fill(9) };
    await refused(fetchVcek(source(), stranger, kds.base), 'ENDORSEMENTS_UNKNOWN', /no such/);
    assert.equal(kds.requests.length, 1);
  });

  test('a report of version 2 is looked for in each product line', async () => {
    await fetchVcek(source(), { ...request, products: ['Genoa', 'Milan'] }, kds.base);
    assert.deepEqual(
      kds.requests.map((url) => url.split('/')[3]),
      ['Genoa', 'Milan'],
    );
  });

  test('a product line that cannot be asked for is not passed over', async () => {
    kds.troubles.push({ status: 403 });
    const work = fetchVcek(source(), { ...request, products: ['Genoa', 'Milan'] }, kds.base);
    await refused(work, 'ENDORSEMENTS_UNAVAILABLE', /status 403/);
    assert.equal(kds.requests.length, 1);
  });

  test('a VLEK comes from the host', async () => {
    await refused(
      fetchVcek(source(), { ...request, kind: 'VLEK' }, kds.base),
      'ENDORSEMENTS_UNKNOWN',
      /auxblob/,
    );
  });
});
