import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { equalBytes } from '../attestation/encoding/bytes.js';
import { AssayError } from '../attestation/encoding/error.js';
import { type SelfTest, vectorsDigest } from '../attestation/evidence/self-test.js';
import { qualityFindings } from './admission/quality.js';
import { findTestFolders, readTestFolder, type TestSet } from './admission/test-sets.js';
import type { LoadedModel } from './engine/engine.js';
import type { Tensor } from './engine/tensor.js';
import { parseTolerances, type Tolerances } from './hub/package.js';
import { nativeSha256 } from './model-source.js';

const names = (tensors: readonly { readonly name: string }[]): string[] =>
  tensors.map(({ name }) => name);

/** `tolerances.json` beside the model; null where the publisher declared none. */
async function tolerancesIn(folder: string): Promise<Tolerances | null> {
  const bytes = await readFile(join(folder, 'tolerances.json')).catch(() => null);
  return bytes === null ? null : parseTolerances(new Uint8Array(bytes));
}

/** A folder with several models does not say whose vectors it holds. */
async function testFolders(folder: string): Promise<string[]> {
  const files = await readdir(folder);
  return files.filter((file) => file.endsWith('.onnx')).length === 1 ? findTestFolders(folder) : [];
}

function refuse(model: LoadedModel, reason: string, cause?: unknown): never {
  throw new AssayError(
    'MODEL_SELF_TEST',
    `model ${model.name} ${model.version} does not pass its own test vectors: ${reason}`,
    cause,
  );
}

async function outputsOf(model: LoadedModel, set: TestSet): Promise<readonly Tensor[]> {
  const wanted = new Set(names(set.outputs));
  const outputs = names(model.outputs).filter((name) => wanted.has(name));
  try {
    return (await model.infer({ inputs: set.inputs, outputs })).outputs;
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
 * Runs the test vectors that lie beside a model (`test_data_set_*`, ONNX's layout) before it is
 * served, and holds each output to the publisher's tolerance. Returns null where there are none.
 * Rejects with MODEL_SELF_TEST for an output beyond its tolerance, MODEL_VECTORS or HUB_TOLERANCES for
 * files that are not what they should be.
 * @param path of the model file.
 */
export async function selfTest(model: LoadedModel, path: string): Promise<SelfTest | null> {
  const folder = dirname(path);
  const folders = await testFolders(folder);
  if (folders.length === 0) return null;
  const tolerances = await tolerancesIn(folder);
  const signature = { inputs: names(model.inputs), outputs: names(model.outputs) };
  const vectors: (readonly Tensor[])[] = [];
  const computed: (readonly Tensor[])[] = [];
  let identical = 0;
  for (const each of folders) {
    const set = await readTestFolder(each, signature);
    const outputs = await outputsOf(model, set);
    const wrong = qualityFindings(set.name, set.outputs, outputs, tolerances).find(
      ({ outcome }) => outcome === 'refuse',
    );
    if (wrong !== undefined) refuse(model, `${wrong.rule}: ${wrong.message}`);
    if (areIdentical(set.outputs, outputs)) identical += 1;
    vectors.push(set.inputs, set.outputs);
    computed.push(outputs);
  }
  return {
    vectors: vectorsDigest(vectors, nativeSha256),
    outputs: vectorsDigest(computed, nativeSha256),
    sets: folders.length,
    identical,
  };
}
