import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { identifyModel, type ModelIdentity } from '../../../attestation/model/identity.js';
import { encodeModel } from '../../forge/onnx.js';
import type { ModelInit } from '../../forge/onnx-init.js';
import { type Random, randomFrom, randomModel } from '../../forge/random-model.js';
import {
  addDeadNodes,
  mapGraphs,
  mapTensors,
  redocument,
  renameValues,
  reorderNodes,
  shuffled,
  toExternal,
  toRaw,
  wildStyle,
} from '../../forge/transform-model.js';
import type { WireStyle } from '../../forge/wire.js';

const sha256 = () => createHash('sha256');

interface Rewritten {
  readonly model: ModelInit;
  readonly style?: WireStyle;
  readonly external?: ReadonlyMap<string, Uint8Array>;
}

function identify({ model, style, external }: Rewritten): ModelIdentity {
  return identifyModel(
    { path: 'model.onnx', bytes: encodeModel(model, style), ...(external ? { external } : {}) },
    { sha256 },
  );
}

function external(model: ModelInit): Rewritten {
  const [moved, file] = toExternal(model, 'data/weights.bin');
  return {
    model: moved,
    external: file.length > 0 ? new Map([['data/weights.bin', file]]) : new Map(),
  };
}

/** `weights` too stays the same where the rewriting leaves the constants and their names alone. */
const rewritings: readonly {
  readonly name: string;
  readonly keepsWeights: boolean;
  readonly rewrite: (model: ModelInit, random: Random) => Rewritten;
}[] = [
  {
    name: 'typed fields as raw_data',
    keepsWeights: true,
    rewrite: (model) => ({ model: mapTensors(model, toRaw) }),
  },
  { name: 'external data', keepsWeights: true, rewrite: external },
  {
    name: 'protobuf field order, packed or not',
    keepsWeights: true,
    rewrite: (model, random) => ({ model, style: wildStyle(random) }),
  },
  {
    name: 'names of inner values',
    keepsWeights: false,
    rewrite: (model) => ({ model: renameValues(model) }),
  },
  {
    name: 'another topological order',
    keepsWeights: true,
    rewrite: (model, random) => ({ model: reorderNodes(model, random) }),
  },
  {
    name: 'no topological order at all',
    keepsWeights: true,
    rewrite: (model, random) => ({
      model: mapGraphs(model, (graph) => ({ ...graph, nodes: shuffled(random, graph.nodes) })),
    }),
  },
  {
    name: 'the order of attributes',
    keepsWeights: true,
    rewrite: (model) => ({
      model: mapGraphs(model, (graph) => ({
        ...graph,
        nodes: graph.nodes.map((node) => ({
          ...node,
          attributes: Object.fromEntries(Object.entries(node.attributes ?? {}).reverse()),
        })),
      })),
    }),
  },
  {
    name: 'dead nodes',
    keepsWeights: false,
    rewrite: (model, random) => ({ model: addDeadNodes(model, random) }),
  },
  {
    name: 'documentation, producer, metadata, IR version, unused opsets, value_info',
    keepsWeights: true,
    rewrite: (model) => ({ model: redocument(model) }),
  },
  {
    name: 'all at once',
    keepsWeights: false,
    rewrite: (model, random) => ({
      ...external(redocument(addDeadNodes(renameValues(reorderNodes(model, random)), random))),
      style: wildStyle(random),
    }),
  },
];

for (const { name, keepsWeights, rewrite } of rewritings) {
  test(`the graph digest does not change with ${name}`, () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = randomFrom(seed);
        const model = randomModel(random);
        const before = identify({ model });
        const after = identify(rewrite(model, random));
        assert.equal(toHex(after.graph), toHex(before.graph));
        if (keepsWeights) assert.equal(toHex(after.weights), toHex(before.weights));
        assert.notEqual(toHex(before.graph), toHex(before.weights));
      }),
      { numRuns: 150, seed: 20261121 },
    );
  });
}
