import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { AssayError } from '../../../attestation/encoding/error.js';
import { decodeBundle } from '../../../attestation/evidence/bundle.js';
import { manifestEntry } from '../../../attestation/receipt/claims.js';
import { verifyConsistency } from '../../../attestation/receipt/consistency.js';
import { verifyReceipt } from '../../../attestation/receipt/receipt.js';
import { decodeTreeHead, verifyTreeHead } from '../../../attestation/receipt/tree-head.js';
import { parseTarget } from '../../../src/client/endpoint.js';
import { PinnedChannel } from '../../../src/client/rpc.js';
import type { Serving } from '../../../src/main.js';
import {
  type Attester,
  attestationDefinition,
  attestationHandlers,
  loadAttestation,
} from '../../../src/server/attestation-service.js';
import { startServer } from '../../../src/server/server.js';
import { scaleModel } from '../../forge/enclave.js';
import { serveIn } from '../../forge/serving.js';

let directory = '';
let serving: Serving;
let channel: PinnedChannel;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'assay-attestation-'));
  await writeFile(join(directory, 'scale.onnx'), scaleModel(2));
  const config = {
    metrics: { port: 0 },
    models: [{ name: 'scale', path: 'scale.onnx' }],
  };
  serving = await serveIn(directory, config);
  channel = await PinnedChannel.open(parseTarget(`localhost:${serving.port}`), 10_000);
});
after(async () => {
  channel.close();
  await serving.close();
  await rm(directory, { recursive: true });
});

function ask<Answer extends object>(name: string, request: object = {}): Promise<Answer> {
  return channel.call<Answer>('assay.v1.Attestation', name, request, { timeout: 10_000 });
}

const LIMIT = { timeout: 20_000 };
const bytes = (value: Uint8Array): Uint8Array => new Uint8Array(value);

describe('assay.v1.Attestation', () => {
  test('gives evidence with the manifest that it gives alone', async () => {
    const { bundle } = await ask<{ bundle: Uint8Array }>('GetEvidence', {
      nonce: Buffer.alloc(32),
    });
    const { manifest } = await ask<{ manifest: Uint8Array }>('GetManifest');
    assert.deepEqual(decodeBundle(bytes(bundle)).manifest, bytes(manifest));
    assert.deepEqual(bytes(manifest), serving.enclave.manifestBytes);
  });

  for (const length of [0, 31, 33, 64]) {
    test(`answers a nonce of ${length} bytes with INVALID_ARGUMENT`, async () => {
      await assert.rejects(ask('GetEvidence', { nonce: Buffer.alloc(length) }), {
        code: 'CLIENT_SERVICE',
        message: /INVALID_ARGUMENT: BINDING_NONCE: expected a nonce of 32 bytes/,
      });
    });
  }

  test('proves that the log grew from every head that it signed', async () => {
    const { publicKey } = serving.enclave.keys.signing;
    const first = await ask<{ tree_head: Uint8Array }>('GetTreeHead');
    const older = decodeTreeHead(bytes(first.tree_head));
    await verifyTreeHead(older, publicKey);
    await serving.enclave.issuer.append(Uint8Array.of(1));
    const answer = await ask<{ tree_head: Uint8Array; proof: Uint8Array }>('GetConsistencyProof', {
      old_size: older.size,
    });
    const newer = decodeTreeHead(bytes(answer.tree_head));
    assert.equal(newer.size, older.size + 1);
    await verifyConsistency(bytes(answer.proof), older, newer, publicKey);
    const { receipt } = await ask<{ receipt: Uint8Array }>('GetInclusionProof', { index: 0 });
    const entry = manifestEntry(serving.enclave.manifestDigest);
    assert.equal((await verifyReceipt(bytes(receipt), entry, publicKey)).index, 0);
  });

  test('answers positions that the log never had with OUT_OF_RANGE', async () => {
    const beyond = { code: 'CLIENT_SERVICE', message: /OUT_OF_RANGE: MERKLE_INDEX/ };
    await assert.rejects(ask('GetInclusionProof', { index: 1_000_000 }), beyond);
    await assert.rejects(ask('GetConsistencyProof', { old_size: 0 }), beyond);
    await assert.rejects(ask('GetConsistencyProof', { old_size: 1_000_000 }), beyond);
  });

  for (const digits of ['9007199254740993', '18446744073709551615']) {
    test(`names a position beyond 2^53 to its last digit: ${digits}`, async () => {
      const beyond = new RegExp(`OUT_OF_RANGE: MERKLE_INDEX: .*, not ${digits}$`);
      await assert.rejects(ask('GetInclusionProof', { index: digits }), { message: beyond });
      await assert.rejects(ask('GetConsistencyProof', { old_size: digits }), { message: beyond });
    });
  }
});

/** A server whose evidence is made by others, and a channel to it. */
async function serveEvidence(
  evidence: Attester['evidence'],
  onFailure: (error: unknown) => void,
): Promise<{ readonly channel: PinnedChannel; close(): Promise<void> }> {
  const { manifestBytes, issuer, keys } = serving.enclave;
  const definitions = loadAttestation();
  const server = await startServer({
    services: [
      {
        name: 'assay.v1.Attestation',
        definition: attestationDefinition(definitions),
        handlers: attestationHandlers({ manifestBytes, issuer, evidence }, onFailure),
        package: definitions,
      },
    ],
    address: { host: '127.0.0.1', port: 0 },
    tls: keys.tls,
    maxReceiveBytes: 4096,
    connections: { max: 8, maxStreams: 8, idle: 3_600_000 },
  });
  const client = await PinnedChannel.open(parseTarget(`localhost:${server.port}`), 10_000);
  return {
    channel: client,
    close: async () => {
      client.close();
      await server.drain(1000);
    },
  };
}

describe('a caller who does not wait for its evidence', () => {
  const calls = new EventEmitter();
  const told: unknown[] = [];
  let slow: Awaited<ReturnType<typeof serveEvidence>>;

  before(async () => {
    slow = await serveEvidence(
      (_, caller) =>
        new Promise((_resolve, reject) => {
          caller?.onCancel(() => {
            reject(new AssayError('PLATFORM_CANCELLED', 'the caller went away'));
            calls.emit('gone', caller.address);
          });
          calls.emit('asked');
        }),
      (error) => told.push(error),
    );
  });
  after(() => slow.close());

  for (const [name, timeout, leaves] of [
    ['it cancels its call', 60_000, true],
    ['its deadline passes', 500, false],
  ] as const) {
    test(
      `is given up by the enclave, and its operator hears nothing of it: ${name}`,
      LIMIT,
      async () => {
        const leaving = new AbortController();
        const [asked, gone] = [once(calls, 'asked'), once(calls, 'gone')];
        const answer = slow.channel.call(
          'assay.v1.Attestation',
          'GetEvidence',
          { nonce: Buffer.alloc(32) },
          { timeout, signal: leaving.signal },
        );
        const ended = assert.rejects(answer, leaves ? { name: 'AbortError' } : /DEADLINE_EXCEEDED/);
        await asked;
        if (leaves) leaving.abort();
        assert.deepEqual(await gone, ['127.0.0.1']);
        await ended;
        assert.deepEqual(told, []);
      },
    );
  }
});

describe('an enclave whose hardware fails', () => {
  const failed = new AssayError('PLATFORM_REPORT', 'the device gave no report');
  const bug = new TypeError('of no concern to the caller');
  const full = new AssayError('PLATFORM_EXHAUSTED', '9 of 9 wait');
  const attempts = [failed, bug, new AssayError('BINDING_NONCE', 'expected a nonce'), full];
  const told: unknown[] = [];
  let failing: Awaited<ReturnType<typeof serveEvidence>>;
  const answer = (request: object): Promise<object> =>
    failing.channel.call('assay.v1.Attestation', 'GetEvidence', request, { timeout: 10_000 });

  before(async () => {
    failing = await serveEvidence(
      async () => {
        throw attempts.shift();
      },
      (error) => told.push(error),
    );
  });
  after(() => failing.close());

  test("tells its operator what failed, and nobody of a caller's mistake or a full queue", async () => {
    const request = { nonce: Buffer.alloc(32) };
    await assert.rejects(answer(request), {
      code: 'CLIENT_UNREACHABLE',
      message: /: PLATFORM_REPORT: the device gave no report$/,
    });
    await assert.rejects(answer(request), {
      code: 'CLIENT_SERVICE',
      message: /INTERNAL: the attestation service failed$/,
    });
    await assert.rejects(answer(request), { code: 'CLIENT_SERVICE', message: /INVALID_ARGUMENT/ });
    await assert.rejects(answer(request), {
      code: 'CLIENT_SERVICE',
      message: /RESOURCE_EXHAUSTED: PLATFORM_EXHAUSTED: 9 of 9 wait$/,
    });
    assert.deepEqual(told, [failed, bug]);
  });
});

test('metrics count the log and the reports', async () => {
  const request = get(`http://127.0.0.1:${serving.metricsPort}/metrics`);
  const [response] = await once(request, 'response');
  const text = Buffer.concat(await response.toArray()).toString();
  const { entries } = serving.enclave.issuer.counts;
  assert.match(text, new RegExp(`^assay_log_entries_total ${entries}$`, 'm'));
  assert.match(text, /^assay_log_heads_total \d+$/m);
  assert.match(text, /^assay_evidence_reports_total \d+$/m);
  assert.match(text, /^assay_evidence_answers_total \d+$/m);
  for (const [, name = '', kind] of text.matchAll(/^# TYPE (assay_\w+) (\w+)$/gm)) {
    assert.equal(name.endsWith('_total'), kind === 'counter', `${name} is a ${kind}`);
  }
});
