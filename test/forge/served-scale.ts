import { after } from 'node:test';
import { toHex } from '../../attestation/encoding/bytes.js';
import { identifyModel } from '../../attestation/model/identity.js';
import { SIMULATED_MEASUREMENT } from '../../enclave/platform/simulator/snp.js';
import { formatNpy } from '../../src/client/npy.js';
import { tensor } from '../../src/client/tensor.js';
import { simulatorKeys } from '../vectors.js';
import { spawnAssay } from './cli.js';
import { scaleModel } from './enclave.js';
import { testFolder } from './test-folder.js';

/**
 * A folder with a model, its configuration and inputs for
 * it, and `assay serve` of it; gone when the file ends.
 */
export async function serveScale() {
  const { folder, at, place, trust } = testFolder();
  const { graph } = identifyModel({ path: 'scale.onnx', bytes: scaleModel(2) });
  const policy = {
    version: 1,
    snp: { measurements: [toHex(SIMULATED_MEASUREMENT)] },
    enclave: { models: [{ graph: toHex(graph) }] },
  };
  const config = {
    listen: { port: 0 },
    platform: { kind: 'simulator', rootDirectory: simulatorKeys },
    launchPolicy: 'launch.json',
    models: [{ name: 'scale', path: 'scale.onnx' }],
    workers: 1,
    logLevel: 'debug',
  };
  place({
    'scale.onnx': scaleModel(2),
    'launch.json': JSON.stringify({ version: 1, models: [{ graph: toHex(graph) }] }),
    'assay.json': JSON.stringify(config),
    'policy.json': JSON.stringify(policy),
    'other.json': JSON.stringify({ ...policy, snp: { measurements: ['00'.repeat(48)] } }),
    'misspelt.json': JSON.stringify({ ...policy, enclaves: {} }),
    'x.npy': formatNpy(tensor('x', 'FP32', [1, -2, 0.1])),
    'x.json': '[1, -2, 0.1]',
    'x.raw': new Uint8Array(Float32Array.of(1, -2, 0.1).buffer),
    'x64.npy': formatNpy(tensor('x', 'FP64', [1])),
  });
  const server = spawnAssay(['serve', at('assay.json'), '--simulator-root', at('root.pem')]);
  await server.logged('path');
  const target = `localhost:${await server.logged('port')}`;
  after(() => server.kill('SIGKILL'));
  return { folder, at, server, target, trust };
}
