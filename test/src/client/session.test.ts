import assert from 'node:assert/strict';
import { after, describe, type TestContext, test } from 'node:test';
import { appraiseProof } from '../../../attestation/appraisal/appraise-proof.js';
import { executionDigest } from '../../../attestation/evidence/execution-profile.js';
import type { InferenceClaims } from '../../../attestation/receipt/claims.js';
import { connect } from '../../../src/client/connect.js';
import type { Inference } from '../../../src/client/session.js';
import { elementsOf, type Tensor, tensor } from '../../../src/client/tensor.js';
import { type Answer, answering, type Lies, startAdder } from '../../forge/adder-server.js';
import { inputs, trustedAdder } from '../../forge/adder-session.js';
import { fill } from '../../forge/fill.js';
import { issueClaims } from '../../forge/issue.js';

const { server, policy, options, session } = await trustedAdder();

describe('an honest enclave', () => {
  test('answers with a receipt that holds', async () => {
    assert.equal(session.result.affirmed, true);
    assert.equal(session.result.simulated, true);
    assert.equal(session.result.fresh, true);
    assert.equal(session.result.checks.at(-1)?.id, 'client.tls-key');
    const answer = await session.infer('adder', inputs.toReversed(), { nonce: fill(77) });
    assert.deepEqual(answer.outputs.map(elementsOf), [[4, 6]]);
    assert.deepEqual(answer.claims.nonce, fill(77));
    assert.ok(answer.checks.every(({ outcome }) => outcome === 'pass'));
  });

  test('answers many callers at once, in one log', async () => {
    const answers = await Promise.all(
      Array.from({ length: 32 }, () => session.infer('adder', inputs)),
    );
    assert.equal(new Set(answers.map(({ index }) => index)).size, 32);
    const size = await session.audit();
    assert.ok(size > Math.max(...answers.map(({ index }) => index)));
    await session.infer('adder', inputs);
    assert.equal(await session.audit(), size + 1);
  });
});

test('readiness is what the enclave says of itself, and of each model', async () => {
  assert.equal(await session.ready(), true);
  for (const [model, ready] of [
    [{ name: 'adder' }, true],
    [{ name: 'adder', version: '1' }, true],
    [{ name: 'adder', version: '2' }, false],
    [{ name: 'subtractor' }, false],
  ] as const) {
    assert.equal(await session.ready(model), ready, JSON.stringify(model));
  }
});

describe('a proof is of what was sent and received', () => {
  type Call = { readonly inputs: readonly Tensor[]; readonly nonce: Uint8Array; answer: Inference };
  const changes: readonly (readonly [string, (call: Call) => unknown, RegExp])[] = [
    ['an input written over', ({ inputs: [a] }) => a?.data.fill(9), /^expected the inputs of/],
    ['the nonce written over', ({ nonce }) => nonce.fill(9), /^expected the nonce of/],
    [
      'an output written over',
      ({ answer }) => answer.outputs[0]?.data.fill(9),
      /^expected the outputs of/,
    ],
  ];
  for (const [name, change, message] of changes) {
    test(`${name}: none is made`, async () => {
      const own = inputs.map((input) => ({ ...input, data: new Uint8Array(input.data) }));
      const nonce = fill(5);
      const answer = await session.infer('adder', own, { nonce });
      const { result } = await appraiseProof(answer.proof(), policy, {
        at: new Date(),
        ...options,
      });
      assert.equal(result.affirmed, true, result.summary);
      change({ inputs: own, nonce, answer });
      assert.throws(answer.proof, { code: 'USAGE_PROOF', message });
    });
  }
});

describe('calls that are refused before anything is sent', () => {
  const [a, b] = inputs;
  assert.ok(a !== undefined && b !== undefined);
  const cases: readonly (readonly [string, () => Promise<unknown>, string])[] = [
    ['an unknown model', () => session.infer('subtractor', inputs), 'CLIENT_MODEL'],
    ['an unknown version', () => session.infer('adder', inputs, { version: '2' }), 'CLIENT_MODEL'],
    ['an unknown input', () => session.infer('adder', [a, { ...b, name: 'c' }]), 'CLIENT_INPUT'],
    ['an input twice', () => session.infer('adder', [a, a]), 'CLIENT_INPUT'],
    [
      'another datatype',
      () => session.infer('adder', [a, tensor('b', 'FP64', [3, 4])]),
      'CLIENT_INPUT',
    ],
    [
      'data shorter than the shape',
      () => session.infer('adder', [a, { ...b, shape: [3] }]),
      'TENSOR_LENGTH',
    ],
    [
      'an unknown output',
      () => session.infer('adder', inputs, { outputs: ['total'] }),
      'CLIENT_OUTPUT',
    ],
    ['no output', () => session.infer('adder', inputs, { outputs: [] }), 'CLIENT_OUTPUT'],
    [
      'a nonce of 31 bytes',
      () => session.infer('adder', inputs, { nonce: new Uint8Array(31) }),
      'BINDING_NONCE',
    ],
    ...[Number.NaN, -1, '5' as unknown as number].flatMap((timeout) => {
      const infer = () => session.infer('adder', inputs, { timeout });
      const attest = () => connect(server.target, policy, { ...options, timeout });
      const name = typeof timeout === 'string' ? 'text' : timeout;
      return [
        [`an inference with a timeout of ${name}`, infer, 'USAGE_TIMEOUT'],
        [`a connection with a timeout of ${name}`, attest, 'USAGE_TIMEOUT'],
      ] as const;
    }),
    ...(['priority', 'queueTimeout'] as const).flatMap((option) =>
      [-1, 0.5, Number.NaN, 2 ** 53].map((value) => {
        const infer = () => session.infer('adder', inputs, { [option]: value });
        return [`a ${option} of ${value}`, infer, 'USAGE_OPTION'] as const;
      }),
    ),
  ];
  for (const [name, call, code] of cases) {
    test(name, async () => {
      const before = server.inferences;
      await assert.rejects(call, { code });
      assert.equal(server.inferences, before);
    });
  }
});

describe('answers that are refused', () => {
  const changed = (change: (answer: Answer) => void): Lies => ({ answer: change });
  const output = (answer: Answer, change: Partial<Answer['outputs'][number]>): void => {
    answer.outputs = answer.outputs.map((made) => ({ ...made, ...change }));
  };
  const signed = (changes: Partial<InferenceClaims>): Lies => ({
    claims: (claims) => ({ ...claims, ...changes }),
  });
  const cases: readonly (readonly [string, Lies, string])[] = [
    [
      'an output changed',
      changed((x) => output(x, { data: new Uint8Array(8) })),
      'RECEIPT_RESPONSE',
    ],
    ['an output retyped', changed((x) => output(x, { datatype: 'INT32' })), 'RECEIPT_RESPONSE'],
    ['an output reshaped', changed((x) => output(x, { shape: [1, 2] })), 'RECEIPT_RESPONSE'],
    ['an output renamed', changed((x) => output(x, { name: 'total' })), 'RECEIPT_RESPONSE'],
    ['an output of no datatype', changed((x) => output(x, { datatype: 'FP31' })), 'CLIENT_ANSWER'],
    [
      'an output cut short',
      changed((x) => output(x, { data: new Uint8Array(7) })),
      'CLIENT_ANSWER',
    ],
    ['no output', changed((x) => x.outputs.splice(0)), 'RECEIPT_RESPONSE'],
    ['an output twice', changed((x) => x.outputs.push(...x.outputs)), 'RECEIPT_RESPONSE'],
    [
      'another output with a receipt',
      answering([tensor('total', 'FP32', [4, 6])]),
      'CLIENT_ANSWER',
    ],
    ['no receipt', changed((x) => delete x.parameters['receipt']), 'RECEIPT_MISSING'],
    ['no salt', changed((x) => delete x.parameters['receipt_salt']), 'RECEIPT_MISSING'],
    [
      'an empty receipt',
      changed((x) => Object.assign(x.parameters, { receipt: { string_param: '' } })),
      'RECEIPT_MISSING',
    ],
    [
      'a receipt that is no base64url',
      changed((x) => Object.assign(x.parameters, { receipt: { string_param: '=' } })),
      'RECEIPT_ENCODING',
    ],
    [
      'another salt',
      changed((x) =>
        Object.assign(x.parameters, { receipt_salt: { string_param: `WCA${'A'.repeat(43)}` } }),
      ),
      'RECEIPT_REQUEST',
    ],
    [
      'a salt that is too short',
      changed((x) => Object.assign(x.parameters, { receipt_salt: { string_param: 'QQA' } })),
      'RECEIPT_ENCODING',
    ],
    [
      'a salt that is not in CBOR',
      changed((x) =>
        Object.assign(x.parameters, { receipt_salt: { string_param: 'A'.repeat(43) } }),
      ),
      'RECEIPT_ENCODING',
    ],
    [
      'claims of another profile',
      { issue: () => Promise.resolve(new Uint8Array(3)) },
      'RECEIPT_ENCODING',
    ],
    ['claims without a nonce', signed({ nonce: null }), 'RECEIPT_NONCE'],
    ['claims with another nonce', signed({ nonce: fill(99) }), 'RECEIPT_NONCE'],
    [
      'claims of another model',
      signed({ model: { name: 'other', version: '1' } }),
      'RECEIPT_MODEL',
    ],
    [
      'claims of another version',
      signed({ model: { name: 'adder', version: '2' } }),
      'RECEIPT_MODEL',
    ],
    ['claims of another graph', signed({ graph: fill(99) }), 'RECEIPT_GRAPH'],
    ['claims of another execution', signed({ execution: fill(99) }), 'RECEIPT_EXECUTION'],
    ['claims of another boot', signed({ epoch: fill(99) }), 'RECEIPT_EPOCH'],
    [
      'claims under a manifest without evidence',
      signed({ manifest: fill(99) }),
      'RECEIPT_UNATTESTED',
    ],
    [
      'another response, under a manifest without evidence',
      signed({ manifest: fill(99), response: fill(99) }),
      'RECEIPT_RESPONSE',
    ],
    [
      'another boot, under a manifest without evidence',
      signed({ manifest: fill(99), epoch: fill(99) }),
      'RECEIPT_EPOCH',
    ],
    ['claims of another key', signed({ signingKey: fill(99) }), 'RECEIPT_SIGNING_KEY'],
    ['another request', signed({ request: fill(99) }), 'RECEIPT_REQUEST'],
    ['another response', signed({ response: fill(99) }), 'RECEIPT_RESPONSE'],
  ];
  for (const [name, lies, code] of cases) {
    test(name, async () => {
      server.lies = lies;
      await assert.rejects(session.infer('adder', inputs), { code });
    });
  }

  test('a receipt of another request', async () => {
    let earlier: Answer['parameters'] | undefined;
    server.lies = changed((answer) => {
      earlier ??= { ...answer.parameters };
      answer.parameters = earlier;
    });
    await session.infer('adder', inputs);
    await assert.rejects(session.infer('adder', inputs), { code: 'RECEIPT_NONCE' });
  });

  test('a receipt by another genuine enclave', async () => {
    const other = await startAdder();
    server.lies = { issue: (claims) => issueClaims(other.enclave.issuer, claims) };
    await assert.rejects(session.infer('adder', inputs), { code: 'RECEIPT_KEY' });
    other.close();
  });
});

const changing = await startAdder();

function withResolvers(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

describe('an enclave whose models change', () => {
  const models = changing.enclave.manifest.models;
  const [adder] = models;
  assert.ok(adder !== undefined);
  const other = { ...adder, name: 'second' };
  const abort = new AbortController();
  after(() => changing.close());

  test('is attested again when an answer names another manifest', async () => {
    const own = await connect(changing.target, policy, options);
    await own.infer('adder', inputs);
    const before = own.evidence;
    await changing.enclave.restate([adder, other]);
    const answer = await own.infer('adder', inputs);
    assert.deepEqual(
      own.models().map(({ name }) => name),
      ['adder', 'second'],
    );
    assert.notDeepEqual(own.evidence, before);
    const { result } = await appraiseProof(answer.proof(), policy, { at: new Date(), ...options });
    assert.equal(result.affirmed, true, result.summary);
    await changing.enclave.restate(models);
    assert.equal((await own.refresh()).affirmed, true);
    assert.equal(own.models().length, 1);
    own.close();
  });

  for (const [name, bounds, pass, expected] of [
    [
      'the timeout',
      { timeout: 30_000 },
      ({ mock }: TestContext) => mock.timers.tick(30_000),
      {
        code: 'CLIENT_SERVICE',
        message: /^DEADLINE_EXCEEDED: .* was not attested again in time$/,
      },
    ],
    [
      'the signal',
      { signal: abort.signal },
      () => abort.abort(new Error('enough')),
      { message: 'enough' },
    ],
  ] as const) {
    test(`is not waited for beyond ${name} of a call, and is attested for other calls`, async (t) => {
      const own = await connect(changing.target, policy, options);
      const { promise: released, resolve: release } = withResolvers();
      changing.lies = {
        bundle: async (bundle) => {
          pass(t);
          await released;
          return bundle;
        },
      };
      await changing.enclave.restate([adder, other]);
      // However long the machine takes: time passes where the enclave is attested, and nowhere else.
      t.mock.timers.enable({ apis: ['setTimeout'] });
      await assert.rejects(own.infer('adder', inputs, bounds), expected);
      const refreshed = own.refresh();
      release();
      assert.equal((await refreshed).affirmed, true);
      assert.equal(own.models().length, 2);
      changing.lies = {};
      await changing.enclave.restate(models);
      own.close();
    });
  }

  test('is attested once more for an answer that came while older evidence was under way', async () => {
    const own = await connect(changing.target, policy, options);
    const [fetched, released] = [withResolvers(), withResolvers()];
    changing.lies = {
      bundle: async (bundle) => {
        fetched.resolve();
        await released.promise;
        return bundle;
      },
    };
    const older = own.refresh();
    await fetched.promise;
    changing.lies = {
      answer: () => {
        changing.lies = {};
        setImmediate(released.resolve);
      },
    };
    await changing.enclave.restate([adder, other]);
    const answer = await own.infer('adder', inputs);
    assert.equal((await older).affirmed, true);
    assert.deepEqual(answer.claims.manifest, changing.enclave.manifestDigest);
    await changing.enclave.restate(models);
    own.close();
  });

  test('whose models changed twice is not called a forger: the answer between could not be checked', async () => {
    const own = await connect(changing.target, policy, options);
    const replaced = { ...adder, profile: { ...adder.profile, intraOpThreads: 2 } };
    await changing.enclave.restate([
      { ...replaced, execution: executionDigest(adder.graph, replaced.profile) },
    ]);
    changing.lies = {
      issue: async (claims) => {
        const receipt = await issueClaims(changing.enclave.issuer, claims);
        await changing.enclave.restate(models);
        changing.lies = {};
        return receipt;
      },
    };
    await assert.rejects(own.infer('adder', inputs), { code: 'RECEIPT_UNATTESTED' });
    await own.infer('adder', inputs);
    own.close();
  });

  test('answers under a manifest that it states again, whatever others came between', async () => {
    const own = await connect(changing.target, policy, options);
    const restated = async (name?: string): Promise<void> => {
      await changing.enclave.restate(name === undefined ? models : [adder, { ...adder, name }]);
      await own.refresh();
    };
    for (let i = 0; i < 7; i++) await restated(`other ${i}`);
    await restated();
    changing.lies = {
      issue: async (claims) => {
        const receipt = await issueClaims(changing.enclave.issuer, claims);
        await restated('last');
        return receipt;
      },
    };
    await own.infer('adder', inputs);
    changing.lies = {};
    await changing.enclave.restate(models);
    own.close();
  });

  test('is refused if its new manifest is not affirmed', async () => {
    const own = await connect(changing.target, policy, options);
    const strange = { ...adder, name: 'strange', graph: fill(66) };
    await changing.enclave.restate([
      adder,
      { ...strange, execution: executionDigest(strange.graph, strange.profile) },
    ]);
    await assert.rejects(own.infer('adder', inputs), { code: 'CLIENT_REFUSED' });
    const { inferences } = changing;
    await assert.rejects(own.infer('adder', inputs), { code: 'CLIENT_REFUSED' });
    assert.equal(changing.inferences, inferences, 'nothing is sent to what is known to be refused');
    await changing.enclave.restate(models);
    await own.infer('adder', inputs);
    assert.equal(changing.inferences, inferences + 1);
    own.close();
  });

  test('does not pass another model off as the one that was asked for', async () => {
    const own = await connect(changing.target, policy, options);
    const profile = { ...adder.profile, intraOpThreads: 2 };
    const replaced = { ...adder, profile, execution: executionDigest(adder.graph, profile) };
    await changing.enclave.restate([replaced]);
    await assert.rejects(own.infer('adder', inputs), { code: 'CLIENT_MODEL_CHANGED' });
    await own.infer('adder', inputs);
    await changing.enclave.restate(models);
    own.close();
  });
});
