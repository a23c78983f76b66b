import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { build } from 'esbuild';
import type { AttestationResult } from '../../attestation/index.js';
import { forgeSnp } from '../forge/amd.js';
import { forgeTdx } from '../forge/intel.js';
import { FORGED_AT } from '../forge/judge-snp.js';
import { repositoryRoot, vectorCases, vectorFile, withoutVectors } from '../vectors.js';
import { appraiseCase, type BrowserCase } from './page.js';

const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome', 'chrome'];
const browser =
  process.env['CHROMIUM'] ??
  BROWSERS.find((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0);
const DEADLINE = 120_000;

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

function genuineCases(): BrowserCase[] {
  const snp = vectorCases('snp').map((name): BrowserCase => {
    const file = (path: string): Buffer => vectorFile('snp', name, path);
    return {
      name: `snp/${name}`,
      tee: 'snp',
      evidence: base64(file('report.bin')),
      endorsements: ['vek.der', 'ask.pem', 'ark.pem'].map((path) => base64(file(path))),
      roots: null,
      at: JSON.parse(file('case.json').toString('utf8')).verifyAt,
    };
  });
  const tdx = vectorCases('tdx').map((name): BrowserCase => {
    const file = (path: string): Buffer => vectorFile('tdx', name, path);
    return {
      name: `tdx/${name}`,
      tee: 'tdx',
      evidence: base64(file('quote.bin')),
      endorsements: [base64(file('collateral.json'))],
      roots: null,
      at: JSON.parse(file('case.json').toString('utf8')).verifyAt,
    };
  });
  return [...snp, ...tdx];
}

async function simulatedCases(): Promise<BrowserCase[]> {
  const tdx = ([4, 5] as const).map(async (version): Promise<BrowserCase> => {
    const { quote, collateral, roots } = await forgeTdx({ version });
    return {
      name: `simulated TDX, quote version ${version}`,
      tee: 'tdx',
      evidence: base64(quote),
      endorsements: [base64(Buffer.from(JSON.stringify(collateral)))],
      roots: roots.map(base64),
      at: FORGED_AT.toISOString(),
    };
  });
  return Promise.all([
    ...tdx,
    ...(['Milan', 'Genoa', 'Turin'] as const).map(async (product): Promise<BrowserCase> => {
      const { report, endorsements, roots } = await forgeSnp({ product });
      return {
        name: `simulated ${product}`,
        tee: 'snp',
        evidence: base64(report),
        endorsements: [...endorsements.certificates, ...endorsements.crls].map(base64),
        roots: roots.map(base64),
        at: FORGED_AT.toISOString(),
      };
    }),
  ]);
}

async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(repositoryRoot, 'build/test/browser/page.js')],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    minify: true,
  });
  return outputFiles[0]?.text ?? assert.fail('esbuild made nothing');
}

async function body(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const part of request) text += String(part);
  return text;
}

/** Serves page, code and cases on the loopback address, and waits for what the page posts. */
async function inBrowser(cases: readonly BrowserCase[]): Promise<AttestationResult[]> {
  const script = await bundle();
  const profile = await mkdtemp(join(tmpdir(), 'assay-browser-'));
  const files: Readonly<Record<string, readonly [type: string, text: string]>> = {
    '/': ['text/html', '<!doctype html><script type="module" src="/page.js"></script>'],
    '/page.js': ['text/javascript', script],
    '/cases.json': ['application/json', JSON.stringify(cases)],
  };
  let resolve: (results: AttestationResult[]) => void = () => {};
  let reject: (error: Error) => void = () => {};
  const results = new Promise<AttestationResult[]>((keep, refuse) => {
    [resolve, reject] = [keep, refuse];
  });
  const server = createServer(async (request, response) => {
    if (request.method === 'POST') {
      const text = await body(request);
      if (request.url === '/results') resolve(JSON.parse(text));
      else reject(new Error(`the page failed: ${text}`));
    }
    const [type, text] = files[request.url ?? ''] ?? ['text/plain', ''];
    response.writeHead(200, { 'content-type': type }).end(text);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  const child = spawn(
    browser ?? '',
    [
      ...['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
      ...['--no-first-run', '--no-proxy-server', `--user-data-dir=${profile}`],
      `http://127.0.0.1:${port}/`,
    ],
    { stdio: 'ignore' },
  );
  const deadline = setTimeout(() => reject(new Error('no result in time')), DEADLINE);
  child.once('error', reject);
  child.once('exit', (code) => reject(new Error(`the browser ended with ${code}`)));
  try {
    return await results;
  } finally {
    clearTimeout(deadline);
    const gone = new Promise((done) => child.once('close', done));
    if (child.kill()) await gone;
    server.closeAllConnections();
    server.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

test('a browser comes to the same results as Node, check by check', {
  skip: browser === undefined && 'there is no Chromium here',
}, async (t) => {
  if (withoutVectors !== false) t.diagnostic(withoutVectors);
  const cases = [...(await simulatedCases()), ...genuineCases()];
  const theirs = await inBrowser(cases);
  assert.equal(theirs.length, cases.length);
  for (const [i, item] of cases.entries()) {
    await t.test(item.name, async () => {
      const ours = await appraiseCase(item);
      assert.deepEqual(theirs[i], JSON.parse(JSON.stringify(ours)));
      t.diagnostic(`${item.name}: ${ours.authentic ? 'authentic' : ours.code}`);
    });
  }
});
