import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { tensor } from '../../../src/client/tensor.js';
import { createEngine } from '../../../src/engine/onnx-engine.js';
import { LocalNode } from '../../../src/replay/local-node.js';
import { identityModel } from '../../forge/inference-models.js';

const MIB = 2 ** 20;
const input = tensor('input', 'FP32', [1, 2], [1, 2]);

/** A node of whose sessions, ten MiB each, so many have room. */
async function nodeWith(sessions: number, bytes = identityModel('FP32')): Promise<LocalNode> {
  let inUse = 0;
  const memoryInUse = (): number => {
    inUse += 10 * MIB;
    return inUse;
  };
  const memoryBudget = (10 * sessions + 5) * MIB;
  const engine = await createEngine({ workers: 1, memoryBudget, memoryInUse });
  after(() => engine.close());
  return new LocalNode(engine, { path: 'm.onnx', bytes });
}

test('proofs of more profiles than memory has room for are executed, each in its own', async () => {
  const node = await nodeWith(1);
  for (const intraOpThreads of [1, 2, 2, 1]) {
    const { outputs, profile } = await node.run({ intraOpThreads }, [input], ['output']);
    assert.deepEqual(outputs[0]?.data, input.data);
    assert.equal(profile.intraOpThreads, intraOpThreads);
  }
});

test('a model for which there is no room at all, or that is none, is not executed', async () => {
  const run = (node: LocalNode) => node.run({}, [input], ['output']);
  await assert.rejects(run(await nodeWith(0)), { reason: 'memory' });
  await assert.rejects(run(await nodeWith(1, new Uint8Array(16))), { reason: 'load' });
});
