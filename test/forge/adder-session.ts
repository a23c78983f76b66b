import { after, afterEach } from 'node:test';
import { parsePolicy } from '../../attestation/appraisal/policy.js';
import { connect } from '../../src/client/connect.js';
import { tensor } from '../../src/client/tensor.js';
import { startAdder } from './adder-server.js';
import { servedPolicy } from './served-policy.js';

/** The numbers 1 and 2, and 3 and 4. */
export const inputs = [tensor('a', 'FP32', [1, 2]), tensor('b', 'FP32', [3, 4])];

/**
 * An enclave that adds, and a session with it: it tells the truth again after each test, and both end with
 * the file.
 */
export async function trustedAdder() {
  const server = await startAdder();
  const policy = parsePolicy(servedPolicy(server.enclave));
  const options = { roots: [server.root] };
  const session = await connect(server.target, policy, options);
  after(() => {
    session.close();
    server.close();
  });
  afterEach(() => {
    server.lies = {};
  });
  return { server, policy, options, session };
}
