import { compareBytes, concat, utf8 } from '../encoding/bytes.js';
import { encodeCbor } from '../encoding/cbor.js';
import { label } from '../encoding/hash.js';
import { merkleHashes, merkleRoot } from '../encoding/merkle.js';
import { eachNode } from './functions.js';
import type { ModelHasher } from './hashing.js';
import { type Constant, isSparse, nameOf } from './tensor.js';
import type { ModelView } from './views.js';

/** The constants of the graph, of every subgraph and of every function body. */
export function constantsOf(model: ModelView): Constant[] {
  const found: Constant[] = [...model.graph.initializers, ...model.graph.sparse];
  const collect = (nodes: ModelView['graph']['nodes']): void =>
    eachNode(nodes, (node) => {
      if (node.constant !== null) found.push(node.constant);
      for (const { graphs } of node.attributes) {
        for (const graph of graphs) {
          for (const constant of graph.initializers) found.push(constant);
          for (const constant of graph.sparse) found.push(constant);
        }
      }
    });
  collect(model.graph.nodes);
  for (const body of model.functions) collect(body.nodes);
  return found;
}

/**
 * RFC 9162 Merkle root over the constants, sorted by the UTF-8 of their names (and, where two
 * subgraphs use one name, by their leaves). A leaf is the label `model-weight` and the CBOR of name,
 * type, dims and the SHA-256 of the little-endian elements.
 */
export function digestWeights(constants: readonly Constant[], hasher: ModelHasher): Uint8Array {
  const domain = label('model-weight');
  const { leafHash, nodeHash } = merkleHashes(hasher.once);
  const leaves = constants.map((constant) => {
    const name = nameOf(constant);
    const item = isSparse(constant) ? hasher.sparseItem(constant) : hasher.tensorItem(constant);
    return { name: utf8(name), hash: leafHash(concat(domain, encodeCbor([name, item]))) };
  });
  leaves.sort((a, b) => compareBytes(a.name, b.name) || compareBytes(a.hash, b.hash));
  return merkleRoot(
    leaves.map((leaf) => leaf.hash),
    nodeHash,
  );
}
