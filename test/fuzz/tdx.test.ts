import { TdxCache } from '../../attestation/appraisal/tdx-cache.js';
import { verifyTdx } from '../../attestation/appraisal/verify-tdx.js';
import { fromHex, fromUtf8, toHex, utf8 } from '../../attestation/encoding/bytes.js';
import { parseCrl } from '../../attestation/encoding/crl.js';
import { parseStrictJson } from '../../attestation/encoding/json.js';
import { parseCertificate } from '../../attestation/encoding/x509.js';
import { parseTdxCollateral } from '../../attestation/endorsements/intel.js';
import { fetchTdxCollateral } from '../../attestation/endorsements/intel-pcs.js';
import { pckPlatform } from '../../attestation/endorsements/pck.js';
import { EndorsementSource } from '../../attestation/endorsements/source.js';
import { parseQeIdentity, parseTcbInfo } from '../../attestation/endorsements/tcb-info.js';
import { decodeRuntimeLog, encodeRuntimeLog } from '../../attestation/evidence/event-log.js';
import { parseTcgEventLog } from '../../attestation/evidence/tcg-event-log.js';
import { encodeTdxQuote, parseTdxQuote } from '../../attestation/evidence/tdx-quote.js';
import { AssayError } from '../../attestation/index.js';
import { SIMULATED_PLATFORM } from '../../enclave/platform/simulator/intel.js';
import { extended, forgedIntel, forgeTdx } from '../forge/intel.js';
import { tdxPolicy } from '../forge/platform-policy.js';
import { BOOT_EVENTS, encodeTcgEventLog, forgeTcgLog } from '../forge/tcg-log.js';
import { referenceValues } from '../forge/tdx-case.js';
import { fuzz } from './harness.js';

const [four, five, wide, padded] = await Promise.all([
  forgeTdx(),
  forgeTdx({ version: 5 }),
  forgeTdx({ version: 5, report: extended() }),
  forgeTdx({ padding: 64 }),
]);
if (typeof four.collateral === 'string' || four.collateral instanceof Uint8Array) {
  throw new Error('expected collateral by its members');
}
const { collateral } = four;
const intel = await forgedIntel();
const quotes = [four, five, wide, padded].map(({ quote }) => quote);

fuzz({
  name: 'TDX quotes',
  seeds: quotes,
  decode: (bytes) => encodeTdxQuote(parseTdxQuote(bytes)),
});

fuzz({
  name: 'TCG event logs',
  seeds: [
    forgeTcgLog(BOOT_EVENTS),
    forgeTcgLog(BOOT_EVENTS, new Uint8Array(40)),
    forgeTcgLog(BOOT_EVENTS, new Uint8Array(40).fill(0xff)),
    forgeTcgLog(BOOT_EVENTS, new Uint8Array(), ['sha256', 'sha384']),
  ],
  decode: (bytes) => encodeTcgEventLog(parseTcgEventLog(bytes)),
});

fuzz({
  name: 'RTMR3 logs',
  seeds: [
    encodeRuntimeLog([
      { type: 'launch-policy', content: new Uint8Array(48) },
      { type: 'model', content: new Uint8Array(32) },
    ]),
  ],
  decode: (bytes) => encodeRuntimeLog(decodeRuntimeLog(bytes)),
});

/** For formats without an encoder: decoded or refused, nothing else. */
const decodes = (name: string, seed: Uint8Array, decode: (bytes: Uint8Array) => unknown): void =>
  fuzz({
    name,
    seeds: [seed],
    decode: async (bytes) => {
      await decode(bytes);
      return undefined;
    },
  });

decodes('collateral files', utf8(JSON.stringify(collateral)), (bytes) => parseTdxCollateral(bytes));
decodes('TCB info', utf8(collateral.tcb_info), (bytes) =>
  parseTcbInfo(fromUtf8(bytes), new Uint8Array(64)),
);
decodes('QE identity', utf8(collateral.qe_identity), (bytes) =>
  parseQeIdentity(fromUtf8(bytes), new Uint8Array(64)),
);
decodes('PCK CRLs', fromHex(collateral.pck_crl), parseCrl);
decodes('PCK certificates', intel.pck.der, (bytes) => pckPlatform(parseCertificate(bytes)));
decodes('TDX policies', utf8(JSON.stringify(referenceValues())), (bytes) =>
  tdxPolicy(parseStrictJson(bytes, 'the policy', 'POLICY_INVALID')),
);

interface PcsAnswer {
  readonly path: string;
  readonly body: Uint8Array;
  /** Name and PEM of the header that has the issuer chain. */
  readonly chain?: readonly [string, string];
}
/** Intel's PCS, or a PCCS, by the paths of its answers. */
const pcs: readonly PcsAnswer[] = [
  {
    path: '/tdx/certification/v4/tcb',
    body: utf8(`{"tcbInfo":${collateral.tcb_info},"signature":"${collateral.tcb_info_signature}"}`),
    chain: ['tcb-info-issuer-chain', collateral.tcb_info_issuer_chain],
  },
  {
    path: '/tdx/certification/v4/qe/identity',
    body: utf8(
      `{"enclaveIdentity":${collateral.qe_identity},"signature":"${collateral.qe_identity_signature}"}`,
    ),
    chain: ['sgx-enclave-identity-issuer-chain', collateral.qe_identity_issuer_chain],
  },
  {
    path: '/sgx/certification/v4/pckcrl',
    body: fromHex(collateral.pck_crl),
    chain: ['sgx-pck-crl-issuer-chain', collateral.pck_crl_issuer_chain],
  },
  { path: '/sgx/certification/v4/rootcacrl', body: utf8(collateral.root_ca_crl) },
];

/** Collateral as it is fetched where one answer, whoever signed it, is this. */
function fetchWith(changed: PcsAnswer): Promise<unknown> {
  const fetch = async (url: string | URL | Request): Promise<Response> => {
    const { pathname } = new URL(String(url));
    const { body, chain } = [changed, ...pcs].find(({ path }) => path === pathname) ?? changed;
    const headers = chain === undefined ? {} : { [chain[0]]: encodeURIComponent(chain[1]) };
    return new Response(new Uint8Array(body), { headers });
  };
  const now = () => new Date('2026-11-21T00:00:00Z');
  const source = new EndorsementSource({ now, fetch, sleep: async () => {} });
  const request = { ...SIMULATED_PLATFORM, ca: 'platform', authentic: async () => {} } as const;
  return fetchTdxCollateral(source, request, 'https://pcs.example');
}

for (const answer of pcs) {
  const { path, body, chain } = answer;
  decodes(`PCS answers to ${path}`, body, (bytes) => fetchWith({ ...answer, body: bytes }));
  if (chain === undefined) continue;
  decodes(`issuer chains of ${path}`, utf8(chain[1]), (bytes) =>
    fetchWith({ ...answer, chain: [chain[0], fromUtf8(bytes)] }),
  );
}

/** What the two signatures of a quote cover. Text around the PEM blocks and padding are not. */
const covered = (bytes: Uint8Array): string => {
  const quote = parseTdxQuote(bytes);
  return [quote.signedBytes, quote.qeReport.bytes, quote.qeAuthenticationData].map(toHex).join();
};
const genuine = new Set(quotes.map(covered));
const cache = new TdxCache();

fuzz({
  name: 'TDX verdicts',
  seeds: quotes,
  deadline: 10_000,
  decode: async (bytes) => {
    const options = { at: new Date('2026-11-21T00:00:00Z'), roots: four.roots, cache };
    const result = await verifyTdx(bytes, collateral, tdxPolicy({}), options);
    if (!result.authentic) throw new AssayError('TDX_QUOTE_SIGNATURE', result.summary);
    if (!genuine.has(covered(bytes))) throw new Error('a quote that nobody signed was accepted');
    return undefined;
  },
});
