import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { manifestEntry } from '../../../attestation/receipt/claims.js';
import { Issuer } from '../../../enclave/issuer.js';
import { connect } from '../../../src/client/connect.js';
import { inputs, trustedAdder } from '../../forge/adder-session.js';
import { issueClaims } from '../../forge/issue.js';

const { server, policy, options, session } = await trustedAdder();
const fill = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);

describe('a log that forks', () => {
  // Longer than any fork: of trees of one size the roots alone would tell.
  before(() => Promise.all(Array.from({ length: 32 }, () => session.infer('adder', inputs))));

  const fork = (): Promise<Issuer> =>
    Issuer.start(server.enclave.keys.signing, manifestEntry(server.enclave.manifestDigest));

  test('two signed trees of one size', async () => {
    const own = await connect(server.target, policy, options);
    const [one, two] = [await fork(), await fork()];
    server.lies = { issue: (claims) => issueClaims(one, claims) };
    await own.infer('adder', inputs);
    server.lies = { issue: (claims) => issueClaims(two, claims) };
    await assert.rejects(own.infer('adder', inputs), { code: 'RECEIPT_FORK' });
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
