import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat } from '../../../attestation/encoding/bytes.js';
import { encodeCbor } from '../../../attestation/encoding/cbor.js';
import { label, sha256, sha512 } from '../../../attestation/encoding/hash.js';
import { reportData } from '../../../attestation/evidence/binding.js';
import { editMap, flip } from '../../forge/cbor.js';
import { fill } from '../../forge/fill.js';
import {
  type EvidenceCase,
  judgeEvidence,
  nonce,
  refusedEvidence,
} from '../../forge/judge-evidence.js';

const bundles: readonly EvidenceCase[] = [
  { name: 'nothing', code: 'BUNDLE_ENCODING', bytes: () => new Uint8Array() },
  { name: 'cut short', code: 'BUNDLE_ENCODING', bytes: (b) => b.subarray(0, -1) },
  { name: 'a byte behind', code: 'BUNDLE_ENCODING', bytes: (b) => concat(b, fill(0, 1)) },
  { name: 'no map', code: 'BUNDLE_ENCODING', bytes: (b) => encodeCbor([b]) },
  {
    name: 'an unknown member',
    code: 'BUNDLE_ENCODING',
    bytes: (b) => editMap(b, (map) => map.set('note', 'trust me')),
  },
  {
    name: 'an unknown member with a long name',
    code: 'BUNDLE_ENCODING',
    bytes: (b) => editMap(b, (map) => map.set('n'.repeat(1_000_000), 1)),
  },
  {
    name: 'a missing member',
    code: 'BUNDLE_ENCODING',
    bytes: (b) => editMap(b, (map) => map.delete('eventLog')),
  },
  {
    name: 'longer than any bundle',
    code: 'BUNDLE_ENCODING',
    fault: { bundle: (b) => ({ ...b, eventLog: fill(0, 16 * 1024 * 1024) }) },
  },
  {
    name: 'another format',
    code: 'BUNDLE_PROFILE',
    bytes: (b) => editMap(b, (map) => map.set('profile', 'urn:assay:evidence-bundle:2')),
  },
  {
    name: 'unknown hardware',
    code: 'BUNDLE_ENCODING',
    bytes: (b) => editMap(b, (map) => map.set('tee', 'sgx')),
  },
  {
    name: 'an event log that is text',
    code: 'BUNDLE_ENCODING',
    bytes: (b) => editMap(b, (map) => map.set('eventLog', 'none')),
  },
  {
    name: 'a path of short nodes',
    code: 'BUNDLE_ENCODING',
    fault: { bundle: (b) => ({ ...b, challenge: { ...b.challenge, path: [fill(1, 31)] } }) },
  },
  {
    name: 'a path for more nonces than there can be',
    code: 'BUNDLE_ENCODING',
    fault: {
      bundle: (b) => ({ ...b, challenge: { ...b.challenge, path: Array(33).fill(fill(1)) } }),
    },
  },
];

const hardware: readonly EvidenceCase[] = [
  {
    name: 'a report that was changed',
    code: 'SNP_SIGNATURE',
    fault: { bundle: (b) => ({ ...b, report: flip(b.report, 0x10) }) },
  },
  {
    name: 'a quote that was changed',
    code: 'TDX_QUOTE_SIGNATURE',
    tee: 'tdx',
    fault: { bundle: (b) => ({ ...b, report: flip(b.report, 48 + 136) }) },
  },
  {
    name: 'a report that says it is a quote',
    code: 'TDX_QUOTE_VERSION',
    fault: { bundle: (b) => ({ ...b, tee: 'tdx', endorsements: null }) },
  },
  {
    name: 'no endorsements',
    code: 'ENDORSEMENTS_MISSING',
    fault: { bundle: (b) => ({ ...b, endorsements: null }) },
  },
  {
    name: 'no collateral',
    code: 'ENDORSEMENTS_MISSING',
    tee: 'tdx',
    fault: { bundle: (b) => ({ ...b, endorsements: null }) },
  },
  {
    name: 'a certificate table that is none',
    code: 'SNP_AUXBLOB',
    fault: { bundle: (b) => ({ ...b, endorsements: fill(9, 40) }) },
  },
  { name: 'SIMULATED under AMD’s roots', code: 'SNP_ROOT_UNTRUSTED', pinnedRoots: true },
  {
    name: 'SIMULATED under Intel’s root',
    code: 'TDX_ROOT_UNTRUSTED',
    tee: 'tdx',
    pinnedRoots: true,
  },
  {
    name: 'before its certificates begin',
    code: 'SNP_CERTIFICATE_VALIDITY',
    at: new Date('2001-01-01'),
  },
];

const relabelled = (what: string) => (challenge: Uint8Array, manifest: Uint8Array) =>
  sha512(label(what), challenge, sha256(manifest));

const binding: readonly EvidenceCase[] = [
  { name: 'a nonce of somebody else', code: 'BINDING_CHALLENGE', nonce: fill(1) },
  { name: 'a nonce of nobody', code: 'BINDING_CHALLENGE', nonce: fill(99) },
  { name: 'a nonce of 31 bytes', code: 'BINDING_NONCE', nonce: fill(7, 31) },
  { name: 'a nonce of 33 bytes', code: 'BINDING_NONCE', nonce: fill(7, 33) },
  { name: 'an empty nonce', code: 'BINDING_NONCE', nonce: fill(7, 0) },
  {
    name: 'another position',
    code: 'BINDING_CHALLENGE',
    fault: { bundle: (b) => ({ ...b, challenge: { ...b.challenge, index: 0 } }) },
  },
  {
    name: 'a position outside the tree',
    code: 'BINDING_CHALLENGE',
    fault: { bundle: (b) => ({ ...b, challenge: { ...b.challenge, index: 3 } }) },
  },
  {
    name: 'another number of nonces',
    code: 'BINDING_CHALLENGE',
    fault: { bundle: (b) => ({ ...b, challenge: { ...b.challenge, size: 2 } }) },
  },
  {
    name: 'a path that was changed',
    code: 'BINDING_CHALLENGE',
    fault: {
      bundle: (b) => ({
        ...b,
        challenge: { ...b.challenge, path: b.challenge.path.map((node) => flip(node, 0)) },
      }),
    },
  },
  {
    name: 'a path cut short',
    code: 'BINDING_CHALLENGE',
    fault: {
      bundle: (b) => ({ ...b, challenge: { ...b.challenge, path: b.challenge.path.slice(1) } }),
    },
  },
  {
    name: 'another challenge, for a verifier without a nonce',
    code: 'BINDING_REPORT_DATA',
    nonce: null,
    fault: { bundle: (b) => ({ ...b, challenge: { ...b.challenge, root: fill(3) } }) },
  },
  {
    name: 'another manifest than the hardware signed for',
    code: 'BINDING_REPORT_DATA',
    fault: { bundle: (b) => ({ ...b, manifest: flip(b.manifest, -1) }) },
  },
  {
    name: 'a report made under another label',
    code: 'BINDING_REPORT_DATA',
    fault: { reportData: relabelled('claims') },
  },
  {
    name: 'a report over the nonce instead of the challenge',
    code: 'BINDING_REPORT_DATA',
    fault: { reportData: (_, manifest) => reportData(nonce, manifest) },
  },
  {
    name: 'a report over the challenge alone',
    code: 'BINDING_REPORT_DATA',
    fault: { reportData: (challenge) => concat(challenge, fill(0)) },
  },
  {
    name: 'a quote over the challenge alone',
    code: 'BINDING_REPORT_DATA',
    tee: 'tdx',
    fault: { reportData: (challenge) => concat(challenge, fill(0)) },
  },
];

for (const tee of ['sev-snp', 'tdx'] as const) {
  test(`${tee} evidence without a fault is affirmed`, async () => {
    const { result } = await judgeEvidence({ name: 'none', code: '', tee });
    assert.equal(result.affirmed, true, result.summary);
  });
}

refusedEvidence('bundles', bundles);
refusedEvidence('hardware', hardware);
refusedEvidence('binding', binding);
