import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from '../../../src/client/connect.js';
import { LiveLog } from '../../../src/replay/live-log.js';
import { trustedAdder } from '../../forge/adder-session.js';

const { server, policy, options } = await trustedAdder();

test('a log that shows more heads than a session remembers while its entries are looked up', async () => {
  const session = await connect(server.target, policy, options);
  const log = await LiveLog.open(session);
  const entry = new Uint8Array(32).fill(1);
  for (let index = log.head.size; index < log.head.size + 1100; index++) {
    await server.enclave.issuer.append(entry);
    assert.equal(await log.has(index, entry), true);
  }
  await log.settle();
  session.close();
});
