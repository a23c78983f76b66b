import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createContext, runInContext } from 'node:vm';
import { build } from 'esbuild';
import { toBase64, toHex } from '../../attestation/encoding/bytes.js';

import { SIMULATED_MEASUREMENT } from '../../enclave/platform/simulator/snp.js';
import {
  bootOptions,
  bootServing,
  evidenceOf,
  launch,
  launchPolicyFor,
  rootsOf,
  servedModel,
} from '../forge/enclave.js';
import { repositoryRoot } from '../vectors.js';

test('the package loads under its own name, with the errors that its functions document', () => {
  const script = `
    import { attest, connect, tensor, NotAffirmedError, NoQuorumError, UnaskedAnswerError } from 'assay';
    import { appraiseBundle, AssayError } from 'assay/attestation';
    const errors = [NotAffirmedError, NoQuorumError, UnaskedAnswerError];
    console.log([attest, connect, tensor, appraiseBundle].map((x) => typeof x).join());
    console.log(errors.every(({ prototype }) => prototype instanceof AssayError));
  `;
  const out = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
    cwd: repositoryRoot,
    encoding: 'utf8',
  });
  assert.equal(out, 'function,function,function,function\ntrue\n');
});

test('the package holds what its README refers to', async () => {
  const page = await readFile(join(repositoryRoot, 'README.md'), 'utf8');
  const { files }: { readonly files: readonly string[] } = JSON.parse(
    await readFile(join(repositoryRoot, 'package.json'), 'utf8'),
  );
  const linked = [...page.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, path = '']) => path);
  assert.ok(linked.includes('docs/hub.md'));
  const held = (path: string): boolean =>
    files.some((each) => path === each || path.startsWith(`${each}/`));
  assert.deepEqual(
    linked.filter((path) => !held(path)),
    [],
  );
});

/** Exit code and output of the compiler, in a folder. */
function tsc(flags: string, file: string, cwd: string): [code: number | null, out: string] {
  const program = join(repositoryRoot, 'node_modules', 'typescript', 'bin', 'tsc');
  const args = [program, ...flags.split(/\s+/), file];
  const { status, stdout } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8' });
  return [status, stdout];
}

for (const [module, resolution] of [
  ['nodenext', 'nodenext'],
  ['esnext', 'bundler'],
] as const) {
  // As strictly as projects may be: with what the package itself declares checked, and without a browser's types.
  const flags = `--noEmit --strict --exactOptionalPropertyTypes --ignoreConfig --types node --lib es2023
    --target es2023 --module ${module} --moduleResolution ${resolution}`;
  test(`the example in README compiles, with ${resolution} resolution`, () => compile(flags));
}

async function compile(flags: string): Promise<void> {
  const page = await readFile(join(repositoryRoot, 'README.md'), 'utf8');
  const [, example = ''] = /```ts\n([\s\S]*?)```/.exec(page) ?? [];
  assert.match(example, /services/);
  // Inside of the package, where its own name leads to its entry points.
  const folder = await mkdtemp(join(repositoryRoot, 'build', 'readme-'));
  try {
    const path = join(folder, 'example.mts');
    await writeFile(path, example);
    assert.deepEqual(tsc(flags, path, folder), [0, '']);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** A library's functions over what ours give, of which its own declarations have to name the types. */
const LIBRARY = `
  import type { Agreement, Inference, OutputDistance, QuorumAnswer, Session, Tally } from 'assay';
  import * as assay from 'assay/attestation';
  export const ofSession = ({ log, audit, evidence, manifest }: Session) => ({ log, audit, evidence, manifest });
  export const ofAnswer = ({ head, checks, claims }: Inference) => ({ head, checks, claims });
  export const ofQuorum = ({ tally }: QuorumAnswer) => tally;
  export const ofTally = ({ failed }: Tally) => failed;
  export const ofKey = ({ signingKey }: assay.Manifest) => signingKey;
  export const ofModel = ({ files, inputs, profile, selfTest }: assay.ManifestModel) =>
    ({ files, inputs, profile, selfTest });
  export const ofIdentity = ({ files, inputs, opsets, operators }: assay.ModelIdentity) =>
    ({ files, inputs, opsets, operators });
  export const ofPolicy = (value: unknown) => assay.parseLaunchPolicy(value);
  export const ofEntries = ({ models }: assay.LaunchPolicy) => models;
  export const ofAmd = (blobs: readonly Uint8Array[]) => assay.amdEndorsements(blobs);
  export const ofFile = ({ inputs, endorsements }: assay.ProofFile) => ({ inputs, endorsements });
  export const ofSource = (...options: ConstructorParameters<typeof assay.EndorsementSource>) => options;
  export const ofCache = ({ get, put }: assay.EndorsementCache) => ({ get, put });
  export const ofDigest = ({ models }: assay.LaunchPolicy) =>
    assay.launchPolicyDigest(assay.encodeLaunchPolicy({ models, development: false, plaintext: false }));
  export const ofDistance = ({ first, numeric }: OutputDistance) => ({ first, numeric });
  export const ofResult = ({ tee, tcb, claims }: assay.AttestationResult) => ({ tee, missed: tcb?.missed, claims });
  export const ofBundle = ({ challenge }: assay.EvidenceBundle) => challenge;
  export const ofExecution = ({ batching, profile }: assay.ManifestModel) => ({ batching, libraries: profile.libraries });
  export const ofEntry = ({ selfTest }: assay.LaunchPolicyModel) => selfTest;
  export const ofOptions = ({ endorsements, hmac }: assay.AppraiseProofOptions) => ({ endorsements, hmac });
  export const ofAgreement = ({ default: limits }: Agreement) => limits;
  export const ofReport = (...args: Parameters<typeof assay.verifySnp>) => args;
  export const ofQuote = (...args: Parameters<typeof assay.verifyTdx>) => args;
  export const ofModelFile = (...args: Parameters<typeof assay.identifyModel>) =>
    ({ args, external: assay.externalLocations(assay.readModel(args[0].bytes)) });
  export const ofGet = ({ get }: assay.EndorsementSource) => get;
`;

test("what the package gives has types that another package's declarations can name", async () => {
  const folder = await mkdtemp(join(tmpdir(), 'assay-library-'));
  try {
    const modules = join(folder, 'node_modules');
    await mkdir(modules);
    // As it is installed: its files are under node_modules, and only its entry points can be imported.
    await symlink(repositoryRoot, join(modules, 'assay'));
    await symlink(join(repositoryRoot, 'node_modules', '@types'), join(modules, '@types'));
    await writeFile(join(folder, 'library.mts'), LIBRARY);
    const flags = `--strict --skipLibCheck --preserveSymlinks --declaration --emitDeclarationOnly --ignoreConfig
      --types node --target es2023 --module nodenext`;
    assert.deepEqual(tsc(`${flags} --outDir ${folder}`, join(folder, 'library.mts'), folder), [
      0,
      '',
    ]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

/** What a browser has of what the verifier uses, and nothing of Node. */
const browser = {
  crypto: globalThis.crypto,
  TextEncoder,
  TextDecoder,
  atob,
  btoa,
  URL,
  AbortSignal,
  fetch,
  setTimeout,
};

test('the verifier, bundled for browsers, appraises evidence where nothing of Node exists', async () => {
  const { outputFiles, warnings } = await build({
    entryPoints: ['build/attestation/index.js'],
    absWorkingDir: repositoryRoot,
    bundle: true,
    format: 'iife',
    globalName: 'assay',
    platform: 'browser',
    write: false,
  });
  assert.deepEqual(warnings, []);
  const model = servedModel('scale', 2);
  const platform = await launch('sev-snp', launchPolicyFor(model));
  const enclave = await bootServing(bootOptions(platform, [model]));
  const nonce = new Uint8Array(randomBytes(32));
  const policy = {
    version: 1,
    snp: { measurements: [toHex(SIMULATED_MEASUREMENT)] },
    enclave: { models: [{ graph: toHex(model.identity.graph) }] },
  };
  const given = {
    evidence: toBase64(await evidenceOf(enclave, nonce)),
    nonce: toBase64(nonce),
    root: toBase64(rootsOf(platform)[0] ?? new Uint8Array()),
    policy: JSON.stringify(policy),
    at: new Date().toISOString(),
  };
  const context = createContext({ ...browser, given });
  runInContext('globalThis.window = globalThis; globalThis.self = globalThis;', context);
  runInContext(outputFiles[0]?.text ?? '', context);
  const verdict: unknown = await runInContext(
    `const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
     assay.appraiseBundle(bytes(given.evidence), assay.parsePolicy(JSON.parse(given.policy)), {
       at: new Date(given.at),
       nonce: bytes(given.nonce),
       roots: [bytes(given.root)],
     }).then(({ result }) => JSON.stringify([result.affirmed, result.fresh, result.summary]))`,
    context,
  );
  const [affirmed, fresh, summary] = JSON.parse(String(verdict));
  assert.deepEqual([affirmed, fresh], [true, true], summary);
});
