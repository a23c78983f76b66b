import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { before, describe, test } from 'node:test';
import type { AttestationResult } from '../../attestation/appraisal/result.js';
import { verifySnp } from '../../attestation/appraisal/verify-snp.js';
import { toHex } from '../../attestation/encoding/bytes.js';
import { amdEndorsements } from '../../attestation/endorsements/amd.js';
import type { SimulatedProduct } from '../../enclave/platform/simulator/snp.js';
import { type AmdFault, type ForgedSnp, forgeSnp } from '../forge/amd.js';
import { FORGED_AT } from '../forge/judge-snp.js';
import { snpPolicy } from '../forge/platform-policy.js';
import { FORGED_CHAINS } from '../forge/snp-chain-cases.js';
import { FORGED_POLICIES } from '../forge/snp-policy-cases.js';
import { FORGED_REPORTS } from '../forge/snp-report-cases.js';
import { vectorCases, vectorFile, withoutVectors } from '../vectors.js';
import { buildGo, withoutGo } from './peers.js';

const skip = withoutGo('go-sev-guest');

/** What the peer reads; base64, as Go's JSON has bytes. */
interface Question {
  readonly name: string;
  readonly report: string;
  readonly vcek?: string;
  readonly vlek?: string;
  readonly product?: string;
  readonly ark?: string;
  readonly ask?: string;
  readonly asvk?: string;
  readonly crl?: string;
  readonly at: string;
}

interface Answer {
  readonly name: string;
  /** Why it is not authentic; empty if it is. */
  readonly verify: string;
  /** Why an authentic report is refused; empty if it is accepted. */
  readonly validate: string;
}

const base64 = (bytes: Uint8Array | undefined): string =>
  Buffer.from(bytes ?? []).toString('base64');

const ZERO_BEFORE_V5 =
  'the mitigation vectors of version 5 lie there; the peer reads them in every version';
const ROOT_AS_GIVEN =
  'the peer trusts the certificate that it is given as a root, whatever its own signature is';
const LOOSE_STRUCT = 'the peer reads the struct version and does not compare it with the product';
const LOOSE_NAME = 'from version 3 on the peer takes the product from CPUID alone';

/**
 * Where Assay refuses and the peer does not, and why. A case that is listed and no longer differs fails
 * the test as well.
 */
const ASSAY_IS_STRICTER: Readonly<Record<string, string>> = {
  'reserved: version 2, byte 0x1f8 is not zero': ZERO_BEFORE_V5,
  'reserved: version 3, byte 0x1f8 is not zero': ZERO_BEFORE_V5,
  'reserved: version 4, byte 0x1f8 is not zero': ZERO_BEFORE_V5,
  'structure: one byte long': 'the peer takes a report from the front of longer input',
  'signature: MASK_CHIP_KEY':
    'firmware with a masked key signs nothing, so that this report contradicts itself; the peer does not compare',
  'parameters: ARK signed with a salt of 32 bytes': ROOT_AS_GIVEN,
  'parameters: ARK signed with SHA-256': ROOT_AS_GIVEN,
  'parameters: ARK signed with SHA-512': ROOT_AS_GIVEN,
  'parameters: ARK signed with PKCS #1 v1.5': ROOT_AS_GIVEN,
  'signatures: ARK signed by another key': ROOT_AS_GIVEN,
  'names: ARK that another root issued': ROOT_AS_GIVEN,
  'keys: ARK signed with ECDSA': ROOT_AS_GIVEN,
  'parameters: ASK signed with PKCS #1 v1.5':
    'the peer demands RSASSA-PSS of the leaf alone; AMD signs everything with it',
  'parameters: CRL signed with PKCS #1 v1.5':
    'the peer demands RSASSA-PSS of the leaf alone; AMD signs everything with it',
  'constraints: ASK without keyUsage':
    'RFC 5280 lets keyUsage be absent; AMD’s authorities have it',
  'vekExtensions: VCEK with struct version 1 on Milan': LOOSE_STRUCT,
  'vekExtensions: VCEK with struct version 2': LOOSE_STRUCT,
  'vekExtensions: VCEK with product name that is no name': LOOSE_NAME,
  'vekExtensions: VCEK with product name with a trailing space': LOOSE_NAME,
  'vekExtensions: VCEK with product name with a word before it': LOOSE_NAME,
  'revocation: ASVK revoked': 'the peer looks for the ASK’s serial number, even under a VLEK',
  'revocation: ARK revoked': 'the peer looks for the ASK’s serial number only',
  'revocation: CRL not yet current': 'the peer does not read thisUpdate',
  'revocation: CRL with a critical extension': 'the peer ignores extensions of lists',
  'chip: a masked CHIP_ID':
    'the peer accepts a CHIP_ID of zeros; Assay does where the policy says so',
};

/** Where the peer refuses and Assay does not, and why. */
const PEER_IS_STRICTER: Readonly<Record<string, string>> = {
  'genuine: genoa-v2-vcek':
    'the peer wants a stepping in the product name of version 2; AMD’s certificate says Genoa',
  'genuine: turin-v5-vcek':
    'the peer (0.15.0, its newest version) does not know the FMC extension of Turin certificates',
};

/**
 * Cases that the peer's interface cannot express. Forged Turin evidence is left out as a whole: the peer
 * refuses every Turin certificate (see above), so that its refusal would say nothing about the fault.
 */
const INEXPRESSIBLE: Readonly<Record<string, string>> = {
  'names: ASK with the genuine name under a simulated root': 'the peer knows genuine names only',
  'names: VCEK that names another issuer': 'the peer knows genuine names only',
};

async function question(name: string, fault: AmdFault): Promise<[Question, ForgedSnp]> {
  const { product = 'Milan' as SimulatedProduct, kind = 'VCEK' } = fault;
  const forged = await forgeSnp({ ...fault, genuineNames: true });
  const [vek, authority, ark] = forged.endorsements.certificates;
  // The peer wants an ASK even where a VLEK and its ASVK are judged.
  const ask =
    kind === 'VCEK'
      ? authority
      : (await forgeSnp({ product, genuineNames: true })).endorsements.certificates[1];
  const question: Question = {
    name,
    report: base64(forged.report),
    ...(kind === 'VCEK' ? { vcek: base64(vek) } : { vlek: base64(vek) }),
    product,
    ark: base64(ark),
    ask: base64(ask),
    ...(kind === 'VLEK' ? { asvk: base64(authority) } : {}),
    crl: base64(forged.endorsements.crls[0]),
    at: FORGED_AT.toISOString(),
  };
  return [question, forged];
}

let peer: (questions: readonly Question[]) => Answer[] = () => [];

before(() => {
  if (skip !== false) return;
  const binary = buildGo('go-sev-guest');
  peer = (questions) =>
    execFileSync(binary, {
      input: questions.map((question) => JSON.stringify(question)).join('\n'),
      maxBuffer: 1 << 26,
      stdio: ['pipe', 'pipe', 'ignore'],
    })
      .toString()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
});

/** Who accepts a case, and what the peer says of it. */
interface Difference {
  readonly outcome: 'agree' | 'assay is stricter' | 'the peer is stricter';
  readonly peer: string;
}

/**
 * The peer leaves some of what Assay counts as authenticity to its policy check: where the policies
 * are the same, what counts is whether the caller gets a yes.
 */
function compare(
  result: AttestationResult,
  { verify, validate }: Answer,
  what: 'authentic' | 'affirmed',
): Difference {
  const theirs = what === 'affirmed' ? verify === '' && validate === '' : verify === '';
  const outcome =
    result[what] === theirs ? 'agree' : theirs ? 'assay is stricter' : 'the peer is stricter';
  return { outcome, peer: verify || validate };
}

function judgeDifferences(differences: ReadonlyMap<string, Difference>): void {
  const counts = { agree: 0, 'assay is stricter': 0, 'the peer is stricter': 0 };
  const wrong: string[] = [];
  const table: string[] = [];
  for (const [name, { outcome, peer: said }] of differences) {
    counts[outcome]++;
    const stricter = { ...ASSAY_IS_STRICTER, ...PEER_IS_STRICTER }[name];
    if (outcome === 'agree') {
      if (stricter !== undefined) wrong.push(`${name}: no longer differs`);
      continue;
    }
    const reasons = outcome === 'assay is stricter' ? ASSAY_IS_STRICTER : PEER_IS_STRICTER;
    const reason = reasons[name];
    if (reason === undefined) wrong.push(`${name}: ${outcome}, and nothing explains it (${said})`);
    else table.push(`  ${outcome.padEnd(20)}  ${name}: ${reason}`);
  }
  console.log(`${differences.size} cases: ${JSON.stringify(counts)}\n${table.join('\n')}`);
  assert.equal(wrong.join('\n'), '');
}

describe('go-sev-guest', { skip }, () => {
  test('genuine reports', { skip: withoutVectors }, async () => {
    const names = vectorCases('snp');
    const questions = names.map((name): Question => {
      const { verifyAt, signingKey } = JSON.parse(
        vectorFile('snp', name, 'case.json').toString('utf8'),
      );
      const vek = base64(vectorFile('snp', name, 'vek.der'));
      return {
        name: `genuine: ${name}`,
        report: base64(vectorFile('snp', name, 'report.bin')),
        ...(signingKey === 'VLEK' ? { vlek: vek } : { vcek: vek }),
        at: verifyAt,
      };
    });
    const differences = new Map<string, Difference>();
    for (const [i, answer] of peer(questions).entries()) {
      const { name = '', at = '', report = '' } = questions[i] ?? {};
      const blobs = [questions[i]?.vcek ?? questions[i]?.vlek ?? ''];
      const measured = Buffer.from(report, 'base64').subarray(0x90, 0xc0);
      const result = await verifySnp(
        new Uint8Array(Buffer.from(report, 'base64')),
        amdEndorsements(blobs.map((blob) => new Uint8Array(Buffer.from(blob, 'base64')))),
        snpPolicy({ measurements: [toHex(measured)], crl: 'optional' }),
        { at: new Date(at) },
      );
      differences.set(name, compare(result, answer, 'affirmed'));
    }
    judgeDifferences(differences);
  });

  test('forged evidence', async () => {
    const cases = Object.entries({ ...FORGED_REPORTS, ...FORGED_CHAINS, ...FORGED_POLICIES })
      .flatMap(([group, list]) => list.map((each) => ({ ...each, name: `${group}: ${each.name}` })))
      .filter(({ fault, name }) => {
        const expressible = fault?.supply === undefined && fault?.product !== 'Turin';
        return expressible && INEXPRESSIBLE[name] === undefined;
      });
    const asked: { question: Question; forged: ForgedSnp; defaultPolicy: boolean }[] = [];
    for (const { name, fault = {}, ...rest } of cases) {
      const defaultPolicy = !('policy' in rest) || rest.policy === undefined;
      const [asking, forged] = await question(name, fault);
      asked.push({ question: asking, forged, defaultPolicy });
    }
    const answers = peer(asked.map(({ question: asking }) => asking));
    const differences = new Map<string, Difference>();
    for (const [i, { question: asking, forged, defaultPolicy }] of asked.entries()) {
      const { report, endorsements, roots } = forged;
      const measured = toHex(report.subarray(0x90, 0xc0));
      const policy = snpPolicy(measured.length === 96 ? { measurements: [measured] } : {});
      const result = await verifySnp(report, endorsements, policy, { at: FORGED_AT, roots });
      const answer = answers[i] ?? assert.fail('the peer left a case out');
      const what = defaultPolicy ? 'affirmed' : 'authentic';
      differences.set(asking.name, compare(result, answer, what));
    }
    judgeDifferences(differences);
  });
});
