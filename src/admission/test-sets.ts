import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { AssayError } from '../../attestation/encoding/error.js';
import { elementBytes, stringElements } from '../../attestation/model/elements.js';
import type { ModelIdentity } from '../../attestation/model/identity.js';
import { readTensor, type TensorView } from '../../attestation/model/tensor.js';
import { WalkBudget } from '../../attestation/model/wire.js';
import { datatypeOfElements } from '../client/datatype.js';
import { assertTensor, packBytes, type Tensor } from '../client/tensor.js';
import { readRegular } from '../system/open-regular.js';

/** Bytes of a file of test vectors: as many as a message of protobuf may have. */
export const MAX_VECTORS = 2 ** 31 - 1;

/** Reference inputs, and what the source framework made of them. */
export interface TestSet {
  readonly name: string;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

/** Reads a TensorProto as ONNX's test cases have it; throws MODEL_TENSOR and TENSOR_DATATYPE. */
export function parseTensorProto(bytes: Uint8Array, name: string): Tensor {
  return tensorOf(readTensor(bytes, new WalkBudget()), name);
}

function tensorOf(view: TensorView, name: string): Tensor {
  const data = elementBytes(view, new Map());
  const { type, dims } = view;
  const datatype = datatypeOfElements(type.name);
  const own = datatype === 'BYTES' ? packBytes([...stringElements(data)]) : data;
  const tensor = { name, datatype, shape: [...dims], data: own };
  assertTensor(tensor);
  return tensor;
}

/**
 * The numbers of files say which tensors they are, as many have no name or a framework's own. One that has the
 * name of another tensor of the model was numbered by another signature: the model would be blamed for it.
 */
async function side(
  folder: string,
  files: readonly string[],
  prefix: 'input' | 'output',
  signature: Names,
): Promise<Tensor[]> {
  const names = signature[`${prefix}s`];
  const all = [...signature.inputs, ...signature.outputs];
  const found = files.filter((file) => new RegExp(`^${prefix}_\\d+\\.pb$`).test(file));
  return Promise.all(
    found.map((_, index) => {
      const name = names[index];
      if (name === undefined) {
        throw new AssayError(
          'MODEL_VECTORS',
          `${folder}: ${found.length} files ${prefix}_*.pb, but the model has ${names.length}`,
        );
      }
      return readRegular(join(folder, `${prefix}_${index}.pb`), MAX_VECTORS).then(
        (bytes) => {
          const view = readTensor(bytes, new WalkBudget());
          if (view.name === name || !all.includes(view.name)) return tensorOf(view, name);
          const [expected, came] = [name, view.name].map((text) =>
            JSON.stringify(text.slice(0, 200)),
          );
          throw new AssayError(
            'MODEL_VECTORS',
            `${folder}: expected ${prefix}_${index}.pb to be ${expected}, whose place in the signature that is, not ${came}`,
          );
        },
        (cause: unknown) => {
          throw new AssayError(
            'MODEL_VECTORS',
            `${folder}: expected ${prefix}_0.pb to ${prefix}_${found.length - 1}.pb`,
            cause,
          );
        },
      );
    }),
  );
}

/** The names of a model's inputs and outputs, in its order. */
export interface Names {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/** The inputs that a caller must give, and the outputs: what the numbers of a test set's files mean. */
export function requiredNames({ inputs, outputs }: ModelIdentity): Names {
  return {
    inputs: inputs.filter(({ optional }) => !optional).map(({ name }) => name),
    outputs: outputs.map(({ name }) => name),
  };
}

/** Reads one `test_data_set_*` folder of ONNX's layout. Throws MODEL_VECTORS and MODEL_TENSOR. */
export async function readTestFolder(folder: string, names: Names): Promise<TestSet> {
  const files = await readdir(folder);
  return {
    name: folder.split(/[\\/]/).findLast((part) => part !== '') ?? folder,
    inputs: await side(folder, files, 'input', names),
    outputs: await side(folder, files, 'output', names),
  };
}

/**
 * The `test_data_set_*` folders of a folder, in order of their numbers. Throws MODEL_VECTORS for what has such
 * a name and is no folder, such as a link: it would be left out unseen.
 */
export async function findTestFolders(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const found = entries.filter(({ name }) => /^test_data_set_\d{1,4}$/.test(name));
  const other = found.find((entry) => !entry.isDirectory());
  if (other !== undefined) {
    throw new AssayError('MODEL_VECTORS', `expected ${other.name} to be a folder and no link`);
  }
  const number = (name: string): number => Number(name.slice('test_data_set_'.length));
  return found
    .map(({ name }) => name)
    .sort((a, b) => number(a) - number(b))
    .map((name) => join(folder, name));
}

/** Refuses a set beside a model that expects no output: running it would show nothing. Throws MODEL_VECTORS. */
export function assertReferences(sets: readonly TestSet[]): void {
  const idle = sets.find(({ outputs }) => outputs.length === 0);
  if (idle === undefined) return;
  throw new AssayError('MODEL_VECTORS', `${idle.name}: expected at least output_0.pb`);
}
