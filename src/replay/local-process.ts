/*
 * The process that executes requests of proofs again. Their inputs are chosen by whoever made the proofs,
 * who may want the auditor to fail: what the runtime does of them ends here.
 */
import { AssayError } from '../../attestation/encoding/error.js';
import type { ModelSource } from '../../attestation/model/identity.js';
import { readExecutable } from '../admission/model-source.js';
import { answerQuestions } from '../system/isolated-process.js';
import type { LocalAnswer, LocalQuestion } from './local-messages.js';
import type { LocalNode } from './local-node.js';

type Run = Extract<LocalQuestion, { kind: 'run' }>;

/** Bytes of outputs that are sent to whoever asked: many times what a proof file holds. */
const MAX_ANSWER = 2 ** 30;

/** Read once. */
let source: ModelSource | undefined;
let node: LocalNode | undefined;

async function open(path: string): Promise<LocalAnswer> {
  try {
    const read = await readExecutable(path);
    source = read;
    const { graph, outputs } = read.identity;
    return { kind: 'opened', graph, outputs: outputs.map(({ name }) => ({ name })) };
  } catch (error) {
    if (!(error instanceof AssayError)) throw error;
    return { kind: 'refused', code: error.code, message: error.message };
  }
}

/** ONNX Runtime is only begun where something is executed. */
async function begin(): Promise<LocalNode> {
  if (source === undefined) throw new Error('expected a model to be opened first');
  const { createEngine } = await import('../engine/onnx-engine.js');
  const { LocalNode } = await import('./local-node.js');
  return new LocalNode(await createEngine({ workers: 1 }), source);
}

async function run({ options, inputs, outputs }: Run): Promise<LocalAnswer> {
  try {
    node ??= await begin();
    const executed = await node.run(options, inputs, outputs);
    const size = executed.outputs.reduce((sum, { data }) => sum + data.length, 0);
    if (size > MAX_ANSWER) return { kind: 'failed', reason: `the answer has ${size} bytes` };
    return { kind: 'executed', executed };
  } catch (error) {
    return { kind: 'failed', reason: error instanceof Error ? error.message : String(error) };
  }
}

answerQuestions<LocalQuestion, LocalAnswer>((question) =>
  question.kind === 'open' ? open(question.path) : run(question),
);
