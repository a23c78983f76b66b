import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { AuthenticateTdxOptions } from '../../attestation/appraisal/authenticate-tdx.js';
import { TdxCache } from '../../attestation/appraisal/tdx-cache.js';
import { verifyTdx } from '../../attestation/appraisal/verify-tdx.js';
import { toHex } from '../../attestation/encoding/bytes.js';
import { readCollateralText } from '../../attestation/endorsements/intel.js';
import { parseTdxQuote } from '../../attestation/evidence/tdx-quote.js';
import { nativeP256 } from '../../src/system/native-p256.js';
import { tdxPolicy } from '../forge/platform-policy.js';
import { repositoryRoot, vectorFile, vectorPath, withoutVectors } from '../vectors.js';
import {
  type Contender,
  type Cost,
  costOf,
  median,
  ratioOf,
  sideBySide,
} from './support/measure.js';
import { Report } from './support/report.js';

const ROUNDS = 100;
/** New processes of each contender. */
const PROCESSES = 15;
/** Verifications in a row, so that none pays for what the contender before it left behind. */
const BATCH = 5;
const CASE = 'v4-uptodate';

interface Peer {
  verify(quote: Uint8Array, collateral: object, now: number): { readonly status: string };
}

const folder = join(repositoryRoot, '.cache/bench');

/** The peer from `test/bench/peers`, where `make bench` installs it. */
function loadPeer(): Peer | undefined {
  if (!existsSync(join(folder, 'node_modules/@phala/dcap-qvl'))) return undefined;
  return createRequire(join(folder, 'package.json'))('@phala/dcap-qvl') as Peer;
}

/** A contender that verifies a batch, after one verification that is not measured. */
function batched(name: string, run: () => unknown): Contender {
  return {
    name,
    before: run,
    run: async () => {
      for (let i = 0; i < BATCH; i++) await run();
    },
  };
}

/** The longest turn of the event loop while one verification runs, milliseconds; median of rounds. */
async function longestTurn(run: () => Promise<void>): Promise<number> {
  const longest: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    let turn = 0;
    let running = true;
    let last = performance.now();
    const verified = run().finally(() => {
      running = false;
    });
    while (running) {
      await setImmediate();
      const now = performance.now();
      turn = Math.max(turn, now - last);
      last = now;
    }
    await verified;
    longest.push(turn);
  }
  return median(longest);
}

function must(holds: boolean): void {
  if (!holds) throw new Error('a contender refused genuine evidence');
}

async function main(results: Report): Promise<void> {
  const quote = new Uint8Array(vectorFile('tdx', CASE, 'quote.bin'));
  const collateral = readCollateralText(vectorFile('tdx', CASE, 'collateral.json'));
  const { verifyAt } = JSON.parse(vectorFile('tdx', CASE, 'case.json').toString()) as {
    readonly verifyAt: string;
  };
  const at = new Date(verifyAt);
  const { report } = parseTdxQuote(quote);
  const [rtmr0, rtmr1, rtmr2] = report.rtmrs.map((rtmr) => [toHex(rtmr)]);
  const policy = tdxPolicy({ mrTd: [toHex(report.mrTd)], rtmr0, rtmr1, rtmr2 });
  const appraise = async (options: Partial<AuthenticateTdxOptions>): Promise<void> =>
    must((await verifyTdx(quote, collateral, policy, { at, ...options })).affirmed);
  // As the command line and the client for Node verify; the pinned root is a constant of the program.
  const native = (): Promise<void> => appraise({ cache: new TdxCache(), p256: nativeP256 });
  const portable = (): Promise<void> => appraise({ cache: new TdxCache() });
  const cache = new TdxCache();
  const peer = loadPeer();
  const peerQuote = Buffer.from(quote);
  const seconds = Math.floor(at.getTime() / 1000);
  const batches = await sideBySide(
    [
      batched('assay, nothing remembered', native),
      batched('assay, collateral verified before', () => appraise({ cache, p256: nativeP256 })),
      batched('assay with WebCrypto, nothing remembered', portable),
      ...(peer === undefined
        ? []
        : [
            batched('@phala/dcap-qvl', () =>
              must(peer.verify(peerQuote, collateral, seconds).status === 'UpToDate'),
            ),
          ]),
    ],
    ROUNDS,
  );
  const costs = batches.map(({ name, times }) =>
    costOf(
      name,
      times.map((time) => time / BATCH),
    ),
  );
  results.costs(`TDX, ${CASE}: ${ROUNDS} rounds of ${BATCH}, each verification`, costs);
  results.table(
    `TDX, ${CASE}: the longest turn of the event loop, nothing remembered`,
    ['cryptography', 'ms'],
    [
      ['Node', await longestTurn(native)],
      ['WebCrypto', await longestTurn(portable)],
    ],
  );
  const [cold, warm, , theirs] = costs;
  if (cold === undefined || warm === undefined || theirs === undefined) {
    console.log('  @phala/dcap-qvl is not installed: run make bench');
    return;
  }
  for (const [what, ours, limit] of [
    ['nothing remembered', cold, 5],
    ['collateral verified before', warm, 15],
  ] as const) {
    const bar = { what: `@phala/dcap-qvl, against ${what}`, limit, atLeast: true };
    results.bar({ ...bar, ...ratioOf(theirs, ours) });
  }
  results.costs(
    `TDX, ${CASE}: import and first verification of ${PROCESSES} new processes`,
    firstVerifications(verifyAt),
  );
}

function firstVerifications(verifyAt: string): readonly Cost[] {
  const script = fileURLToPath(new URL('support/first-tdx.js', import.meta.url));
  const evidence = ['quote.bin', 'collateral.json'].map((file) => vectorPath('tdx', CASE, file));
  const contenders = [
    ['assay', 'assay'],
    ['@phala/dcap-qvl', folder],
  ] as const;
  const times = contenders.map((): number[] => []);
  for (let round = 0; round < PROCESSES; round++) {
    contenders.forEach(([, argument], i) => {
      const answer = execFileSync(process.execPath, [script, argument, ...evidence, verifyAt]);
      times[i]?.push(Number(answer.toString()));
    });
  }
  return contenders.map(([name], i) => costOf(name, times[i] ?? []));
}

if (withoutVectors === false) {
  const results = new Report('tdx');
  await main(results);
  results.write();
} else console.log(`TDX: skipped, ${withoutVectors}`);
