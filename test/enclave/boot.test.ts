import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { appraiseBundle } from '../../attestation/appraisal/appraise.js';
import { decodeBundle } from '../../attestation/evidence/bundle.js';
import { decodeRuntimeLog } from '../../attestation/evidence/event-log.js';
import type { ManifestModel } from '../../attestation/evidence/manifest-model.js';
import type { ServedModel } from '../../enclave/manifest.js';
import {
  affirmingPolicy,
  bootOptions,
  bootServing,
  evidenceOf,
  launch,
  launchPolicyFor,
  rootsOf,
  servedModel,
} from '../forge/enclave.js';

const double = servedModel('double', 2);
const triple = servedModel('triple', 3);

/** A model, made up from another, with so many outputs. */
function servedWithOutputs(count: number): ServedModel {
  const { identity, ...served } = double;
  const [output] = identity.outputs;
  assert.ok(output !== undefined);
  const outputs = Array.from({ length: count }, (_, i) => ({ ...output, name: `y${i}` }));
  return { ...served, identity: { ...identity, outputs } };
}

const nonce = new Uint8Array(randomBytes(32));
const at = new Date();

for (const tee of ['sev-snp', 'tdx'] as const) {
  describe(`an enclave on simulated ${tee}`, () => {
    test('serves what was pinned, and is affirmed', async () => {
      const platform = await launch(tee, launchPolicyFor(double, triple));
      const enclave = await bootServing(bootOptions(platform, [triple, double]));
      const { result, enclave: appraised } = await appraiseBundle(
        await evidenceOf(enclave, nonce),
        affirmingPolicy([double, triple]),
        { at, nonce, roots: rootsOf(platform) },
      );
      assert.equal(result.code, null, result.summary);
      assert.equal(result.affirmed && result.authentic && result.fresh && result.simulated, true);
      const vendor = tee === 'tdx' ? 'Intel' : 'AMD';
      const named = new RegExp(`^The caller named the root .+ in place of ${vendor}’s\\.$`, 'm');
      assert.match(result.caveats.join('\n'), named);
      assert.deepEqual(appraised?.manifestBytes, enclave.manifestBytes);
      assert.deepEqual(
        enclave.manifest.models.map(({ name }) => name),
        ['double', 'triple'],
      );
    });

    test('refuses another model than the one that was pinned', async () => {
      const policy = launchPolicyFor(double);
      const platform = await launch(tee, policy);
      const swapped = bootOptions(platform, [triple], { launchPolicy: policy });
      await assert.rejects(bootServing(swapped), { code: 'LAUNCH_POLICY_MODEL' });
    });

    test('refuses another model than the one that was pinned before it tells of it', async () => {
      const platform = await launch(tee, launchPolicyFor(double));
      const enclave = await bootServing(bootOptions(platform, [double]));
      const told = async () => decodeBundle(await evidenceOf(enclave, nonce)).eventLog;
      const before = await told();
      await assert.rejects(enclave.admission.admit(triple), { code: 'LAUNCH_POLICY_MODEL' });
      assert.deepEqual(await told(), before);
    });

    test('refuses another launch policy than the one that was pinned', async () => {
      const platform = await launch(tee, launchPolicyFor(double));
      await assert.rejects(bootServing(bootOptions(platform, [triple])), {
        code: 'LAUNCH_POLICY_MISMATCH',
        message: tee === 'tdx' ? /^expected MRCONFIGID / : /^expected HOST_DATA /,
      });
    });

    test('refuses to start without the launch policy that was pinned', async () => {
      const platform = await launch(tee, launchPolicyFor(double));
      const options = bootOptions(platform, [double], { launchPolicy: null });
      await assert.rejects(bootServing(options), { code: 'LAUNCH_POLICY_MISMATCH' });
    });

    test('refuses another execution than the one that was pinned', async () => {
      const { identity } = double;
      const entry = { graph: identity.graph, execution: new Uint8Array(32) };
      const policy = { ...launchPolicyFor(double), models: [entry] };
      const platform = await launch(tee, policy);
      const options = bootOptions(platform, [double], { launchPolicy: policy });
      await assert.rejects(bootServing(options), { code: 'LAUNCH_POLICY_EXECUTION' });
    });

    for (const rule of ['development', 'plaintext'] as const) {
      test(`serves with ${rule} where the launch policy allows it`, async () => {
        const launchPolicy = { ...launchPolicyFor(double), [rule]: true };
        const configuration = { development: false, plaintext: false, [rule]: true };
        const platform = await launch(tee, launchPolicy);
        const options = bootOptions(platform, [double], { launchPolicy, configuration });
        const { manifest } = await bootServing(options);
        assert.equal(manifest.models.length, 1);
      });

      test(`refuses ${rule} that the launch policy does not allow`, async () => {
        const platform = await launch(tee, launchPolicyFor(double));
        const configuration = { development: false, plaintext: false, [rule]: true };
        await assert.rejects(bootServing(bootOptions(platform, [double], { configuration })), {
          code: 'LAUNCH_POLICY_CONFIGURATION',
        });
      });
    }

    test('without a launch policy serves, and the verdict says that nothing is pinned', async () => {
      const platform = await launch(tee, null);
      const enclave = await bootServing(bootOptions(platform, [double], { launchPolicy: null }));
      const bundle = await evidenceOf(enclave, nonce);
      const options = { at, nonce, roots: rootsOf(platform) };
      const strict = await appraiseBundle(bundle, affirmingPolicy([double]), options);
      assert.equal(strict.result.code, 'enclave.launch-policy.pinned');
      const waived = affirmingPolicy([double], { allowUnpinned: true });
      const lenient = await appraiseBundle(bundle, waived, options);
      assert.equal(lenient.result.affirmed, true, lenient.result.summary);
      const pinned = lenient.result.checks.find(({ id }) => id === 'enclave.launch-policy.pinned');
      assert.equal(pinned?.outcome, 'waived');
    });

    test('states no more models than verifiers read, and goes on with those that it stated', async () => {
      const platform = await launch(tee, launchPolicyFor(double));
      const enclave = await bootServing(bootOptions(platform, [double]));
      const stated = enclave.manifestBytes;
      const [model] = enclave.manifest.models;
      assert.ok(model !== undefined);
      const versions = (length: number, of: ManifestModel) =>
        Array.from({ length }, (_, i) => ({ ...of, version: `${i}` }));
      const many = versions(1025, model);
      await assert.rejects(enclave.restate(many), { code: 'MANIFEST_MODELS' });
      const { outputs } = servedWithOutputs(1000).identity;
      const wide = versions(20, { ...model, outputs });
      await assert.rejects(enclave.restate(wide), { code: 'MANIFEST_SIZE' });
      assert.equal(enclave.manifestBytes, stated);
    });

    test('admits no model that has no room in a manifest, and tells the hardware of none', async () => {
      const wide = servedWithOutputs(16_400);
      const platform = await launch(tee, launchPolicyFor(wide));
      const enclave = await bootServing(
        bootOptions(platform, [], { launchPolicy: launchPolicyFor(wide) }),
      );
      const eventLog = async () => decodeBundle(await evidenceOf(enclave, nonce)).eventLog;
      const before = await eventLog();
      await assert.rejects(enclave.admission.admit(wide), {
        code: 'MANIFEST_SIZE',
        message: /not 131\d{3} and \d+: it has 1 inputs, 16400 outputs and 1 files$/,
      });
      assert.deepEqual(await eventLog(), before);
    });

    test('answers callers who ask together with one report, each with its own proof', async () => {
      const platform = await launch(tee, launchPolicyFor(double));
      let reports = 0;
      const counting = {
        ...platform,
        attest: (data: Uint8Array) => {
          reports += 1;
          return platform.attest(data);
        },
      };
      const enclave = await bootServing(bootOptions(counting, [double]));
      const nonces = Array.from({ length: 20 }, () => new Uint8Array(randomBytes(32)));
      const bundles = await Promise.all(nonces.map((each) => evidenceOf(enclave, each)));
      assert.equal(reports, 2);
      assert.deepEqual(
        bundles.map((bundle) => decodeBundle(bundle).challenge.size),
        [1, ...nonces.slice(1).map(() => 19)],
      );
      const options = { at, roots: rootsOf(platform) };
      for (const [i, bundle] of bundles.entries()) {
        const own = nonces[i] ?? new Uint8Array();
        const other = nonces[(i + 1) % nonces.length] ?? new Uint8Array();
        const policy = affirmingPolicy([double]);
        const mine = await appraiseBundle(bundle, policy, { ...options, nonce: own });
        assert.equal(mine.result.affirmed, true, mine.result.summary);
        const theirs = await appraiseBundle(bundle, policy, { ...options, nonce: other });
        assert.equal(theirs.result.code, 'BINDING_CHALLENGE');
      }
    });

    test('makes what those callers share of their bundles once', async () => {
      const platform = await launch(tee, launchPolicyFor(double));
      const enclave = await bootServing(bootOptions(platform, [double]));
      const ask = () => enclave.evidence(new Uint8Array(randomBytes(32)));
      const [, ...together] = await Promise.all(Array.from({ length: 20 }, ask));
      const own = new Set(together.flat()).size - 2;
      assert.equal(own, together.length);
    });

    for (const length of [0, 31, 33]) {
      test(`refuses a nonce of ${length} bytes`, async () => {
        const platform = await launch(tee, launchPolicyFor(double));
        const enclave = await bootServing(bootOptions(platform, [double]));
        await assert.rejects(enclave.evidence(new Uint8Array(length)), { code: 'BINDING_NONCE' });
      });
    }
  });
}

test('a failing platform fails the callers that wait, and not those who come later', async () => {
  const platform = await launch('sev-snp', launchPolicyFor(double));
  let broken = false;
  const flaky = {
    ...platform,
    attest: (data: Uint8Array) =>
      broken ? Promise.reject(new Error('throttled')) : platform.attest(data),
  };
  const enclave = await bootServing(bootOptions(flaky, [double]));
  broken = true;
  await assert.rejects(enclave.evidence(nonce), /throttled/);
  broken = false;
  assert.ok((await evidenceOf(enclave, nonce)).length > 0);
});

test('a manifest that the log does not take is not stated, and is appended when it is stated again', async (t) => {
  const platform = await launch('sev-snp', launchPolicyFor(double));
  const enclave = await bootServing(bootOptions(platform, [double]));
  const { manifestDigest } = enclave;
  const append = t.mock.method(enclave.issuer, 'append', async () => {
    throw new Error('the head cannot be signed');
  });
  await assert.rejects(enclave.restate([]), /cannot be signed/);
  assert.deepEqual(enclave.manifestDigest, manifestDigest);
  append.mock.restore();
  const { entries } = enclave.issuer.counts;
  await enclave.restate([]);
  assert.deepEqual(enclave.manifest.models, []);
  assert.equal(enclave.issuer.counts.entries, entries + 1);
});

test('an enclave boots again in the same guest where no register outlived the first, and not on TDX', async () => {
  const snp = await launch('sev-snp', launchPolicyFor(double));
  const [first, second] = [
    await bootServing(bootOptions(snp, [double])),
    await bootServing(bootOptions(snp, [double])),
  ];
  assert.notDeepEqual(first.manifest.epoch, second.manifest.epoch);
  const tdx = await launch('tdx', launchPolicyFor(double));
  await bootServing(bootOptions(tdx, [double]));
  await assert.rejects(bootServing(bootOptions(tdx, [double])), {
    code: 'PLATFORM_RTMR_UNKNOWN',
    message: /before this process began: expected a reboot of the guest /,
  });
});

test('an enclave whose launch policy RTMR3 does not take does not boot', async () => {
  const platform = await launch('tdx', launchPolicyFor());
  assert.ok(platform.rtmr3 !== undefined);
  const rtmr3 = { ...platform.rtmr3, extend: () => Promise.reject(new Error('busy')) };
  await assert.rejects(bootServing(bootOptions({ ...platform, rtmr3 }, [])), /^Error: busy$/);
});

test('an unload that RTMR3 did not take is told of with the next evidence that it takes', async () => {
  const platform = await launch('tdx', launchPolicyFor(double));
  const { rtmr3 } = platform;
  assert.ok(rtmr3 !== undefined);
  let busy = false;
  const extend: typeof rtmr3.extend = (...event) =>
    busy ? Promise.reject(new Error('busy')) : rtmr3.extend(...event);
  const flaky = { ...platform, rtmr3: { ...rtmr3, extend } };
  const enclave = await bootServing(bootOptions(flaky, [double]));
  const [served] = enclave.manifest.models;
  assert.ok(served);
  await enclave.restate([]);
  busy = true;
  await assert.rejects(enclave.admission.retire(served), /^Error: busy$/);
  const types = async () => {
    const { eventLog } = decodeBundle(await evidenceOf(enclave, nonce));
    return decodeRuntimeLog(eventLog ?? new Uint8Array()).map(({ type }) => type);
  };
  assert.deepEqual(await types(), ['launch-policy', 'model']);
  busy = false;
  assert.deepEqual(await types(), ['launch-policy', 'model', 'unload']);
  assert.deepEqual(await types(), ['launch-policy', 'model', 'unload']);
});

test("a load that RTMR3's log has no room for is refused, and what is served is attested still", async () => {
  const platform = await launch('tdx', launchPolicyFor(double));
  const enclave = await bootServing(bootOptions(platform, [double]));
  const reload = async () => enclave.admission.retire(await enclave.admission.admit(double));
  // The launch policy, the model that is served and its unloading, and 2046 loads with their unloading.
  for (let load = 0; load < 2046; load++) await reload();
  await assert.rejects(reload(), { code: 'EVENT_LOG_FULL' });
  const options = { at, nonce, roots: rootsOf(platform) };
  const appraised = async () =>
    appraiseBundle(await evidenceOf(enclave, nonce), affirmingPolicy([double]), options);
  assert.equal((await appraised()).result.code, null);

  const [served] = enclave.manifest.models;
  assert.ok(served);
  await enclave.restate([]);
  await enclave.admission.retire(served);
  assert.equal((await appraised()).result.code, null);
});
