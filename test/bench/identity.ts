/**
 * Identifies a model of about 1 GB, its weights once inside the file and once beside it: its
 * throughput and how much memory that took beyond the bytes themselves.
 *
 * usage: node build/test/bench/identity.js [MEBIBYTES]
 */
import { createHash } from 'node:crypto';
import { identifyModel, type ModelSource } from '../../attestation/model/identity.js';
import { encodeModel } from '../forge/onnx.js';
import type { GraphInit, ModelInit, TensorInit } from '../forge/onnx-init.js';
import { bytes, int, message, repeated, varint } from '../forge/wire.js';
import { Report } from './support/report.js';

const MIB = 2 ** 20;
const mebibytes = Number(process.argv[2] ?? 1024);
const size = mebibytes * MIB;
const report = new Report('identity');

function modelWith(weight: TensorInit): ModelInit {
  const graph: GraphInit = {
    inputs: [{ name: 'x', type: { tensor: 1, shape: ['N', 1024] } }],
    initializers: [weight],
    nodes: [{ op: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] }],
    outputs: [{ name: 'y', type: { tensor: 1, shape: ['N', size / 4096] } }],
  };
  return { graph };
}

const weight = { name: 'w', type: 1, dims: [1024, size / 4096] };

/** The weights beside the model. */
function external(): ModelSource {
  const location = 'weights.bin';
  const model = encodeModel(modelWith({ ...weight, external: { location } }));
  return {
    path: 'model.onnx',
    bytes: model,
    external: new Map([[location, new Uint8Array(size)]]),
  };
}

/**
 * The weights in the model. Each message ends with the one that holds the weights, so that the file is
 * a head and then the weights, written in place: the forge would copy them once a level.
 */
function embedded(): ModelSource {
  const holding = (number: number, content: Uint8Array): Buffer =>
    Buffer.concat([varint(number * 8 + 2), varint(content.length + size), content]);
  const tensor = message([
    ...repeated(1, 'int', weight.dims, {}),
    int(2, weight.type),
    bytes(8, weight.name),
    { number: 9, bytes: holding(9, new Uint8Array(0)) },
  ]);
  const float = message([bytes(1, message([int(1, 1)]))]);
  const value = (name: string) => message([bytes(1, name), bytes(2, float)]);
  const node = message([bytes(1, 'x'), bytes(1, 'w'), bytes(2, 'y'), bytes(4, 'MatMul')]);
  const graph = message([
    bytes(1, node),
    bytes(11, value('x')),
    bytes(12, value('y')),
    { number: 5, bytes: holding(5, tensor) },
  ]);
  const opset = message([int(2, 17)]);
  const head = message([int(1, 8), bytes(8, opset), { number: 7, bytes: holding(7, graph) }]);
  const whole = new Uint8Array(head.length + size);
  whole.set(head);
  return { path: 'model.onnx', bytes: whole };
}

function measure(name: string, source: ModelSource): void {
  const before = process.memoryUsage.rss();
  const started = performance.now();
  const identity = identifyModel(source, { sha256: () => createHash('sha256') });
  const seconds = (performance.now() - started) / 1000;
  const grown = (process.memoryUsage.rss() - before) / MIB;
  report.table(
    `Identity of ${mebibytes} MiB, weights ${name}: each byte is hashed twice`,
    ['seconds', 'MiB/s', 'memory, MiB more', 'elements'],
    [[seconds, mebibytes / seconds, grown, identity.parameters.elements]],
  );
}

/** Fills the weights, so that the operating system's first sight of their pages is not measured. */
function filled(source: ModelSource): ModelSource {
  for (const file of [source.bytes, ...(source.external?.values() ?? [])]) file.fill(1, 4096);
  return source;
}

// Both are made first and kept: memory that is given back would hide what is taken.
const sources = [
  { name: 'in the file', source: filled(embedded()) },
  { name: 'beside it', source: filled(external()) },
];
for (const { name, source } of sources) measure(name, source);
report.write();
