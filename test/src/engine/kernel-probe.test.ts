import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { kernelDigest, probeKernels } from '../../../src/engine/kernel-probe.js';
import { PROBE_OUTPUTS } from '../../../src/engine/probe-model.js';

process.env['ORT_DISABLE_TELEMETRY'] = '1';

test('the probe gives the same digest whenever it is executed', async () => {
  const digest = await kernelDigest();
  const hash = createHash('sha256').update('assay/kernels/v1\0');
  for (const data of (await probeKernels()).values()) hash.update(data);
  assert.deepEqual(digest, hash.digest());
  assert.deepEqual(await kernelDigest(), digest);
});

test('every operator of the probe gives numbers that its kernel has to round', async () => {
  const answers = await probeKernels();
  assert.deepEqual([...answers.keys()], PROBE_OUTPUTS);
  for (const [name, data] of answers) {
    const copy = new Uint8Array(data).buffer;
    const values = name === 'integer' ? new Int32Array(copy) : new Float32Array(copy);
    assert.ok(values.every(Number.isFinite), name);
    assert.equal(new Set(values).size > values.length / 2, true, `${name} has many values`);
  }
});
