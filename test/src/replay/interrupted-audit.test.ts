import assert from 'node:assert/strict';
import { cp, mkdir, rm } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { AssayError } from '../../../attestation/encoding/error.js';
import { computing, type Lies } from '../../forge/adder-server.js';
import { auditedAdder } from '../../forge/audited-adder.js';
import { assay } from '../../forge/cli.js';

/** Answers that the auditor holds the proofs of; that of the answer after them is lost. */
const HELD = 3;
const UNHELD = HELD + 1;

const { node, at, audit, replay, prove } = await auditedAdder(UNHELD);
await rm(at('proofs', `${UNHELD}.proof`));
const live = ['--log-target', node.target];

/** The attestation service answers UNAVAILABLE. */
const fail = (): never => {
  throw new AssayError('PLATFORM_REPORT', 'the platform is away');
};
const failingAt = (entry: number): Lies => ({
  inclusion: (honest, index) => (index === entry ? fail() : honest()),
});

describe('a node that fails while its log is audited', () => {
  type Left = { readonly entries: number; readonly receipts: number };
  const cases: readonly (readonly [string, Lies, Left, number])[] = [
    ['at the first receipt', failingAt(1), { entries: UNHELD, receipts: HELD }, 0],
    ['at a later receipt', failingAt(2), { entries: 3, receipts: 2 }, 1],
    ['at an entry that nobody holds', failingAt(UNHELD), { entries: 1, receipts: 0 }, HELD],
    [
      'before its heads are proven to be of one log',
      { consistency: (honest, size) => (size === UNHELD + 1 ? fail() : honest) },
      { entries: 1, receipts: 0 },
      HELD,
    ],
  ];
  for (const [name, lies, left, identical] of cases) {
    test(`${name}: what was found is told, and what was not looked at`, async () => {
      node.lies = lies;
      const { code, found } = await audit('proofs', live);
      const { code: reason, message, ...rest } = found.incomplete;
      assert.deepEqual([code, reason], [4, 'CLIENT_UNREACHABLE']);
      assert.match(message, /the platform is away/);
      assert.deepEqual(rest, { ...left, settled: false });
      const { counts } = found;
      assert.deepEqual([counts.identical, counts.unaudited], [identical, left.entries]);
      assert.deepEqual([found.fault, found.contradicted, found.confidence], [null, [], null]);
    });
  }

  test('is told to people, who are not told that the log is one', async () => {
    node.lies = failingAt(2);
    const { code, out } = await replay('proofs', live);
    assert.equal(code, 4);
    assert.match(
      out,
      /^INCOMPLETE: CLIENT_UNREACHABLE, .*the platform is away.*\n {2}3 of 4 entries of the sample were not audited\n {2}2 receipts at hand were not held against the log\n {2}what the log showed is not proven to be of one log$/m,
    );
    assert.match(out, /^ {2}unaudited +3 +.*: entries 2, 3, 4$/m);
    assert.doesNotMatch(out, /confidence|NOTHING REPLAYED|IDENTICAL/);
  });
});

describe('a node that calls what an audit asks a wrong call', () => {
  /** The attestation service answers INVALID_ARGUMENT. */
  const refuse = (): never => {
    throw new AssayError('BINDING_NONCE', 'ask otherwise');
  };
  const cases: readonly (readonly [string, Lies])[] = [
    ['inclusion', { inclusion: refuse }],
    ['consistency', { consistency: refuse }],
  ];
  for (const [name, lies] of cases) {
    test(`for a proof of ${name}: it fails, and nobody used the command wrongly`, async () => {
      node.lies = lies;
      const { code, found } = await audit('proofs', live);
      assert.deepEqual([code, found.incomplete.code, found.fault], [4, 'CLIENT_SERVICE', null]);
      assert.match(found.incomplete.message, /INVALID_ARGUMENT/);
    });
  }
});

for (const answered of ['RESOURCE_EXHAUSTED', 'NOT_FOUND'] as const) {
  test(`a node that executes no more, as ${answered}, leaves the log audited, and the other answers not`, async () => {
    let inferences = 0;
    node.lies = {
      answer: () => {
        inferences += 1;
        if (inferences === 1) return;
        throw Object.assign(new Error('no more'), { code: status[answered] });
      },
    };
    const trust = ['--policy', at('policy.json'), '--root', at('root.pem')];
    const remote = ['--log', at('log'), '--target', node.target, '--json'];
    const { code, out } = await assay(['replay', at('proofs'), ...trust, ...remote]);
    const { incomplete, counts } = JSON.parse(out);
    assert.deepEqual([code, incomplete.code], [4, 'CLIENT_SERVICE']);
    assert.match(incomplete.message, new RegExp(answered));
    assert.deepEqual([incomplete.settled, incomplete.receipts, counts.identical], [true, 0, 1]);
    assert.equal(counts.unaudited, HELD);
  });
}

describe('a node that fails hides no fault that is found without it', () => {
  test('an answer that its model does not compute', async () => {
    node.lies = computing([40, 6]);
    await cp(at('proofs'), at('lies'), { recursive: true });
    await prove('lies', 'lie.proof');
    node.lies = failingAt(1);
    const { code, found } = await audit('lies', live);
    assert.deepEqual([code, found.counts.contradiction], [1, 1]);
    assert.equal(found.incomplete.code, 'CLIENT_UNREACHABLE');
  });

  test('a receipt that the log contradicts', async () => {
    await mkdir(at('two'));
    await cp(at('proofs', '1.proof'), at('two', '1.proof'));
    await cp(at('proofs', '2.proof'), at('two', '2.proof'));
    node.lies = {
      inclusion: (honest, index) => {
        if (index === 1) throw new AssayError('MERKLE_INDEX', 'no such entry');
        return index === 2 ? fail() : honest();
      },
    };
    const { code, found } = await audit('two', live);
    assert.deepEqual([code, found.contradicted.length], [1, 1]);
    assert.equal(found.incomplete.receipts, 1);
  });
});
