import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { appraiseBundle } from '../../../attestation/appraisal/appraise.js';
import { fromUtf8, toHex, utf8 } from '../../../attestation/encoding/bytes.js';
import { pemBlocks, toPem } from '../../../attestation/encoding/pem.js';
import { amdEndorsements, crlUrl, vcekUrl } from '../../../attestation/endorsements/amd.js';
import { EndorsementSource } from '../../../attestation/endorsements/source.js';
import {
  encodeAuxblob,
  endorsementsOf,
  parseAuxblob,
} from '../../../attestation/evidence/auxblob.js';
import { decodeBundle, encodeBundle } from '../../../attestation/evidence/bundle.js';
import { tcbComponents } from '../../../attestation/evidence/snp-fields.js';
import { parseSnpReport } from '../../../attestation/evidence/snp-report.js';
import { SIMULATED_MEASUREMENT } from '../../../enclave/platform/simulator/snp.js';
import { completeEndorsements } from '../../../src/client/bundle-endorsements.js';
import { endorsedBundle } from '../../../src/client/endorsed-bundle.js';
import { startAdder } from '../../forge/adder-server.js';
import { forgeSnp } from '../../forge/amd.js';
import { forgeBundle } from '../../forge/bundle.js';
import { assay } from '../../forge/cli.js';
import { affirmingPolicy, evidenceOf, servedModel } from '../../forge/enclave.js';
import { Kds } from '../../forge/kds.js';
import { testFolder } from '../../forge/test-folder.js';

const server = await startAdder();
const kds = await Kds.open();
const { at, trust } = testFolder();
const nonce = new Uint8Array(32).fill(7);
const bare = (bundle: Uint8Array): Uint8Array =>
  encodeBundle({ ...decodeBundle(bundle), endorsements: null });
/** What a host leaves that has stored AMD's authorities, and not what AMD serves of this machine. */
const withoutVcek = (bundle: Uint8Array): Uint8Array => {
  const { endorsements, ...rest } = decodeBundle(bundle);
  const entries = parseAuxblob(endorsements ?? new Uint8Array()).flatMap(({ kind, data }) =>
    kind === 'ask' || kind === 'ark' ? [{ kind, data }] : [],
  );
  return encodeBundle({ ...rest, endorsements: encodeAuxblob(entries) });
};

before(async () => {
  const { report, endorsements } = decodeBundle(await evidenceOf(server.enclave, nonce));
  const table = new Map(
    parseAuxblob(endorsements ?? new Uint8Array()).map(({ kind, data }) => [kind, data]),
  );
  const { chipId, reportedTcb } = parseSnpReport(report);
  const get = (kind: 'vcek' | 'crl') => table.get(kind) ?? new Uint8Array();
  for (const product of ['Milan', 'Genoa', 'Turin'] as const) {
    const id = product === 'Turin' ? chipId.subarray(0, 8) : chipId;
    const vcek = vcekUrl(kds.base, product, id, tcbComponents(reportedTcb, product));
    kds.served.set(vcek.slice(kds.base.length), get('vcek'));
    kds.served.set(crlUrl('', 'VCEK', product), get('crl'));
  }
  const policy = {
    version: 1,
    snp: { measurements: [toHex(SIMULATED_MEASUREMENT)] },
    enclave: { allowUnknownModels: true, allowUnpinned: true },
  };
  await writeFile(at('policy.json'), JSON.stringify(policy));
  await writeFile(at('root.pem'), toPem(server.root, 'CERTIFICATE'));
});
after(async () => {
  server.close();
  await kds.close();
});

const run = (...args: readonly string[]) => assay(args, { env: { XDG_CACHE_HOME: at('cache') } });

describe('evidence whose endorsements were fetched', () => {
  test('is saved with them: it verifies offline, and a policy can be made of it', async () => {
    server.lies = { bundle: withoutVcek };
    const fetched = ['--kds', kds.base];
    const saved = ['--save', at('saved.cbor')];
    const attested = await run('attest', server.target, ...trust(), ...fetched, ...saved);
    assert.equal(attested.code, 0, attested.out);
    assert.equal(kds.requests.length, 2, kds.requests.join());
    const verified = await run('verify', 'evidence', at('saved.cbor'), ...trust());
    assert.equal(verified.code, 0, verified.out);
    const made = await run('policy', 'init', at('saved.cbor'), '--root', at('root.pem'));
    assert.equal(made.code, 0, made.out);
    const { endorsements } = decodeBundle(await readFile(at('saved.cbor')));
    const kinds = parseAuxblob(endorsements ?? new Uint8Array()).map(({ kind }) => kind);
    assert.deepEqual(kinds, ['vcek', 'ask', 'ark', 'crl']);
  });

  test('so is a quote, with its collateral', async () => {
    const { bytes, roots } = await forgeBundle('tdx', [servedModel('scale', 2)], nonce);
    const intel = decodeBundle(bytes).endorsements;
    const bundle = bare(bytes);
    await writeFile(at('tdx.pem'), roots.map((der) => toPem(der, 'CERTIFICATE')).join(''));
    await writeFile(at('bare.cbor'), bundle);
    const init = (file: string) => run('policy', 'init', at(file), '--root', at('tdx.pem'));
    assert.equal((await init('bare.cbor')).code, 3);
    await writeFile(
      at('whole.cbor'),
      endorsedBundle({ bundle, nonce, endorsements: { amd: [], intel } }),
    );
    const made = await init('whole.cbor');
    assert.equal(made.code, 0, made.out);
    assert.match(made.out, /mrTd/);
  });

  test('is saved with the verifier’s lists of every product line, and is judged as before', async () => {
    const served = servedModel('scale', 2);
    const { bytes: bundle, roots } = await forgeBundle('sev-snp', [served], nonce);
    const other = await forgeSnp({ product: 'Genoa' });
    const own = (await forgeSnp()).endorsements.crls;
    const amd = [...own, ...other.endorsements.crls];
    const policy = affirmingPolicy([served]);
    const trusted = { at: new Date('2026-06-01'), roots: [...roots, ...other.roots] };
    const saved = endorsedBundle({ bundle, nonce, endorsements: { amd, intel: null } });
    for (const [bytes, given] of [
      [bundle, { endorsements: { amd } }],
      [saved, {}],
      [saved, { endorsements: { amd } }],
      [bundle, { carried: { amd } }],
    ] as const) {
      const { result } = await appraiseBundle(bytes, policy, { ...trusted, nonce, ...given });
      assert.equal(result.code, null, result.summary);
    }
  });

  test('is saved with AMD’s list where a VLEK signed, and with lists of other product lines', async () => {
    const served = servedModel('scale', 2);
    const other = await forgeSnp({ product: 'Genoa' });
    const [list = new Uint8Array()] = (await forgeSnp()).endorsements.crls;
    const { bytes: bundle, roots } = await forgeBundle('sev-snp', [served], nonce, {
      bundle: async (each) => {
        const stated = { ...parseSnpReport(each.report), keyInfo: 4 };
        const { report, endorsements } = await forgeSnp({ kind: 'VLEK', report: stated });
        const kinds = ['vlek', 'ask', 'ark'] as const;
        const table = endorsements.certificates.map((data, i) => ({
          kind: kinds[i] ?? 'ask',
          data,
        }));
        return { ...each, report, endorsements: encodeAuxblob(table) };
      },
    });
    const trusted = { at: new Date('2026-06-01'), roots: [...roots, ...other.roots] };
    const asked: string[] = [];
    const fetch = async (url: string | URL | Request): Promise<Response> => {
      asked.push(String(url));
      return new Response(new Uint8Array(list));
    };
    const source = new EndorsementSource({ now: () => trusted.at, fetch });
    const supplied = { amd: other.endorsements.crls };
    const { endorsements } = await completeEndorsements(bundle, supplied, { source }, trusted);
    assert.deepEqual(asked, ['https://kdsintf.amd.com/vlek/v1/Milan/crl']);
    const { amd = [] } = endorsements;
    const saved = endorsedBundle({ bundle, nonce, endorsements: { amd, intel: null } });
    const policy = affirmingPolicy([served]);
    const { result } = await appraiseBundle(saved, policy, { ...trusted, nonce });
    assert.equal(result.code, null, result.summary);
    const table = amdEndorsements(endorsementsOf(decodeBundle(saved).endorsements));
    assert.deepEqual(
      table.crls.map((der) => toHex(der)),
      [...other.endorsements.crls, list].map((der) => toHex(der)),
    );
  });

  test('is saved in linear time, however many a host supplies', { timeout: 120_000 }, async () => {
    const KINDS = ['vcek', 'vlek', 'ask', 'ark', 'crl'] as const;
    const many = (_: unknown, kind: number): string =>
      Array.from({ length: 30_000 }, (_, i) => {
        const list = Uint8Array.of(0x30, 8, 0x30, 6, 2, 4, 1 + kind, i >> 16, i >> 8, i);
        return toPem(list, 'X509 CRL');
      }).join('');
    const table = KINDS.map((kind, i) => ({ kind, data: utf8(many(kind, i)) }));
    const { endorsements: _, ...rest } = decodeBundle(await evidenceOf(server.enclave, nonce));
    const bundle = encodeBundle({ ...rest, endorsements: encodeAuxblob(table) });
    const amd = [Uint8Array.of(0x30, 5, 0x30, 3, 2, 1, 1)].map((der) =>
      utf8(toPem(der, 'X509 CRL')),
    );
    const saved = endorsedBundle({ bundle, nonce, endorsements: { amd, intel: null } });
    const [entry] = parseAuxblob(decodeBundle(saved).endorsements ?? new Uint8Array());
    assert.equal(entry?.kind, 'crl');
    assert.equal(pemBlocks(fromUtf8(entry.data), 'X509 CRL').length, 150_001);
  });

  test('is saved as it came where there is nothing to add, or nothing to add it to', async () => {
    const bundle = await evidenceOf(server.enclave, nonce);
    const nothing = { amd: [], intel: null };
    assert.equal(endorsedBundle({ bundle, nonce, endorsements: nothing }), bundle);
    const strange = Uint8Array.of(1, 2, 3);
    const some = { amd: [new Uint8Array(3)], intel: null };
    assert.equal(endorsedBundle({ bundle: strange, nonce, endorsements: some }), strange);
    assert.equal(endorsedBundle({ bundle, nonce, endorsements: some }), bundle);
  });
});

describe('commands that compare executions', () => {
  test('fetch what endorses a node', async () => {
    server.lies = { bundle: withoutVcek };
    const fetched = ['--kds', kds.base];
    const given = ['--input', `a=${at('a.json')}`, '--input', `b=${at('b.json')}`];
    await writeFile(at('a.json'), '[1, 2]');
    await writeFile(at('b.json'), '[3, 4]');
    const kept = ['--save-proof', at('a.proof')];
    const proven = await run(
      'infer',
      server.target,
      'adder',
      ...given,
      ...trust(),
      ...fetched,
      ...kept,
    );
    assert.equal(proven.code, 0, proven.err);
    const again = ['replay', at('a.proof'), '--target', server.target, ...trust()];
    const found = await run(...again, ...fetched);
    assert.equal(found.code, 0, found.err);
    const unchecked = await run(...again, '--json');
    assert.deepEqual(
      [unchecked.code, JSON.parse(unchecked.err).error.code],
      [3, 'CLIENT_UNCHECKED'],
    );
  });
});
