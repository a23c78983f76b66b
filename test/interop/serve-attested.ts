import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after } from 'node:test';
import { toHex } from '../../attestation/encoding/bytes.js';
import { identifyModel } from '../../attestation/model/identity.js';
import { parseConfig } from '../../src/config.js';
import { type Serving, serve } from '../../src/main.js';
import { assay } from '../forge/cli.js';
import { serveOptions } from '../forge/serving.js';
import { simulatorKeys } from '../vectors.js';

interface Attested {
  readonly serving: Serving;
  /** Path of the enclave's certificate, which `assay attest --ca` wrote once affirmed. */
  readonly root: string;
}

/** Serves models on the simulator over TLS alone, until the tests of the file end. */
export async function serveAttested(
  models: Readonly<Record<string, Uint8Array>>,
  folder: string,
  batching: { readonly maxBatchSize?: number } = {},
): Promise<Attested> {
  const graphs: { graph: string }[] = [];
  for (const [name, bytes] of Object.entries(models)) {
    await writeFile(join(folder, `${name}.onnx`), bytes);
    graphs.push({ graph: toHex(identifyModel({ path: name, bytes }).graph) });
  }
  await writeFile(
    join(folder, 'launch-policy.json'),
    JSON.stringify({ version: 1, models: graphs }),
  );
  const config = parseConfig(
    {
      listen: { port: 0 },
      platform: { kind: 'simulator', tee: 'sev-snp', rootDirectory: simulatorKeys },
      launchPolicy: 'launch-policy.json',
      models: Object.keys(models).map((name) => ({
        name,
        path: `${name}.onnx`,
        batching,
      })),
    },
    {},
    folder,
  );
  const serving = await serve(config, serveOptions);
  after(() => serving.close());
  const [simulator, bundle, policy, root] = [
    'simulator.pem',
    'bundle.cbor',
    'policy.yaml',
    'enclave.pem',
  ].map((name) => join(folder, name)) as [string, string, string, string];
  await writeFile(simulator, serving.simulatedRoot ?? '');
  const target = `localhost:${serving.port}`;
  await assay(['attest', target, '--root', simulator, '--save', bundle]);
  const first = await assay(['policy', 'init', bundle, '--root', simulator]);
  await writeFile(policy, first.out);
  const options = ['--root', simulator, '--policy', policy, '--ca', root];
  const affirmed = await assay(['attest', target, ...options]);
  assert.equal(affirmed.code, 0, affirmed.err);
  return { serving, root };
}
