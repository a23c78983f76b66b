import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { manifestEntry } from '../../../attestation/receipt/claims.js';
import { verifyReceipt } from '../../../attestation/receipt/receipt.js';
import { Issuer } from '../../../enclave/issuer.js';
import { makeSigningKey } from '../../../enclave/signing-key.js';
import { connect } from '../../../src/client/connect.js';
import type { Session } from '../../../src/client/session.js';
import { inputs, trustedAdder } from '../../forge/adder-session.js';
import { flip } from '../../forge/cbor.js';
import { fill } from '../../forge/fill.js';
import { issueClaims } from '../../forge/issue.js';

const { server, policy, options, session } = await trustedAdder();

describe('a log that forks', () => {
  // Longer than any fork: of trees of one size the roots alone would tell.
  before(() => Promise.all(Array.from({ length: 32 }, () => session.infer('adder', inputs))));

  const fork = (): Promise<Issuer> =>
    Issuer.start(server.enclave.keys.signing, manifestEntry(server.enclave.manifestDigest));

  /** Shows a session the heads of a log that grows by so many entries. */
  const grow = async ({ log, manifest }: Session, entries: number): Promise<void> => {
    for (let entry = 0; entry < entries; entry++) {
      const receipt = await server.enclave.issuer.append(fill(3));
      log.observe((await verifyReceipt(receipt, fill(3), manifest.signingKey)).head);
    }
  };

  test('two signed trees of one size', async () => {
    const own = await connect(server.target, policy, options);
    const [one, two] = [await fork(), await fork()];
    server.lies = { issue: (claims) => issueClaims(one, claims) };
    await own.infer('adder', inputs);
    server.lies = { issue: (claims) => issueClaims(two, claims) };
    await assert.rejects(own.infer('adder', inputs), { code: 'RECEIPT_FORK' });
    own.close();
  });

  test('two signed trees of one size, the second of them in the place of a proof', async () => {
    const own = await connect(server.target, policy, options);
    const [one, two] = [await fork(), await fork()];
    server.lies = { issue: (claims) => issueClaims(one, claims) };
    await own.infer('adder', inputs);
    await two.append(fill(1));
    server.lies = { consistency: ({ proof }) => ({ treeHead: two.treeHead(), proof }) };
    await assert.rejects(own.audit(), { code: 'RECEIPT_FORK' });
    own.close();
  });

  test('a signed tree from elsewhere, of the size that is shown here', async () => {
    const own = await connect(server.target, policy, options);
    const hidden = await fork();
    const { entries } = server.enclave.issuer.counts;
    while (hidden.counts.entries < entries - 1) await hidden.append(fill(6));
    const receipt = await hidden.append(fill(6));
    const { head } = await verifyReceipt(receipt, fill(6), own.manifest.signingKey);
    await assert.rejects(own.log.extend(head), { code: 'RECEIPT_FORK' });
    own.close();
  });

  test('two signed trees of one size, one of them in the place of the older head of a proof', async () => {
    const own = await connect(server.target, policy, options);
    const [one, two] = [await fork(), await fork()];
    server.lies = { issue: (claims) => issueClaims(one, claims) };
    await own.infer('adder', inputs);
    const receipt = await two.append(fill(1));
    const { head } = await verifyReceipt(receipt, fill(1), own.manifest.signingKey);
    await two.append(fill(2));
    server.lies = { consistency: (_, oldSize) => two.consistency(oldSize) };
    await assert.rejects(own.log.extend(head), { code: 'RECEIPT_FORK' });
    own.close();
  });

  test('a log that does not extend the one that was shown', async () => {
    const own = await connect(server.target, policy, options);
    const hidden = await fork();
    server.lies = { issue: (claims) => issueClaims(hidden, claims) };
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
    server.lies = { issue: (claims) => issueClaims(one, claims) };
    await own.infer('adder', inputs);
    server.lies = { issue: (claims) => issueClaims(two, claims) };
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

  test('a head that came without a proof: the next audit has to prove it', async () => {
    const own = await connect(server.target, policy, options);
    await own.infer('adder', inputs);
    const hidden = await fork();
    const { entries } = server.enclave.issuer.counts;
    while (hidden.counts.entries <= entries) await hidden.append(fill(5));
    server.lies = { consistency: ({ proof }) => ({ treeHead: hidden.treeHead(), proof }) };
    await assert.rejects(own.audit(), { code: 'RECEIPT_ENCODING' });
    server.lies = {};
    // Past the other log's size: of trees of one size the roots alone would tell.
    for (let i = 0; i < 2; i++) await session.infer('adder', inputs);
    await assert.rejects(own.audit(), { code: 'RECEIPT_CONSISTENCY' });
    own.close();
  });

  test('more heads than are remembered: the first ones are not passed over', async () => {
    const own = await connect(server.target, policy, options);
    const hidden = await fork();
    server.lies = { issue: (claims) => issueClaims(hidden, claims) };
    await own.infer('adder', inputs);
    await grow(own, 1024);
    const unsettled = {
      code: 'RECEIPT_UNSETTLED',
      message: /more than 1024 heads .* 1 of them were never proven/,
    };
    await assert.rejects(own.audit(), unsettled);
    await assert.rejects(own.audit(), unsettled);
    own.close();
  });

  test('as many heads as are remembered, of a log that grows while they are proven', async () => {
    const own = await connect(server.target, policy, options);
    await grow(own, 1024);
    let growth = 1024;
    server.lies = {
      consistency: (honest) => {
        if (growth-- > 0) void server.enclave.issuer.append(fill(4));
        return honest;
      },
    };
    assert.ok((await own.audit()) > 1024);
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

describe('a head that the attested key did not sign', () => {
  const another = async (): Promise<Issuer> =>
    Issuer.start(makeSigningKey(), manifestEntry(server.enclave.manifestDigest));
  const forged = (treeHead: Uint8Array): Uint8Array => flip(treeHead, treeHead.length - 1);

  test('as the newest one', async () => {
    const stranger = await another();
    server.lies = { head: () => stranger.treeHead() };
    await assert.rejects(session.log.head(), { code: 'RECEIPT_KEY' });
    server.lies = { head: forged };
    await assert.rejects(session.log.head(), { code: 'RECEIPT_SIGNATURE' });
  });

  test('as the one of the size that was seen', async () => {
    const own = await connect(server.target, policy, options);
    await own.infer('adder', inputs);
    server.lies = {
      consistency: ({ treeHead, proof }) => ({ treeHead: forged(treeHead), proof }),
    };
    await assert.rejects(own.audit(), { code: 'RECEIPT_SIGNATURE' });
    own.close();
  });
});
