import { equalBytes } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import {
  outputsDigest,
  type SelfTest,
  vectorsDigest,
} from '../../attestation/evidence/self-test.js';
import { readPackageVectors } from '../admission/package-vectors.js';
import { qualityFindings } from '../admission/quality.js';
import type { TestSet } from '../admission/test-sets.js';
import type { LoadedModel } from '../engine/engine.js';
import type { InputTensor, Tensor } from '../engine/tensor.js';
import { validateInputs } from '../server/validation.js';
import { nativeSha256 } from '../system/sha256.js';

const names = (tensors: readonly { readonly name: string }[]): string[] =>
  tensors.map(({ name }) => name);

function refuse(model: LoadedModel, reason: string, cause?: unknown): never {
  throw new AssayError(
    'MODEL_SELF_TEST',
    `model ${model.name} ${model.version} does not pass its own test vectors: ${reason}`,
    cause,
  );
}

/**
 * Checked as a request of a caller's is, before they reach the engine: there are tensors on which
 * ONNX Runtime ends the process.
 */
function checkedInputs(model: LoadedModel, set: TestSet): readonly InputTensor[] {
  const inputs = set.inputs.map(({ name, datatype, shape }) => ({
    name,
    datatype,
    shape: shape.map(BigInt),
    contents: undefined,
    parameters: [],
  }));
  const raw = set.inputs.map(({ data }) => [data]);
  try {
    return validateInputs({ inputs, raw }, model);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return refuse(model, `${set.name}: ${reason}`, cause);
  }
}

async function outputsOf(model: LoadedModel, set: TestSet): Promise<readonly Tensor[]> {
  const inputs = checkedInputs(model, set);
  const wanted = new Set(names(set.outputs));
  const outputs = names(model.outputs).filter((name) => wanted.has(name));
  try {
    return (await model.infer({ inputs, outputs })).outputs;
  } catch (cause) {
    return refuse(model, `${set.name} does not run`, cause);
  }
}

function areIdentical(references: readonly Tensor[], outputs: readonly Tensor[]): boolean {
  return references.every(({ name, data }) => {
    const actual = outputs.find((output) => output.name === name);
    return actual !== undefined && equalBytes(actual.data, data);
  });
}

/**
 * Runs the test vectors that lie beside a model before it is served, and holds each output to the
 * publisher's tolerance. Returns null where there are none. Rejects with MODEL_SELF_TEST for inputs that
 * would be refused of a caller and for an output beyond its tolerance, and as `readPackageVectors`.
 * @param path of the model file.
 * @param packaged paths of the vectors that its package names, none of which may be left out.
 */
export async function selfTest(
  model: LoadedModel,
  path: string,
  packaged: readonly string[],
): Promise<SelfTest | null> {
  const signature = { inputs: names(model.inputs), outputs: names(model.outputs) };
  const vectors = await readPackageVectors(path, signature, packaged);
  if (vectors === null) return null;
  const { sets, tolerances } = vectors;
  const computed: (readonly Tensor[])[] = [];
  let identical = 0;
  for (const set of sets) {
    const outputs = await outputsOf(model, set);
    const wrong = qualityFindings(set.name, set.outputs, outputs, tolerances).find(
      ({ outcome }) => outcome === 'refuse',
    );
    if (wrong !== undefined) refuse(model, `${wrong.rule}: ${wrong.message}`);
    if (areIdentical(set.outputs, outputs)) identical += 1;
    computed.push(outputs);
  }
  return {
    vectors: vectorsDigest(sets, tolerances, nativeSha256),
    outputs: outputsDigest(computed, nativeSha256),
    sets: sets.length,
    identical,
  };
}
