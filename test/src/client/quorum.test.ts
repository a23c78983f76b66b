import assert from 'node:assert/strict';
import { after, afterEach, describe, test } from 'node:test';
import { parsePolicy } from '../../../attestation/appraisal/policy.js';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { executionDigest } from '../../../attestation/evidence/execution-profile.js';
import { decodeProofFile } from '../../../attestation/receipt/proof-file.js';
import { connectAll, NoQuorumError } from '../../../src/client/quorum.js';
import { elementsOf, tensor } from '../../../src/client/tensor.js';
import { answering, computing, type Lies, startAdder } from '../../forge/adder-server.js';
import { issueClaims } from '../../forge/issue.js';
import { servedPolicy } from '../../forge/served-policy.js';

const servers = await Promise.all([startAdder(), startAdder(), startAdder()]);
const [one, two, three] = servers;
const targets = servers.map(({ target }) => target);
const policy = parsePolicy(servedPolicy(one.enclave));
const roots = servers.map(({ root }) => root).slice(0, 1);
const inputs = [tensor('a', 'FP32', [1, 2]), tensor('b', 'FP32', [3, 4])];
after(() => {
  for (const server of servers) server.close();
});
afterEach(() => {
  for (const server of servers) server.lies = {};
});

const near: readonly [number, number] = [4 * (1 + 2 ** -22), 6];
const far: readonly [number, number] = [40, 6];

describe('a quorum', () => {
  test('of nodes with identical bits', async () => {
    const quorum = await connectAll(targets, policy, { agree: 3, roots });
    const { answer, agreeing, tally } = await quorum.infer('adder', inputs);
    assert.deepEqual(answer.outputs.map(elementsOf), [[4, 6]]);
    assert.equal(agreeing.length, 3);
    assert.deepEqual((await tally).dissenting, []);
    assert.equal(new Set(agreeing.map((vote) => toHex(vote.answer.claims.epoch))).size, 3);
    quorum.close();
  });

  test('returns what the majority agrees on, and the dissenter’s receipt', async () => {
    three.lies = computing(far);
    const quorum = await connectAll(targets, policy, { agree: 2, roots });
    const { answer, tally } = await quorum.infer('adder', inputs);
    assert.deepEqual(answer.outputs.map(elementsOf), [[4, 6]]);
    const { agreeing, dissenting } = await tally;
    assert.deepEqual(agreeing.map(({ target }) => target).sort(), [one.target, two.target].sort());
    assert.deepEqual(
      dissenting.map(({ target }) => target),
      [three.target],
    );
    const [vote] = dissenting;
    assert.ok(vote?.answer.checks.every(({ outcome }) => outcome === 'pass'));
    assert.ok((vote?.answer.proof().length ?? 0) > 0);
    quorum.close();
  });

  test('is not reached by answers that are near but not identical', async () => {
    three.lies = computing(near);
    const quorum = await connectAll(targets, policy, { agree: 3, roots });
    await assert.rejects(quorum.infer('adder', inputs), (error: unknown) => {
      assert.ok(error instanceof NoQuorumError);
      assert.equal(error.code, 'CLIENT_NO_QUORUM');
      assert.equal(error.tally.agreeing.length, 2);
      assert.equal(error.tally.dissenting.length, 1);
      return true;
    });
    quorum.close();
  });

  test('is reached by near answers where a tolerance says so, and by far ones never', async () => {
    const agreement = { default: { ulp: 2 } };
    const quorum = await connectAll(targets, policy, { agree: 3, agreement, roots });
    three.lies = computing(near);
    assert.equal((await quorum.infer('adder', inputs)).agreeing.length, 3);
    three.lies = computing(far);
    await assert.rejects(quorum.infer('adder', inputs), { code: 'CLIENT_NO_QUORUM' });
    quorum.close();
  });

  test('is not reached by the same numbers in another shape', async () => {
    const agreement = { default: { ulp: 2 } };
    const quorum = await connectAll(targets, policy, { agree: 3, agreement, roots });
    three.lies = answering([tensor('sum', 'FP32', [4, 6], [1, 2])]);
    await assert.rejects(quorum.infer('adder', inputs), { code: 'CLIENT_NO_QUORUM' });
    quorum.close();
  });

  test('is not asked where a tolerance is for no output of the model', async () => {
    const agreement = { default: { absolute: 100 }, outputs: { summ: {} } };
    const quorum = await connectAll(targets, policy, { agree: 2, agreement, roots });
    await assert.rejects(quorum.infer('adder', inputs), {
      code: 'CLIENT_OUTPUT',
      message: 'the agreement: expected limits for outputs of the model ("sum"), not for "summ"',
    });
    quorum.close();
  });

  const limits: Readonly<Record<string, object>> = {
    'a misspelt limit': { default: { absolut: 1 } },
    'a misspelt default': { defualt: { absolute: 1 } },
    'a NaN': { default: { ulp: Number.NaN } },
    'no number': { default: { cosine: '0.9' } },
    'an infinite limit': { outputs: { sum: { absolute: Number.POSITIVE_INFINITY } } },
    'a negative one': { outputs: { sum: { relative: -1 } } },
    'a cosine beyond one': { default: { cosine: 2 } },
    'none of the largest': { default: { topK: 0 } },
  };
  for (const [name, agreement] of Object.entries(limits)) {
    test(`is not begun where its tolerance is ${name}`, async () => {
      const opened = connectAll(targets, policy, { agree: 1, agreement, roots });
      await assert.rejects(opened, { code: 'USAGE_QUORUM', message: /^the agreement: / });
    });
  }

  test('takes a tolerances.json as it is', async () => {
    const agreement = { version: 1, default: { ulp: 2 }, baseline: { latency: 3 } };
    const quorum = await connectAll(targets, policy, { agree: 3, agreement, roots });
    three.lies = computing(near);
    assert.equal((await quorum.infer('adder', inputs)).agreeing.length, 3);
    quorum.close();
  });

  const sum = (name = 'sum') => tensor(name, 'FP32', [4, 6]);
  const unasked = {
    other: [sum('other')],
    more: [sum(), sum('more')],
    no: [],
    double: [sum(), sum()],
  };
  for (const [name, outputs] of Object.entries(unasked)) {
    test(`has ${name} outputs with a receipt for a dissenter, whoever answers alike`, async () => {
      two.lies = answering(outputs);
      three.lies = answering(outputs);
      const quorum = await connectAll(targets, policy, { agree: 2, roots });
      await assert.rejects(quorum.infer('adder', inputs), (error: unknown) => {
        assert.ok(error instanceof NoQuorumError);
        const { agreeing, dissenting, failed } = error.tally;
        assert.deepEqual([agreeing.length, dissenting.length, failed.length], [1, 2, 0]);
        for (const { answer } of dissenting) {
          assert.deepEqual(answer.outputs, outputs);
          assert.ok(answer.checks.every(({ outcome }) => outcome === 'pass'));
          assert.deepEqual(decodeProofFile(answer.proof()).outputs.length, outputs.length);
        }
        return true;
      });
      quorum.close();
    });
  }

  test('does not count an answer without a valid receipt', async () => {
    three.lies = { answer: ({ parameters }) => delete parameters['receipt'] };
    const quorum = await connectAll(targets, policy, { agree: 2, roots });
    const { failed } = await (await quorum.infer('adder', inputs)).tally;
    assert.deepEqual(
      failed.map(({ target, error }) => [target, error.code]),
      [[three.target, 'RECEIPT_MISSING']],
    );
    quorum.close();
  });
});

/** A node that answers nothing until it is told to. */
function hanging(): { readonly lies: Lies; release: () => void } {
  let release = (): void => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  return {
    lies: {
      issue: async (claims) => {
        await released;
        return issueClaims(three.enclave.issuer, claims);
      },
    },
    release,
  };
}

/** Expects that no node answered in time for the caller, and that none is said to have. */
function givenUp(error: unknown): true {
  assert.ok(error instanceof NoQuorumError);
  const codes = error.tally.failed.map((node) => [node.target, node.error.code]);
  assert.deepEqual(
    Object.fromEntries(codes),
    Object.fromEntries(targets.map((target) => [target, 'CLIENT_CANCELLED'])),
  );
  return true;
}

describe('a quorum does not wait', () => {
  test('for a node that hangs once enough agree, and hears it later', async () => {
    const { lies, release } = hanging();
    three.lies = lies;
    const quorum = await connectAll(targets, policy, { agree: 2, roots });
    const { agreeing, tally } = await quorum.infer('adder', inputs);
    assert.equal(agreeing.length, 2);
    release();
    assert.equal((await tally).agreeing.length, 3);
    quorum.close();
  });

  test('where the rest is given up, which the tally says', async () => {
    const { lies, release } = hanging();
    three.lies = lies;
    const quorum = await connectAll(targets, policy, { agree: 2, roots });
    const { tally } = await quorum.infer('adder', inputs, { cancelRest: true });
    const { agreeing, failed } = await tally;
    assert.equal(agreeing.length, 2);
    assert.deepEqual(
      failed.map(({ target, error }) => [target, error.code]),
      [[three.target, 'CLIENT_CANCELLED']],
    );
    release();
    quorum.close();
  });

  test('longer than the time for a call', async () => {
    const { lies, release } = hanging();
    const quorum = await connectAll(targets, policy, { agree: 3, roots });
    // Connects: a call that waits for its connection is given up for another reason.
    await quorum.infer('adder', inputs);
    three.lies = lies;
    await assert.rejects(quorum.infer('adder', inputs, { timeout: 200 }), (error: unknown) => {
      assert.ok(error instanceof NoQuorumError);
      const hung = error.tally.failed.find(({ target }) => target === three.target);
      assert.equal(hung?.error.code, 'CLIENT_SERVICE');
      return true;
    });
    release();
    quorum.close();
  });

  test('after the caller aborted', async () => {
    const { lies, release } = hanging();
    three.lies = lies;
    const quorum = await connectAll(targets, policy, { agree: 3, roots });
    const abort = new AbortController();
    const asked = quorum.infer('adder', inputs, { signal: abort.signal });
    abort.abort();
    await assert.rejects(asked, givenUp);
    release();
    quorum.close();
  });
});

test('a tally is about the answer that was returned, also if more agree on another later', async () => {
  let release = (): void => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const servers5 = [...servers, ...(await Promise.all([startAdder(), startAdder()]))];
  const [first, second, ...others] = servers5;
  assert.ok(first !== undefined && second !== undefined);
  first.lies = computing(far);
  second.lies = computing(far);
  for (const server of others) {
    const { issuer } = server.enclave;
    server.lies = {
      issue: async (claims) => {
        await released;
        return issueClaims(issuer, claims);
      },
    };
  }
  const quorum = await connectAll(
    servers5.map(({ target }) => target),
    policy,
    { agree: 2, roots },
  );
  const { answer, tally } = await quorum.infer('adder', inputs);
  assert.deepEqual(answer.outputs.map(elementsOf), [[...far]]);
  release();
  const { agreeing, dissenting } = await tally;
  assert.equal(agreeing.length, 2);
  assert.equal(dissenting.length, 3);
  quorum.close();
  for (const server of servers5.slice(3)) server.close();
});

describe('nodes', () => {
  test('one enclave under two addresses has one vote', async () => {
    const twice = [one.target, `localhost:${one.port}`];
    await assert.rejects(connectAll(twice, policy, { agree: 2, roots }), {
      code: 'CLIENT_NO_QUORUM',
      message: /same enclave/,
    });
  });

  test('that are not affirmed take no part', async () => {
    three.lies = { nonce: () => new Uint8Array(32) };
    const quorum = await connectAll([...targets, 'localhost:1'], policy, { agree: 2, roots });
    assert.equal(quorum.nodes.length, 2);
    assert.deepEqual(
      quorum.excluded.map(({ error }) => error.code),
      ['CLIENT_REFUSED', 'CLIENT_UNREACHABLE'],
    );
    quorum.close();
    await assert.rejects(connectAll(targets, policy, { agree: 3, roots }), {
      code: 'CLIENT_NO_QUORUM',
    });
  });

  test('that do not serve the model are among the failed, and the others are asked', async () => {
    const without = await startAdder({}, undefined, {}, 'other');
    const asked = [without.target, one.target, two.target];
    const quorum = await connectAll(asked, policy, { agree: 2, roots });
    const { agreeing, tally } = await quorum.infer('adder', inputs);
    assert.equal(agreeing.length, 2);
    assert.deepEqual(
      (await tally).failed.map(({ target, error }) => [target, error.code]),
      [[without.target, 'CLIENT_MODEL']],
    );
    await assert.rejects(quorum.infer('none', inputs), {
      code: 'CLIENT_MODEL',
      message: 'none: the enclave does not serve it; it serves other 1',
    });
    quorum.close();
    without.close();
  });

  test('that compute different things under one name are not asked', async (t) => {
    const other = await startAdder();
    t.after(() => other.close());
    const { models } = one.enclave.manifest;
    const graph = new Uint8Array(32).fill(1);
    const others = models.map((model) => {
      return { ...model, graph, execution: executionDigest(graph, model.profile) };
    });
    await other.enclave.restate(others);
    const manifest = { ...one.enclave.manifest, models: [...models, ...others] };
    const both = parsePolicy(servedPolicy({ manifest }));
    const quorum = await connectAll([one.target, other.target], both, { agree: 2, roots });
    await assert.rejects(quorum.infer('adder', inputs), {
      code: 'CLIENT_MODEL',
      message: /^the nodes serve different computations as adder: /,
    });
    quorum.close();
  });

  for (const agree of [1, 3]) {
    test(`are given up once the signal aborts, where ${agree} of three must agree`, async () => {
      const abort = new AbortController();
      const reason = new Error('enough');
      three.lies = {
        nonce: (nonce) => {
          abort.abort(reason);
          return nonce;
        },
      };
      const connecting = connectAll(targets, policy, { agree, roots, signal: abort.signal });
      await assert.rejects(connecting, (error) => error === reason);
    });
  }

  for (const agree of [0, 4, 1.5]) {
    test(`${agree} of three is no quorum`, () =>
      assert.rejects(connectAll(targets, policy, { agree, roots }), { code: 'USAGE_QUORUM' }));
  }
});
