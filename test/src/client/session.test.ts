import assert from 'node:assert/strict';
import { after, afterEach, describe, test } from 'node:test';
import { appraiseProof } from '../../../attestation/appraisal/appraise-proof.js';
import { parsePolicy } from '../../../attestation/appraisal/policy.js';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { EndorsementSource } from '../../../attestation/endorsements/source.js';
import { parseAuxblob } from '../../../attestation/evidence/auxblob.js';
import { decodeBundle, encodeBundle } from '../../../attestation/evidence/bundle.js';
import { executionDigest } from '../../../attestation/evidence/execution-profile.js';
import { type InferenceClaims, manifestEntry } from '../../../attestation/receipt/claims.js';
import { Issuer } from '../../../enclave/issuer.js';
import { SIMULATED_MEASUREMENT } from '../../../enclave/platform/simulator/snp.js';
import { attest } from '../../../src/client/attest.js';
import { connect, NotAffirmedError } from '../../../src/client/connect.js';
import { elementsOf, tensor } from '../../../src/client/tensor.js';
import { type Answer, type Lies, startAdder } from '../../forge/adder-server.js';
import { startRelay, startSwitch } from '../../forge/relay.js';

const server = await startAdder();
const fill = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const policy = parsePolicy({
  version: 1,
  snp: { measurements: [toHex(SIMULATED_MEASUREMENT)] },
  enclave: {
    models: server.enclave.manifest.models.map(({ graph }) => ({ graph: toHex(graph) })),
    allowUnpinned: true,
  },
});
const options = { roots: [server.root] };
const inputs = [tensor('a', 'FP32', [1, 2]), tensor('b', 'FP32', [3, 4])];
const session = await connect(server.target, policy, options);
after(() => {
  session.close();
  server.close();
});
afterEach(() => {
  server.lies = {};
});

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
    ['an output renamed', changed((x) => output(x, { name: 'total' })), 'CLIENT_ANSWER'],
    ['an output of no datatype', changed((x) => output(x, { datatype: 'FP31' })), 'CLIENT_ANSWER'],
    [
      'an output cut short',
      changed((x) => output(x, { data: new Uint8Array(7) })),
      'CLIENT_ANSWER',
    ],
    ['no output', changed((x) => x.outputs.splice(0)), 'CLIENT_ANSWER'],
    ['an output twice', changed((x) => x.outputs.push(...x.outputs)), 'CLIENT_ANSWER'],
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
    ['claims under another manifest', signed({ manifest: fill(99) }), 'RECEIPT_MANIFEST'],
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
    server.lies = { issue: (claims) => other.enclave.issuer.issue(claims) };
    await assert.rejects(session.infer('adder', inputs), { code: 'RECEIPT_KEY' });
    other.close();
  });
});

const changing = await startAdder();

describe('an enclave whose models change', () => {
  const models = changing.enclave.manifest.models;
  const [adder] = models;
  assert.ok(adder !== undefined);
  const other = { ...adder, name: 'second' };
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

  test('is refused if its new manifest is not affirmed', async () => {
    const own = await connect(changing.target, policy, options);
    const strange = { ...adder, name: 'strange', graph: fill(66) };
    await changing.enclave.restate([
      adder,
      { ...strange, execution: executionDigest(strange.graph, strange.profile) },
    ]);
    await assert.rejects(own.infer('adder', inputs), { code: 'CLIENT_REFUSED' });
    await changing.enclave.restate(models);
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

describe('a log that forks', () => {
  const fork = (): Promise<Issuer> =>
    Issuer.start(server.enclave.keys.signing, manifestEntry(server.enclave.manifestDigest));

  test('two signed trees of one size', async () => {
    const own = await connect(server.target, policy, options);
    const [one, two] = [await fork(), await fork()];
    server.lies = { issue: (claims) => one.issue(claims) };
    await own.infer('adder', inputs);
    server.lies = { issue: (claims) => two.issue(claims) };
    await assert.rejects(own.infer('adder', inputs), { code: 'RECEIPT_FORK' });
    own.close();
  });

  test('a log that does not extend the one that was shown', async () => {
    const own = await connect(server.target, policy, options);
    const hidden = await fork();
    server.lies = { issue: (claims) => hidden.issue(claims) };
    await own.infer('adder', inputs);
    server.lies = {};
    await session.infer('adder', inputs);
    await assert.rejects(own.audit(), { code: 'RECEIPT_CONSISTENCY' });
    own.close();
  });

  test('two logs that each extend what they showed, and are never compared by size', async () => {
    const own = await connect(server.target, policy, options);
    const [one, two] = [await fork(), await fork()];
    await two.append(fill(1));
    server.lies = { issue: (claims) => one.issue(claims) };
    await own.infer('adder', inputs);
    server.lies = { issue: (claims) => two.issue(claims) };
    await own.infer('adder', inputs);
    await Promise.all([one, one, two, two].map((log) => log.append(fill(2))));
    // Each head is proven to its own log: 2 of one to its 4 entries, 3 of the other to its 5.
    server.lies = {
      consistency: (_, oldSize) => (oldSize === 2 ? one : two).consistency(oldSize),
    };
    await assert.rejects(own.audit(), { code: 'RECEIPT_CONSISTENCY' });
    server.lies = {
      consistency: (_, oldSize) => (oldSize % 2 === 0 ? one : two).consistency(oldSize),
    };
    await assert.rejects(own.audit(), { code: 'RECEIPT_UNSETTLED' });
    own.close();
  });

  test('a proof for other sizes, and none at all', async () => {
    const own = await connect(server.target, policy, options);
    await own.infer('adder', inputs);
    await session.infer('adder', inputs);
    const other = server.enclave.issuer.consistency(1);
    server.lies = { consistency: ({ treeHead }) => ({ treeHead, proof: other.proof }) };
    await assert.rejects(own.audit(), { code: 'RECEIPT_CONSISTENCY' });
    server.lies = { consistency: ({ treeHead }) => ({ treeHead, proof: new Uint8Array() }) };
    await assert.rejects(own.audit(), { code: 'RECEIPT_ENCODING' });
    own.close();
  });
});

describe('evidence that does not hold', () => {
  const refused = async (lies: Lies, code: string): Promise<void> => {
    server.lies = lies;
    const { result } = await attest(server.target, policy, options);
    assert.equal(result.affirmed, false);
    assert.equal(result.code, code);
  };
  test('replayed under another nonce', () =>
    refused({ nonce: () => fill(1) }, 'BINDING_CHALLENGE'));
  test('no bundle', () => refused({ bundle: () => new Uint8Array(3) }, 'BUNDLE_ENCODING'));
  test('a byte behind the bundle', () =>
    refused({ bundle: (bundle) => Uint8Array.from([...bundle, 0]) }, 'BUNDLE_ENCODING'));
  test("of the simulator, against the vendors' roots", async () => {
    const { result } = await attest(server.target, policy);
    assert.equal(result.authentic, false);
    await assert.rejects(connect(server.target, policy), { code: 'CLIENT_REFUSED' });
  });
  test('a policy that knows no image', async () => {
    const strict = parsePolicy({ version: 1, snp: {} });
    const { result } = await attest(server.target, strict, options);
    assert.equal(result.code, 'snp.measurement');
  });
});

describe('endorsements that the host does not supply', () => {
  const bare: Lies = {
    bundle: (bundle) => encodeBundle({ ...decodeBundle(bundle), endorsements: null }),
  };
  const authorities = async (): Promise<ReadonlyMap<string, Uint8Array>> => {
    const { endorsements } = decodeBundle(session.evidence.bundle);
    return new Map(parseAuxblob(endorsements ?? new Uint8Array()).map((e) => [e.kind, e.data]));
  };

  test('are missing: nothing was checked, and nothing failed', async () => {
    server.lies = bare;
    await assert.rejects(connect(server.target, policy, options), { code: 'CLIENT_UNCHECKED' });
  });

  test('are fetched, used, and kept in proofs', async () => {
    const known = await authorities();
    const asked: string[] = [];
    const source = new EndorsementSource({
      now: () => new Date(),
      fetch: async (url) => {
        asked.push(String(url));
        const kind = String(url).endsWith('/crl') ? 'crl' : 'vcek';
        return new Response(new Uint8Array(known.get(kind) ?? []));
      },
    });
    const amd = ['ask', 'ark'].map((kind) => known.get(kind) ?? new Uint8Array());
    server.lies = bare;
    const own = await connect(server.target, policy, {
      ...options,
      endorsements: { amd },
      services: { source },
    });
    assert.equal(asked.length, 2, asked.join());
    const { proof } = await own.infer('adder', inputs);
    own.close();
    const { result } = await appraiseProof(proof(), policy, { at: new Date(), ...options });
    assert.equal(result.affirmed, true, result.summary);
  });

  test('that cannot be fetched leave the verdict at unchecked', async () => {
    const source = new EndorsementSource({
      now: () => new Date(),
      sleep: async () => undefined,
      fetch: async () => new Response('', { status: 429 }),
    });
    server.lies = bare;
    const unreachable = { ...options, services: { source } };
    await assert.rejects(connect(server.target, policy, unreachable), { code: 'CLIENT_UNCHECKED' });
  });
});

describe('somebody between', () => {
  test('a relay with a key of its own is refused, though all that it forwards is genuine', async () => {
    const relay = await startRelay(server.port);
    const before = server.inferences;
    const { result } = await attest(relay.target, policy, options);
    const failed = result.checks.filter(({ outcome }) => outcome === 'fail');
    assert.deepEqual(
      failed.map(({ id }) => id),
      ['client.tls-key'],
    );
    assert.equal(result.authentic, true);
    assert.equal(result.code, 'client.tls-key');
    await assert.rejects(connect(relay.target, policy, options), (error: unknown) => {
      assert.ok(error instanceof NotAffirmedError);
      assert.equal(error.code, 'CLIENT_REFUSED');
      assert.equal(error.result.code, 'client.tls-key');
      return true;
    });
    assert.equal(server.inferences, before);
    relay.close();
  });

  test('a later connection that ends at another genuine enclave is refused', async () => {
    const other = await startAdder();
    const between = await startSwitch(server.port, other.port, 2);
    const own = await connect(between.target, policy, options);
    await own.infer('adder', inputs);
    between.cut();
    await assert.rejects(own.infer('adder', inputs), { code: 'CLIENT_TLS_PIN' });
    assert.equal(other.inferences, 0);
    own.close();
    between.close();
    other.close();
  });

  test('a later connection that ends at a relay is refused', async () => {
    const relay = await startRelay(server.port);
    const between = await startSwitch(server.port, Number(relay.target.split(':')[1]), 2);
    const own = await connect(between.target, policy, options);
    between.cut();
    await assert.rejects(own.infer('adder', inputs), { code: 'CLIENT_TLS_PIN' });
    own.close();
    between.close();
    relay.close();
  });

  test('the second connection of attesting is pinned to the key of the first', async () => {
    const other = await startAdder();
    const between = await startSwitch(server.port, other.port, 1);
    await assert.rejects(attest(between.target, policy, options), { code: 'CLIENT_TLS_PIN' });
    between.close();
    other.close();
  });
});

describe('nobody there', () => {
  test('a closed port', () =>
    assert.rejects(attest('127.0.0.1:1', policy), { code: 'CLIENT_UNREACHABLE' }));
  test('something that does not speak TLS', async () => {
    const plain = await startSwitch(1, 1, 0);
    await assert.rejects(attest(plain.target, policy), { code: 'CLIENT_UNREACHABLE' });
    plain.close();
  });
  for (const target of [
    'localhost',
    'localhost:0',
    'localhost:65536',
    'http://localhost:1',
    '::1:80',
    '',
  ]) {
    test(`the target ${JSON.stringify(target)}`, () =>
      assert.rejects(attest(target, policy), { code: 'USAGE_TARGET' }));
  }
});
