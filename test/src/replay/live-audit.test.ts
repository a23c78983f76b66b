import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { AssayError } from '../../../attestation/encoding/error.js';
import { manifestEntry } from '../../../attestation/receipt/claims.js';
import { Issuer } from '../../../enclave/issuer.js';
import { computing, type Lies } from '../../forge/adder-server.js';
import { auditedAdder } from '../../forge/audited-adder.js';

/** Answers that the auditor holds the proofs of; that of the answer after them is lost. */
const HELD = 3;
const UNHELD = HELD + 1;

const { node, at, audit, replay, prove, entryOf } = await auditedAdder(UNHELD);
await rm(at('proofs', `${UNHELD}.proof`));
const live = ['--log-target', node.target];

/** A second log of the node's key: the held answers, and this many manifests in place of the others. */
async function secondLog(manifests: number): Promise<Issuer> {
  const manifest = manifestEntry(node.enclave.manifestDigest);
  const issuer = await Issuer.start(node.enclave.keys.signing, manifest);
  for (let i = 1; i <= HELD; i++) await issuer.append(await entryOf('proofs', `${i}.proof`));
  for (let i = 0; i < manifests; i++) await issuer.append(manifest);
  return issuer;
}

describe('a node that shows an answer nobody holds as a manifest, in a second log', () => {
  const cases: readonly (readonly [string, number])[] = [
    ['of another size', 2],
    ['of the same size', 1],
  ];
  for (const [name, manifests] of cases) {
    test(`${name}: RECEIPT_FORK`, async () => {
      const second = await secondLog(manifests);
      node.lies = {
        inclusion: (honest, index) => (index === UNHELD ? second.inclusion(index) : honest()),
      };
      const { code, found } = await audit('proofs', live);
      assert.deepEqual([code, found.fault?.code, found.confidence], [1, 'RECEIPT_FORK', null]);
      const { identical, manifest } = found.counts;
      assert.deepEqual([identical, manifest], [HELD, 0], 'what else was found is told');
      const people = await replay('proofs', live);
      assert.match(people.out, /^NOT ONE LOG: RECEIPT_FORK, /m);
    });
  }
});

test('a node that denies an entry below the head that it signed contradicts itself', async () => {
  node.lies = {
    inclusion: (honest, index) => {
      if (index === UNHELD) throw new AssayError('MERKLE_INDEX', 'no such entry');
      return honest();
    },
  };
  const { code, found } = await audit('proofs', live);
  assert.deepEqual([code, found.fault?.code], [1, 'RECEIPT_FORK']);
});

test('a node that proves a manifest of another place shows none', async () => {
  node.lies = {
    inclusion: (honest, index) => (index === UNHELD ? node.enclave.issuer.inclusion(0) : honest()),
  };
  const { code, found } = await audit('proofs', live);
  assert.deepEqual([code, found.counts.manifest, found.counts.unavailable], [3, 0, 1]);
});

describe('a node that no longer keeps all of its log', () => {
  const pruned = (): never => {
    throw new AssayError('MERKLE_PRUNED', 'older than what is kept');
  };
  const ofEntry = (pruning: number): Lies => ({
    inclusion: (honest, index) => (index === pruning ? pruned() : honest()),
  });
  const ofSize = (pruning: number): Lies => ({
    consistency: (honest, size) => (size === pruning ? pruned() : honest),
  });
  const cases: readonly (readonly [string, Lies, number, string | null])[] = [
    ['proves no entry that is at hand', ofEntry(2), 2, null],
    ['proves no entry that is not', ofEntry(UNHELD), 1, null],
    ['ties no receipt to its newest head', ofSize(3), 2, null],
    ['ties no head that it showed to others', ofSize(UNHELD + 1), 1, 'RECEIPT_UNSETTLED'],
  ];
  for (const [name, lies, unavailable, fault] of cases) {
    test(`${name}: unavailable, and the others are audited`, async () => {
      node.lies = lies;
      const { code, found } = await audit('proofs', live);
      assert.deepEqual([code, found.fault?.code ?? null], [3, fault]);
      assert.deepEqual(
        [found.counts.unavailable, found.counts.identical, found.contradicted],
        [unavailable, UNHELD - unavailable, []],
      );
    });
  }

  test('that leaves its heads apart is told to people as nothing that contradicts', async () => {
    node.lies = ofSize(UNHELD + 1);
    const { code, out } = await replay('proofs', live);
    assert.equal(code, 3);
    assert.match(out, /^NOT PROVEN TO BE ONE LOG: RECEIPT_UNSETTLED, /m);
    assert.doesNotMatch(out, /NOT ONE LOG/);
  });

  test('hides no answer that its model does not compute by that', async () => {
    node.lies = computing([40, 6]);
    await prove('proofs', 'lie.proof');
    node.lies = ofEntry(UNHELD + 1);
    const { code, found } = await audit('proofs', live);
    assert.deepEqual([code, found.counts.contradiction], [1, 1]);
  });

  test('proves no answer either whose other bits a tolerance allows', async () => {
    const index = node.enclave.issuer.counts.entries;
    node.lies = computing([4 * (1 + 2 ** -22), 6]);
    await mkdir(at('near'));
    await prove('near', 'near.proof');
    await writeFile(at('tolerances.json'), JSON.stringify({ version: 1, default: { ulp: 2 } }));
    const tolerant = [...live, '--tolerances', at('tolerances.json')];
    const counts = async (lies: Lies) => {
      node.lies = lies;
      const { within, unavailable } = (await audit('near', tolerant)).found.counts;
      return { within, unavailable };
    };
    const { within, unavailable } = await counts({});
    assert.equal(within, 1);
    assert.deepEqual(await counts(ofEntry(index)), { within: 0, unavailable: unavailable + 1 });
  });
});
