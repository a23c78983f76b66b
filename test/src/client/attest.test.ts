import assert from 'node:assert/strict';
import dns from 'node:dns';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, test } from 'node:test';
import { appraiseProof } from '../../../attestation/appraisal/appraise-proof.js';
import { parsePolicy } from '../../../attestation/appraisal/policy.js';
import { verdictOf } from '../../../attestation/appraisal/result.js';
import { EndorsementSource } from '../../../attestation/endorsements/source.js';
import { encodeAuxblob, parseAuxblob } from '../../../attestation/evidence/auxblob.js';
import { decodeBundle, encodeBundle } from '../../../attestation/evidence/bundle.js';
import { attest } from '../../../src/client/attest.js';
import { connect, NotAffirmedError } from '../../../src/client/connect.js';
import { type Lies, startAdder } from '../../forge/adder-server.js';
import { inputs, trustedAdder } from '../../forge/adder-session.js';
import { fill } from '../../forge/fill.js';
import { startRelay, startSwitch } from '../../forge/relay.js';

const { server, policy, options, session } = await trustedAdder();

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
  test('longer than any bundle: it is not taken in', async () => {
    server.lies = { bundle: () => new Uint8Array(16 * 1024 * 1024 + 1024) };
    await assert.rejects(attest(server.target, policy, options), {
      code: 'CLIENT_SERVICE',
      message: /^GetEvidence answered RESOURCE_EXHAUSTED: Received message larger than max/,
    });
  });
  test('from a server whose answers are longer: those have a bound of their own', async () => {
    const note = { string_param: 'x'.repeat(17 * 1024 * 1024) };
    server.lies = { answer: ({ parameters }) => void Object.assign(parameters, { note }) };
    await session.infer('adder', inputs);
  });
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

for (const host of ['dns', 'unix', 'ipv4', 'ipv6']) {
  test(`a host of the name ${host} is reached, which is a scheme of gRPC’s`, async (t) => {
    const all = [{ address: '127.0.0.1', family: 4 }];
    t.mock.method(dns.promises, 'lookup', async () => all);
    t.mock.method(
      dns,
      'lookup',
      (_: string, __: object, found: (error: null, addresses: typeof all) => void) =>
        setImmediate(found, null, all),
    );
    const { result } = await attest(`${host}:${server.port}`, policy, options);
    assert.equal(result.affirmed, true, result.summary);
  });
}

test('a host that says nothing is given up, also by who would not wait at all', async () => {
  const silent = createServer().listen(0, 'localhost');
  await once(silent, 'listening');
  const target = `localhost:${(silent.address() as AddressInfo).port}`;
  await assert.rejects(connect(target, policy, { ...options, timeout: 0 }), {
    code: 'CLIENT_UNREACHABLE',
  });
  silent.close();
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

  test('are not waited for once the signal aborts', async () => {
    const abort = new AbortController();
    const source = new EndorsementSource({
      now: () => new Date(),
      fetch: () => {
        abort.abort(new Error('enough'));
        return new Promise(() => {});
      },
    });
    server.lies = bare;
    const bounded = { ...options, services: { source }, signal: abort.signal };
    await assert.rejects(connect(server.target, policy, bounded), { message: 'enough' });
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

test('a vendor that cannot be reached leaves revocation to the host’s word, and the result says why', async () => {
  const source = new EndorsementSource({
    now: () => new Date(),
    sleep: async () => undefined,
    fetch: async () => new Response('', { status: 503 }),
  });
  const { result } = await attest(server.target, policy, { ...options, services: { source } });
  assert.equal(result.affirmed, true, result.summary);
  assert.match(result.caveats.join('\n'), /its host chose that.*status 503/s);
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

  test('a relay is refused, and not excused by a revocation list that it leaves out', async () => {
    const relay = await startRelay(server.port);
    server.lies = {
      bundle: (bytes) => {
        const { endorsements, ...bundle } = decodeBundle(bytes);
        const blobs = parseAuxblob(endorsements ?? new Uint8Array());
        const kept = blobs.flatMap(({ kind, data }) =>
          kind === 'crl' || kind === 'other' ? [] : [{ kind, data }],
        );
        return encodeBundle({ ...bundle, endorsements: encodeAuxblob(kept) });
      },
    };
    const { result } = await attest(relay.target, policy, options);
    assert.equal(result.checks.find(({ id }) => id === 'snp.revocation')?.outcome, 'unchecked');
    assert.equal(result.code, 'client.tls-key');
    assert.match(result.summary, /relays its evidence\. Not checked: 1\.$/);
    assert.equal(verdictOf(result), 'refused');
    relay.close();
  });

  test('a later connection that ends at another genuine enclave is refused', async () => {
    const other = await startAdder();
    const between = await startSwitch(server.port, other.port, 3);
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
  test('a call that is given up while the failure of its connection is looked into', async () => {
    const abort = new AbortController();
    let later = 0;
    const silent = createServer((socket) => {
      later += 1;
      if (later === 1) socket.destroy();
      else socket.on('error', () => {}).once('data', () => abort.abort(new Error('enough')));
    }).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const between = await startSwitch(server.port, port, 2);
    const own = await connect(between.target, policy, options);
    between.cut();
    const call = own.infer('adder', inputs, { signal: abort.signal });
    await assert.rejects(call, { message: 'enough' });
    own.close();
    between.close();
    silent.close();
  });

  for (const target of ['127.0.0.1:1', '[::1]:1']) {
    test(`a closed port, in the words of the caller: ${target}`, () =>
      assert.rejects(
        attest(target, policy),
        ({ code, message }) => code === 'CLIENT_UNREACHABLE' && message.startsWith(`${target}: `),
      ));
  }
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
