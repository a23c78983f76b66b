import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { appraiseBundle } from '../../../attestation/appraisal/appraise.js';
import { concat, utf8 } from '../../../attestation/encoding/bytes.js';
import {
  decodeBundle,
  type EvidenceBundle,
  encodeBundle,
} from '../../../attestation/evidence/bundle.js';
import { azureMachine } from '../../forge/azure-machine.js';
import {
  affirmingPolicy,
  bootOptions,
  bootServing,
  evidenceOf,
  rootsOf,
  servedModel,
} from '../../forge/enclave.js';
import { runtimeClaims } from '../../forge/paravisor.js';

const DATA = Uint8Array.from({ length: 64 }, (_, index) => index);
const at = new Date();

describe('an enclave under Azure’s paravisor', async () => {
  const model = servedModel('double', 2);
  const nonce = new Uint8Array(randomBytes(32));
  const lenient = { allowUnpinned: true, allowMissingEventLog: true };

  for (const tee of ['sev-snp', 'tdx'] as const) {
    const { hardware, open } = await azureMachine(tee);
    const platform = await open();
    const options = bootOptions(hardware, [model], { platform, launchPolicy: null });
    const bundle = await evidenceOf(await bootServing(options), nonce);
    const { endorsements } = await hardware.attest(DATA);
    const judge = async (change: (bundle: EvidenceBundle) => EvidenceBundle, own = nonce) => {
      const changed = encodeBundle(change(decodeBundle(bundle)));
      const { result } = await appraiseBundle(changed, affirmingPolicy([model], lenient), {
        at,
        nonce: own,
        roots: rootsOf(hardware),
        ...(tee === 'tdx' && endorsements && { endorsements: { intel: endorsements } }),
      });
      return result;
    };

    test(`${tee}: is affirmed, and the verdict says what was measured`, async () => {
      const result = await judge((honest) => honest);
      assert.equal(result.code, null, result.summary);
      assert.ok(result.affirmed && result.fresh);
      const member = tee === 'tdx' ? 'tdx' : 'snp';
      const bound = result.checks.find(({ id }) => id === `${member}.runtime-claims`);
      assert.equal(bound?.outcome, 'pass');
      assert.ok(result.caveats.some((caveat) => caveat.includes('paravisor')));
    });

    const honestClaims = decodeBundle(bundle).runtimeClaims ?? new Uint8Array();
    const cases: readonly (readonly [string, (b: EvidenceBundle) => EvidenceBundle, string])[] = [
      ['without its claims', ({ runtimeClaims: _, ...rest }) => rest, 'BINDING_REPORT_DATA'],
      [
        'with claims of this guest’s making',
        (b) => ({ ...b, runtimeClaims: utf8(runtimeClaims('00'.repeat(64))) }),
        'BINDING_RUNTIME_CLAIMS',
      ],
      [
        'with one bit of the claims changed',
        (b) => ({ ...b, runtimeClaims: honestClaims.with(20, (honestClaims[20] ?? 0) ^ 1) }),
        'BINDING_RUNTIME_CLAIMS',
      ],
      ['with claims that are no JSON', (b) => ({ ...b, runtimeClaims: utf8('{') }), 'HCL_CLAIMS'],
      [
        'with claims that say user-data twice',
        (b) => ({
          ...b,
          runtimeClaims: utf8(`{"user-data":"${'00'.repeat(64)}","user-data":""}`),
        }),
        'HCL_CLAIMS',
      ],
      [
        'with another manifest',
        (b) => ({ ...b, manifest: concat(b.manifest, Uint8Array.of(0)) }),
        'BINDING_REPORT_DATA',
      ],
    ];
    for (const [what, change, expected] of cases) {
      test(`${tee}: ${what} it is not authentic`, async () => {
        const result = await judge(change);
        assert.equal(result.code, expected, result.summary);
        assert.equal(result.authentic, false);
      });
    }

    test(`${tee}: for another nonce it is not authentic`, async () => {
      const result = await judge((honest) => honest, new Uint8Array(32));
      assert.equal(result.code, 'BINDING_CHALLENGE');
    });
  }
});
