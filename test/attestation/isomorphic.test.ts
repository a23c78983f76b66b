import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { createContext, runInContext } from 'node:vm';
import { build } from 'esbuild';
import type * as Verifier from '../../attestation/index.js';
import { forgeBundle } from '../forge/bundle.js';
import { affirmingPolicy, servedModel } from '../forge/enclave.js';
import { repositoryRoot } from '../vectors.js';

/** What a browser's window has of what Node's global has. */
const WEB = {
  crypto,
  TextEncoder,
  TextDecoder,
  atob,
  btoa,
  URL,
  AbortController,
  AbortSignal,
  setTimeout,
  clearTimeout,
  Uint8Array,
  ArrayBuffer,
  DataView,
  structuredClone,
};

/** The verifier, bundled for a browser and run in a world without process, Buffer and require. */
async function inBrowser(): Promise<typeof Verifier> {
  const { outputFiles, warnings } = await build({
    entryPoints: [join(repositoryRoot, 'attestation', 'index.ts')],
    bundle: true,
    platform: 'browser',
    format: 'iife',
    globalName: 'assay',
    target: 'es2022',
    write: false,
    logLevel: 'silent',
  });
  assert.deepEqual(warnings, []);
  const world = createContext({ ...WEB });
  runInContext('globalThis.self = globalThis.window = globalThis;', world);
  runInContext(outputFiles[0]?.text ?? '', world);
  return runInContext('assay', world) as typeof Verifier;
}

test('the verifier appraises in a browser’s world as it does in Node', async () => {
  const verifier = await inBrowser();
  const models = [servedModel('double', 2)];
  const nonce = new Uint8Array(32).fill(7);
  for (const tee of ['sev-snp', 'tdx'] as const) {
    const { bytes, roots } = await forgeBundle(tee, models, nonce);
    const options = { at: new Date(), nonce, roots };
    const affirmed = await verifier.appraiseBundle(bytes, affirmingPolicy(models), options);
    assert.equal(affirmed.result.affirmed, true, affirmed.result.summary);
    const other = { ...options, nonce: new Uint8Array(32).fill(8) };
    const refused = await verifier.appraiseBundle(bytes, affirmingPolicy(models), other);
    assert.equal(refused.result.code, 'BINDING_CHALLENGE');
  }
});
