import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { verifyTdx } from '../../attestation/appraisal/verify-tdx.js';
import type { CollateralText } from '../../attestation/endorsements/intel.js';
import { repositoryRoot } from '../vectors.js';
import { buildGo } from './peers.js';

/** One question to a verifier: a genuine quote, or what was made of one. */
export interface Question {
  readonly name: string;
  readonly quote: Uint8Array;
  readonly collateral: CollateralText;
  readonly at: string;
  /** DER root in place of Intel's. */
  readonly root?: Uint8Array;
}

/** TCB status, or why there is none. */
export interface Answer {
  readonly status: string | null;
  readonly advisories?: readonly string[];
  readonly reason: string;
}

async function ours({ quote, collateral, at, root }: Question): Promise<Answer> {
  const options = { at: new Date(at), ...(root === undefined ? {} : { roots: [root] }) };
  const { authentic, tcb, summary } = await verifyTdx(quote, collateral, {}, options);
  return authentic && tcb !== undefined
    ? { status: tcb.status, advisories: tcb.advisories ?? [], reason: '' }
    : { status: null, reason: summary };
}

/** Where a peer differs, and the rule that decides it. A case that no longer differs fails too. */
export type Differences = Readonly<Record<string, string>>;

/** Compares a peer's answers with Assay's; throws for a difference that nothing explains. */
export async function judge(
  peer: string,
  questions: readonly Question[],
  answers: readonly Answer[],
  known: Differences,
): Promise<void> {
  const lines: string[] = [];
  const wrong: string[] = [];
  for (const [i, question] of questions.entries()) {
    const [mine, theirs] = [await ours(question), answers[i] ?? assert.fail('no answer')];
    const same =
      mine.status === theirs.status &&
      (theirs.advisories === undefined ||
        theirs.advisories.join() === (mine.advisories ?? []).join());
    const why = known[question.name];
    const told = `${question.name}: assay ${mine.status ?? 'refuses'}, ${peer} ${theirs.status ?? `refuses (${theirs.reason})`}`;
    if (same && why !== undefined) wrong.push(`${told}: agrees by now`);
    else if (!same && why === undefined) wrong.push(`${told}: nothing explains it`);
    else lines.push(`  ${told}${why === undefined ? '' : `\n      ${why}`}`);
  }
  console.log(lines.join('\n'));
  assert.equal(wrong.join('\n'), '');
}

interface Report {
  readonly status: string;
  readonly advisory_ids: readonly string[];
}

interface Phala {
  readonly QuoteVerifier: {
    newProd(): PhalaVerifier;
    newWithRootCa(root: Buffer): PhalaVerifier;
  };
}

interface PhalaVerifier {
  verify(quote: Uint8Array, collateral: object, now: number): Report;
}

const peers = join(repositoryRoot, '.cache/bench');

/** For `skip`: a message where `make test-interop` has not installed the peer. */
export const withoutPhala: string | false = existsSync(join(peers, 'node_modules/@phala/dcap-qvl'))
  ? false
  : '@phala/dcap-qvl is not installed: make test-interop installs it';

/** What `@phala/dcap-qvl` answers. */
export function askPhala(questions: readonly Question[]): Answer[] {
  const { QuoteVerifier } = createRequire(join(peers, 'package.json'))('@phala/dcap-qvl') as Phala;
  return questions.map(({ quote, collateral, at, root }): Answer => {
    const verifier = root
      ? QuoteVerifier.newWithRootCa(Buffer.from(root))
      : QuoteVerifier.newProd();
    try {
      const seconds = Math.floor(Date.parse(at) / 1000);
      const report = verifier.verify(Buffer.from(quote), collateral, seconds);
      const advisories = [...report.advisory_ids].sort();
      return { status: report.status, advisories, reason: '' };
    } catch (error) {
      return { status: null, reason: error instanceof Error ? error.message : String(error) };
    }
  });
}

/** What `go-tdx-guest` answers; it is built first. */
export function askGo(questions: readonly Question[]): Answer[] {
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
  const input = questions
    .map(({ quote, root, ...rest }) =>
      JSON.stringify({ ...rest, quote: base64(quote), ...(root && { root: base64(root) }) }),
    )
    .join('\n');
  const answers = execFileSync(buildGo('go-tdx-guest'), {
    input,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  return (
    answers
      .toString()
      .trim()
      .split('\n')
      // The peer's warnings come on standard output as well.
      .filter((line) => line.startsWith('{'))
      .map((line): Answer => {
        const { verify } = JSON.parse(line);
        // It tells the status of a refused platform in its message only.
        const status = /TCB Status is not "UpToDate", found "(\w+)"$/.exec(verify)?.[1];
        return { status: verify === '' ? 'UpToDate' : (status ?? null), reason: verify };
      })
  );
}
