import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { after, test } from 'node:test';
import { toPem } from '../../../attestation/encoding/pem.js';
import { withSession } from '../../../src/cli/attestation-options.js';
import { Io } from '../../../src/cli/io.js';
import { startAdder } from '../../forge/adder-server.js';
import { servedPolicy } from '../../forge/served-policy.js';
import { testFolder } from '../../forge/test-folder.js';

const { at } = testFolder();
const server = await startAdder();
after(() => server.close());
const [policy, root] = [at('policy.json'), at('root.pem')];
await writeFile(policy, JSON.stringify(servedPolicy(server.enclave)));
await writeFile(root, toPem(server.root, 'CERTIFICATE'));

const start = new Date();
const later = new Date(start.getTime() + 1000);

/** The times for which a session of a command is attested: at its start, and twice when a second has passed. */
async function timesOf(flags: { readonly at?: Date }): Promise<readonly string[]> {
  let now = start;
  const silent = { write: () => true };
  const surroundings = { stdin: Readable.from([]), stdout: silent, stderr: silent, env: {} };
  const io = new Io({ ...surroundings, now: () => now }, false);
  const times: string[] = [];
  await withSession(io, server.target, { policy, root, ...flags }, async (session, again) => {
    times.push(session.result.at);
    now = later;
    times.push((await session.refresh()).at);
    const next = await again(new AbortController().signal);
    times.push(next.result.at);
    next.close();
  });
  return times;
}

test('a command that runs for long attests for the time at which it does', async () => {
  const [first, then] = [start.toISOString(), later.toISOString()];
  assert.deepEqual(await timesOf({}), [first, then, then]);
});

test('--at is the time of every attestation', async () => {
  const stated = new Date(start.getTime() + 500);
  assert.deepEqual(await timesOf({ at: stated }), Array(3).fill(stated.toISOString()));
});
