import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parsePolicy } from '../../attestation/appraisal/policy.js';
import { toHex } from '../../attestation/encoding/bytes.js';
import { pemBlocks } from '../../attestation/encoding/pem.js';
import { identifyModel } from '../../attestation/model/identity.js';
import { SIMULATED_MEASUREMENT } from '../../enclave/platform/simulator/snp.js';
import { connect } from '../../src/client/connect.js';
import type { Session } from '../../src/client/session.js';
import { createEngine } from '../../src/engine/onnx-engine.js';
import type { Serving } from '../../src/main.js';
import { serveIn } from '../forge/serving.js';
import { SOAK_MODELS } from './soak-models.js';

const graphs = SOAK_MODELS.map(({ name, bytes }) => ({
  graph: toHex(identifyModel({ path: name, bytes }).graph),
}));

/** The whole service on the simulator, its workers killable, in a folder that it may write to. */
export async function startService(directory: string): Promise<Serving> {
  for (const { name, bytes } of SOAK_MODELS) {
    await writeFile(join(directory, `${name}.onnx`), bytes);
  }
  const policy = JSON.stringify({ version: 1, models: graphs });
  await writeFile(join(directory, 'launch-policy.yaml'), policy);
  const config = {
    metrics: { port: 0 },
    launchPolicy: 'launch-policy.yaml',
    models: SOAK_MODELS.map(({ name }) => ({ name, path: `${name}.onnx` })),
    workers: 2,
    // The least that there is: older entries leave memory while the soak runs.
    receiptLog: { retain: 2 ** 16, directory: 'log' },
  };
  return serveIn(directory, config, {
    makeEngine: ({ annotator, ...settings } = {}) => {
      const module = new URL('./fatal-annotator.js', import.meta.url);
      return createEngine({
        ...settings,
        ...(annotator === undefined ? {} : { annotator: { ...annotator, module } }),
      });
    },
  });
}

/** Attests the service as a caller does, and opens a session with it. */
export function openSession({ port, simulatedRoot }: Serving): Promise<Session> {
  return connect(
    `localhost:${port}`,
    parsePolicy({
      version: 1,
      snp: { measurements: [toHex(SIMULATED_MEASUREMENT)] },
      enclave: { models: graphs },
    }),
    { roots: pemBlocks(simulatedRoot ?? '', 'CERTIFICATE') },
  );
}

/** A counter of the service's metrics by model. */
export async function counter({ metricsPort }: Serving, metric: string, model: string) {
  const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  const line = text
    .split('\n')
    .find((each) => each.startsWith(`${metric}{`) && each.includes(`model="${model}"`));
  return Number(line?.split(' ').at(-1) ?? Number.NaN);
}
