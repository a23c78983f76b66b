import { AssayError } from '../../attestation/encoding/error.js';
import type { Manifest } from '../../attestation/evidence/manifest.js';
import type { ManifestModel, TensorSignature } from '../../attestation/evidence/manifest-model.js';
import { BY_ELEMENT_TYPE } from './datatype.js';
import type { TensorSpec } from './input.js';
import { assertTensor, type Tensor } from './tensor.js';

/** One input or output of the manifest in the protocol's words; throws TENSOR_DATATYPE. */
export function specOf({ name, type, dims }: TensorSignature): TensorSpec {
  const [, element = ''] = /^tensor\(([a-z0-9]+)\)$/.exec(type) ?? [];
  const datatype = BY_ELEMENT_TYPE.get(element.toUpperCase());
  if (datatype === undefined) {
    throw new AssayError('TENSOR_DATATYPE', `${name}: ${type} cannot be sent`);
  }
  const shape = dims?.map((dimension) => (typeof dimension === 'number' ? dimension : -1));
  return { name, datatype, shape };
}

function modelsNamed(
  { models }: Manifest,
  name: string,
  version: string | undefined,
): readonly ManifestModel[] {
  return models.filter(
    (model) => model.name === name && (version === undefined || model.version === version),
  );
}

/**
 * The model of the manifest with this name, and version if one is given; undefined if there is none, or
 * several and no version tells which.
 */
export function modelOf(
  manifest: Manifest,
  name: string,
  version: string | undefined,
): ManifestModel | undefined {
  const [only, ...others] = modelsNamed(manifest, name, version);
  return others.length === 0 ? only : undefined;
}

/** The same; throws CLIENT_MODEL where it is undefined. */
export function findModel(
  manifest: Manifest,
  name: string,
  version: string | undefined,
): ManifestModel {
  const only = modelOf(manifest, name, version);
  if (only !== undefined) return only;
  const found = modelsNamed(manifest, name, version);
  const list = (found.length === 0 ? manifest.models : found)
    .map((model) => `${model.name} ${model.version}`)
    .join(', ');
  const asked = version === undefined ? name : `${name} ${version}`;
  const reason = found.length === 0 ? 'the enclave does not serve it' : 'a version must be named';
  throw new AssayError('CLIENT_MODEL', `${asked}: ${reason}; it serves ${list || 'nothing'}`);
}

/**
 * The inputs in the order of the signature, each once and with the datatype that the model states.
 * Which of them have defaults and may be left out, the server knows. Throws CLIENT_INPUT or what
 * `assertTensor` throws.
 */
export function orderInputs(model: ManifestModel, inputs: readonly Tensor[]): readonly Tensor[] {
  const known = model.inputs.map(({ name }) => name);
  const names = inputs.map(({ name }) => name);
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0 || new Set(names).size !== names.length) {
    throw new AssayError(
      'CLIENT_INPUT',
      `${model.name} expects the inputs ${known.join(', ')}, each once, not ${names.join(', ')}`,
    );
  }
  return model.inputs.flatMap((signature) => {
    const input = inputs.find(({ name }) => name === signature.name);
    if (input === undefined) return [];
    const { datatype } = specOf(signature);
    if (input.datatype !== datatype) {
      throw new AssayError(
        'CLIENT_INPUT',
        `input ${input.name}: expected ${datatype}, not ${input.datatype}`,
      );
    }
    assertTensor(input);
    return [input];
  });
}

/** The names of the outputs to ask for, in the order of the signature; throws CLIENT_OUTPUT. */
export function orderOutputs(
  model: ManifestModel,
  names: readonly string[] | undefined,
): readonly string[] {
  const all = model.outputs.map(({ name }) => name);
  if (names === undefined) return all;
  const unknown = names.filter((name) => !all.includes(name));
  if (unknown.length > 0 || names.length === 0 || new Set(names).size !== names.length) {
    throw new AssayError(
      'CLIENT_OUTPUT',
      `expected some of the outputs ${all.join(', ')}, each once, not ${names.join(', ') || 'none'}`,
    );
  }
  return all.filter((name) => names.includes(name));
}
