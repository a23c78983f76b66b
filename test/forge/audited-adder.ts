import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { after, afterEach } from 'node:test';
import { parsePolicy } from '../../attestation/appraisal/policy.js';
import { toPem } from '../../attestation/encoding/pem.js';
import { claimsEntry } from '../../attestation/receipt/claims.js';
import { decodeInferenceReceipt } from '../../attestation/receipt/inference-receipt.js';
import { decodeProofFile } from '../../attestation/receipt/proof-file.js';
import { TileFiles } from '../../enclave/tile-files.js';
import { connect } from '../../src/client/connect.js';
import { executionFacts } from '../../src/engine/profile.js';
import { adderModel, startAdder } from './adder-server.js';
import { inputs } from './adder-session.js';
import { assay } from './cli.js';
import { servedPolicy } from './served-policy.js';
import { testFolder } from './test-folder.js';

/**
 * An enclave that adds, publishes its log in the folder `log` and gave this many answers, whose proofs are
 * `proofs/1.proof` and so on; the policy that affirms them is `policy.json`. It tells the truth again after
 * each test, and ends with the file.
 */
export async function auditedAdder(answers: number) {
  const { at } = testFolder();
  const archive = new TileFiles(at('log'), (error) => {
    throw error;
  });
  const node = await startAdder({}, await executionFacts(), { archive });
  const policy = servedPolicy(node.enclave);
  await mkdir(at('proofs'));
  await writeFile(at('policy.json'), JSON.stringify(policy));
  await writeFile(at('root.pem'), toPem(node.root, 'CERTIFICATE'));
  await writeFile(at('adder.onnx'), adderModel());
  const prove = async (...file: string[]): Promise<void> => {
    const session = await connect(node.target, parsePolicy(policy), { roots: [node.root] });
    await writeFile(at(...file), (await session.infer('adder', inputs)).proof());
    session.close();
  };
  for (let i = 1; i <= answers; i++) await prove('proofs', `${i}.proof`);
  await node.enclave.issuer.flush();
  afterEach(() => {
    node.lies = {};
  });
  after(() => node.close());

  /** `assay replay` of the proofs in a folder, under a policy file. */
  const replay = (proofs: string, more: readonly string[], policyFile = 'policy.json') => {
    const trust = ['--policy', at(policyFile), '--root', at('root.pem')];
    return assay(['replay', at(proofs), ...trust, '--model', at('adder.onnx'), ...more]);
  };
  const proof = async (...file: string[]) =>
    decodeProofFile(new Uint8Array(await readFile(at(...file))));
  return {
    node,
    at,
    policy,
    replay,
    proof,
    /** Asks the node once, and keeps the proof of its answer. */
    prove,
    /** The same with `--json`: the exit code, and what was found. */
    audit: async (proofs: string, more: readonly string[], policyFile?: string) => {
      const { code, out, err } = await replay(proofs, [...more, '--json'], policyFile);
      return { code, found: JSON.parse(out || err) };
    },
    /** The log entry of a proof. */
    entryOf: async (...file: string[]) =>
      claimsEntry(decodeInferenceReceipt((await proof(...file)).receipt).claims),
  };
}
