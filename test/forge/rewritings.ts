import type { ModelInit } from './onnx-init.js';
import type { Random } from './random.js';
import {
  addDeadNodes,
  addTwins,
  mapGraphs,
  mapTensors,
  redocument,
  renameSymbols,
  renameValues,
  reorderNodes,
  shuffled,
  toConstantNodes,
  toExternal,
  toRaw,
  toTyped,
  wildStyle,
} from './transform-model.js';
import type { WireStyle } from './wire.js';

/** A model, how to write it, and the files that it refers to. */
export interface Rewritten {
  readonly model: ModelInit;
  readonly style?: WireStyle;
  readonly external?: ReadonlyMap<string, Uint8Array>;
}

/** A rewriting that leaves a model's computation alone. */
export interface Rewriting {
  readonly name: string;
  /** Whether the constants and their names stay the same too. */
  readonly keepsWeights: boolean;
  readonly rewrite: (model: ModelInit, random: Random) => Rewritten;
}

function external(model: ModelInit): Rewritten {
  const location = 'data/weights.bin';
  const [moved, file] = toExternal(model, location);
  return { model: moved, external: new Map(file.length > 0 ? [[location, file]] : []) };
}

function reverseAttributes(model: ModelInit): ModelInit {
  return mapGraphs(model, (graph) => ({
    ...graph,
    nodes: graph.nodes.map((node) => ({
      ...node,
      attributes: Object.fromEntries(Object.entries(node.attributes ?? {}).reverse()),
    })),
  }));
}

/** Everything that the design says does not count. */
export const rewritings: readonly Rewriting[] = [
  {
    name: 'typed fields as raw_data',
    keepsWeights: true,
    rewrite: (model) => ({ model: mapTensors(model, toRaw) }),
  },
  {
    name: 'raw_data as typed fields',
    keepsWeights: true,
    rewrite: (model) => ({ model: mapTensors(mapTensors(model, toRaw), toTyped) }),
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
    name: 'symbols of subgraphs and functions',
    keepsWeights: true,
    rewrite: (model) => ({ model: renameSymbols(model) }),
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
    rewrite: (model) => ({ model: reverseAttributes(model) }),
  },
  {
    name: 'dead nodes',
    keepsWeights: false,
    rewrite: (model, random) => ({ model: addDeadNodes(model, random) }),
  },
  {
    name: 'twins of nodes and constants',
    keepsWeights: false,
    rewrite: (model, random) => ({ model: addTwins(model, random) }),
  },
  {
    name: 'nodes Constant for initializers',
    keepsWeights: true,
    rewrite: (model) => ({ model: toConstantNodes(model) }),
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
      ...external(
        redocument(
          addDeadNodes(
            renameSymbols(renameValues(reorderNodes(addTwins(model, random), random))),
            random,
          ),
        ),
      ),
      style: wildStyle(random),
    }),
  },
];
