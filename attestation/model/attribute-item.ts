import type { CborValue } from '../encoding/cbor.js';
import { attributeType, streamList } from './attribute.js';
import type { ModelHasher } from './hashing.js';
import type { ValueType } from './type.js';
import type { AttributeView, GraphView } from './views.js';

/**
 * What a digest covers of an attribute's value. Lists are their count and the SHA-256 of their
 * canonical bytes, tensors their digests; how types and subgraphs count is the caller's to say.
 */
export function attributeItem(
  attribute: AttributeView,
  hasher: ModelHasher,
  typeOf: (type: ValueType) => CborValue,
  subgraphOf: (graph: GraphView) => CborValue,
): CborValue {
  switch (attribute.type) {
    case attributeType.float:
    case attributeType.string:
      return attribute.bytes;
    case attributeType.int:
      return attribute.int;
    case attributeType.floats:
    case attributeType.ints:
    case attributeType.strings: {
      const hash = hasher.sha256();
      const count = streamList(attribute, (bytes) => hash.update(bytes));
      return [count, hash.digest()];
    }
    case attributeType.graph:
    case attributeType.graphs:
      return attribute.graphs.map(subgraphOf);
    case attributeType.type:
    case attributeType.types:
      return attribute.types.map(typeOf);
    default:
      return [...attribute.tensors, ...attribute.sparse].map((constant) =>
        hasher.constant(constant),
      );
  }
}
