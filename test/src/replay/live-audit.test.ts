import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { parsePolicy } from '../../../attestation/appraisal/policy.js';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { AssayError } from '../../../attestation/encoding/error.js';
import { toPem } from '../../../attestation/encoding/pem.js';
import { claimsEntry, manifestEntry } from '../../../attestation/receipt/claims.js';
import { decodeInferenceReceipt } from '../../../attestation/receipt/inference-receipt.js';
import { decodeProofFile } from '../../../attestation/receipt/proof-file.js';
import { Issuer } from '../../../enclave/issuer.js';
import { SIMULATED_MEASUREMENT } from '../../../enclave/platform/simulator/snp.js';
import { connect } from '../../../src/client/connect.js';
import { executionFacts } from '../../../src/engine/profile.js';
import { adderModel, startAdder } from '../../forge/adder-server.js';
import { inputs } from '../../forge/adder-session.js';
import { assay } from '../../forge/cli.js';

/** Answers that the auditor holds the proofs of; nobody holds one of the entry after them. */
const HELD = 3;
const UNHELD = HELD + 1;

const folder = await mkdtemp(join(tmpdir(), 'assay-live-audit-'));
const at = (...names: string[]): string => join(folder, ...names);
const node = await startAdder({}, await executionFacts());
const policy = {
  version: 1,
  snp: { measurements: [toHex(SIMULATED_MEASUREMENT)] },
  enclave: {
    models: node.enclave.manifest.models.map(({ graph }) => ({ graph: toHex(graph) })),
    allowUnpinned: true,
  },
};
const manifest = manifestEntry(node.enclave.manifestDigest);

before(async () => {
  await mkdir(at('proofs'));
  await writeFile(at('policy.json'), JSON.stringify(policy));
  await writeFile(at('root.pem'), toPem(node.root, 'CERTIFICATE'));
  await writeFile(at('adder.onnx'), adderModel());
  const session = await connect(node.target, parsePolicy(policy), { roots: [node.root] });
  for (let i = 1; i <= HELD; i++) {
    const answer = await session.infer('adder', inputs);
    await writeFile(at('proofs', `${i}.proof`), answer.proof());
  }
  await session.infer('adder', inputs);
  session.close();
});

afterEach(() => {
  node.lies = {};
});

after(async () => {
  node.close();
  await rm(folder, { recursive: true });
});

const flags = (): string[] => [
  ...['--policy', at('policy.json'), '--root', at('root.pem'), '--model', at('adder.onnx')],
  ...['--log-target', node.target],
];

async function audit() {
  const { code, out, err } = await assay(['replay', at('proofs'), ...flags(), '--json']);
  return { code, found: JSON.parse(out || err) };
}

/** A second log of the node's key: the held answers, and this many manifests in place of the others. */
async function secondLog(manifests: number): Promise<Issuer> {
  const issuer = await Issuer.start(node.enclave.keys.signing, manifest);
  for (let i = 1; i <= HELD; i++) {
    const { receipt } = decodeProofFile(new Uint8Array(await readFile(at('proofs', `${i}.proof`))));
    await issuer.append(claimsEntry(decodeInferenceReceipt(receipt).claims));
  }
  for (let i = 0; i < manifests; i++) await issuer.append(manifest);
  return issuer;
}

describe('a node that shows an answer nobody holds as a manifest, in a second log', () => {
  const cases: readonly (readonly [string, number])[] = [
    ['of another size', 2],
    ['of the same size', 1],
  ];
  for (const [name, manifests] of cases) {
    test(`${name}: RECEIPT_FORK`, async () => {
      const second = await secondLog(manifests);
      node.lies = {
        inclusion: (honest, index) => (index === UNHELD ? second.inclusion(index) : honest()),
      };
      const { code, found } = await audit();
      assert.deepEqual([code, found.fault?.code, found.confidence], [1, 'RECEIPT_FORK', null]);
      assert.equal(found.counts.identical, HELD, 'what else was found is told');
      const people = await assay(['replay', at('proofs'), ...flags()]);
      assert.match(people.out, /^NOT ONE LOG: RECEIPT_FORK, /m);
    });
  }
});

test('a node that denies an entry below the head that it signed contradicts itself', async () => {
  node.lies = {
    inclusion: (honest, index) => {
      if (index === UNHELD) throw new AssayError('MERKLE_INDEX', 'no such entry');
      return honest();
    },
  };
  const { code, found } = await audit();
  assert.deepEqual([code, found.fault?.code], [1, 'RECEIPT_FORK']);
});
