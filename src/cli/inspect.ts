import type { Command } from 'commander';
import { toHex } from '../../attestation/encoding/bytes.js';
import { vectorsDigest } from '../../attestation/evidence/self-test.js';
import {
  identifyModel,
  type ModelIdentity,
  type ValueSignature,
} from '../../attestation/model/identity.js';
import { readModelSource } from '../admission/model-source.js';
import { readPackageVectors } from '../admission/package-vectors.js';
import { requiredNames } from '../admission/test-sets.js';
import { nativeSha256 } from '../system/sha256.js';
import type { Io, Json } from './io.js';
import { examples } from './options.js';
import { type Cell, type Style, section, size } from './output.js';

/** The name of an operator domain for people. */
export function domainText(domain: string): string {
  return domain === '' ? 'ai.onnx' : domain;
}

/** `tensor(float) [N, 3, 48, ?]`, or the type alone where the rank is unknown. */
export function signatureText({ type, dims, optional }: ValueSignature): string {
  const shape = dims === null ? '' : ` [${dims.map((dim) => dim ?? '?').join(', ')}]`;
  return `${type}${shape}${optional ? ' (has a default)' : ''}`;
}

/** An identity as JSON: digests in hexadecimal. */
export function identityJson(identity: ModelIdentity): { readonly [name: string]: Json } {
  const { files, weights, graph, opsets, inputs, outputs, operators } = identity;
  return {
    graph: toHex(graph),
    weights: toHex(weights),
    files: files.map((file) => ({ ...file, sha256: toHex(file.sha256) })),
    irVersion: identity.irVersion,
    opsets: opsets.map((opset) => ({ ...opset })),
    inputs: inputs.map((value) => ({ ...value })),
    outputs: outputs.map((value) => ({ ...value })),
    operators: operators.map((operator) => ({ ...operator })),
    parameters: { ...identity.parameters },
    producer: { ...identity.producer },
  };
}

function identityText(identity: ModelIdentity, style: Style): string {
  const { producer, parameters } = identity;
  const values = (list: readonly ValueSignature[]): Cell[][] =>
    list.map((value) => [value.name, signatureText(value)]);
  const made = [producer.name, producer.version].filter((text) => text !== '').join(' ');
  return [
    section(style, 'Identity', [
      ['graph', toHex(identity.graph), { text: 'the computation', style: style.dim }],
      ['weights', toHex(identity.weights), { text: 'the constants', style: style.dim }],
    ]),
    section(
      style,
      'Files',
      identity.files.map((file) => [file.path, size(file.size), toHex(file.sha256)]),
    ),
    section(style, 'Inputs', values(identity.inputs)),
    section(style, 'Outputs', values(identity.outputs)),
    section(style, 'Model', [
      ['parameters', `${parameters.elements} in ${parameters.tensors} tensors`],
      ['IR version', String(identity.irVersion)],
      [
        'opsets',
        identity.opsets.map(({ domain, version }) => `${domainText(domain)} ${version}`).join(', '),
      ],
      ['producer', made === '' ? 'not stated' : `${made} (nothing vouches for it)`],
    ]),
    section(
      style,
      'Operators',
      identity.operators
        .toSorted((a, b) => b.count - a.count)
        .map(({ domain, name, count }) => [name, String(count), domainText(domain)]),
    ),
  ].join('\n');
}

/** The test vectors beside a model, as launch policies and appraisal policies name them. */
interface Vectors {
  readonly digest: string;
  readonly sets: number;
  readonly tolerances: boolean;
}

async function vectorsBeside(path: string, identity: ModelIdentity): Promise<Vectors | null> {
  const vectors = await readPackageVectors(path, requiredNames(identity));
  if (vectors === null) return null;
  const { sets, tolerances } = vectors;
  return {
    digest: toHex(vectorsDigest(sets, tolerances, nativeSha256)),
    sets: sets.length,
    tolerances: tolerances !== null,
  };
}

function vectorsText({ digest, sets, tolerances }: Vectors, style: Style): string {
  return section(style, 'Test vectors', [
    ['vectors', digest, { text: 'inputs, expected outputs, tolerances', style: style.dim }],
    ['sets', String(sets)],
    ['tolerances', tolerances ? 'declared in tolerances.json' : 'none declared'],
  ]);
}

async function inspect(io: Io, path: string): Promise<void> {
  const { identity, vectors } = await io.during(`identifying ${path}`, async () => {
    const identity = identifyModel(await readModelSource(path), { sha256: nativeSha256 });
    return { identity, vectors: await vectorsBeside(path, identity) };
  });
  io.print({ ...identityJson(identity), vectors: vectors && { ...vectors } }, (style) =>
    [
      identityText(identity, style),
      ...(vectors === null ? [] : [vectorsText(vectors, style)]),
    ].join('\n'),
  );
}

/** `assay inspect MODEL`: what a model is, from its bytes alone; nothing is executed. */
export function registerInspect(program: Command, io: Io): void {
  program
    .command('inspect')
    .description(
      'print the identity, signature, operators and test vectors of an ONNX model, without running it',
    )
    .argument('<model>', 'an ONNX file, not standard input; its external data lie beside it')
    .addHelpText('after', examples('assay inspect model.onnx', 'assay inspect model.onnx --json'))
    .action((path: string) => inspect(io, path));
}
