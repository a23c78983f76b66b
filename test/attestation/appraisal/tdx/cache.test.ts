import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TdxCache } from '../../../../attestation/appraisal/tdx-cache.js';
import { verifyTdx } from '../../../../attestation/appraisal/verify-tdx.js';
import { toPem } from '../../../../attestation/encoding/pem.js';
import { forgedIntel, forgeTdx, type IntelFault, strangerKey } from '../../../forge/intel.js';
import { set } from '../../../forge/json.js';
import { tdxPolicy } from '../../../forge/platform-policy.js';
import { referenceValues } from '../../../forge/tdx-case.js';

const policy = tdxPolicy(referenceValues());
const stranger = await strangerKey();
const { pck } = await forgedIntel();
const revoked = [
  { serialNumber: pck.template.serialNumber, date: new Date('2025-01-01T00:00:00Z') },
];

const FAULTS: readonly (readonly [string, IntelFault, string])[] = [
  [
    'another PCK for the same quoting enclave',
    {
      certificates: { pck: { template: (old) => ({ ...old, publicKey: stranger.publicKey }) } },
    },
    'TDX_QE_REPORT_SIGNATURE',
  ],
  [
    'another quote signature for the same attestation key',
    { members: (members) => ({ ...members, signature: new Uint8Array(64).fill(1) }) },
    'TDX_QUOTE_SIGNATURE',
  ],
  [
    'another QE report signature',
    { members: (members) => ({ ...members, qeReportSignature: new Uint8Array(64).fill(1) }) },
    'TDX_QE_REPORT_SIGNATURE',
  ],
  [
    'other documents under the same signatures',
    {
      collateral: (collateral) => ({
        ...collateral,
        tcb_info: set('tcbEvaluationDataNumber', 99)(collateral.tcb_info),
      }),
    },
    'COLLATERAL_SIGNATURE',
  ],
  [
    'the PCK chain of another platform beside the same collateral',
    {
      collateral: (collateral, { tcbSigning, root }) => ({
        ...collateral,
        pck_certificate_chain: [tcbSigning, root]
          .map(({ der }) => toPem(der, 'CERTIFICATE'))
          .join(''),
      }),
    },
    'COLLATERAL_PCK_CHAIN',
  ],
  ['a list that revokes the PCK', { pckCrl: { revoked } }, 'TDX_CERTIFICATE_REVOKED'],
];

test('what a cache knows changes no verdict', async () => {
  const cache = new TdxCache();
  const flawless = await forgeTdx();
  const judge = async (fault: IntelFault, at = '2026-11-21T00:00:00Z'): Promise<string | null> => {
    const { quote, collateral, roots } = await forgeTdx(fault);
    const options = { at: new Date(at), roots, cache };
    return (await verifyTdx(quote, collateral, policy, options)).code;
  };
  for (const [name, fault, code] of FAULTS) {
    for (let round = 0; round < 2; round++) {
      assert.equal(await judge({}), null, name);
      assert.equal(await judge(fault), code, name);
    }
  }
  assert.equal(await judge({}, '2023-01-01T00:00:00Z'), 'TDX_CERTIFICATE_NOT_YET_VALID');
  const { quote, collateral } = flawless;
  const pinned = await verifyTdx(quote, collateral, policy, { at: new Date(), cache });
  assert.equal(pinned.code, 'TDX_ROOT_UNTRUSTED');
});

test('collateral is remembered by its content, and only if it is no longer than it can be', async () => {
  const cache = new TdxCache();
  const { collateral } = await forgeTdx();
  if (typeof collateral === 'string' || collateral instanceof Uint8Array) assert.fail();
  const sizes = [0, 300 * 1024].map((padding) => ({
    ...collateral,
    tcb_info: `${' '.repeat(padding)}${collateral.tcb_info}`,
  }));
  for (const [i, text] of sizes.entries()) {
    const again = { ...text };
    const file = JSON.stringify(text);
    const members = [cache.members(file), cache.members(file)];
    const parsed = [cache.collateral(text, []), cache.collateral(again, [])];
    assert.equal(new Set(members).size, i + 1);
    assert.equal(new Set(parsed).size, i + 1);
  }
});

test('a cache is bounded, and forgets what was used least', async () => {
  const cache = new TdxCache();
  const { quote, collateral, roots } = await forgeTdx();
  const options = { at: new Date('2026-11-21T00:00:00Z'), roots, cache };
  for (let i = 0; i < 200; i++) cache.chain(`chain ${i}`, () => []);
  let parsed = 0;
  const count = () => {
    parsed += 1;
    return [];
  };
  cache.chain('chain 199', count);
  assert.equal(parsed, 0);
  cache.chain('chain 0', count);
  assert.equal(parsed, 1);
  assert.equal((await verifyTdx(quote, collateral, policy, options)).code, null);
});
