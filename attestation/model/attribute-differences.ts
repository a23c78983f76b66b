import { equalBytes } from '../encoding/bytes.js';
import { type CborValue, encodeCbor } from '../encoding/cbor.js';
import { attributeItem } from './attribute-item.js';
import { attributeText } from './attribute-text.js';
import type { Differences } from './differences.js';
import type { ModelHasher } from './hashing.js';
import { typeText } from './type.js';
import type { AttributeView, GraphView } from './views.js';

/** One of each of the two models that are compared. */
type Both<T> = readonly [a: T, b: T];

/** What counts of an attribute, apart from what is in its subgraphs. */
function itemOf(attribute: AttributeView, hasher: ModelHasher): Uint8Array {
  const value: CborValue =
    attribute.reference === '' ? attributeItem(attribute, hasher, typeText, () => null) : null;
  return encodeCbor([attribute.type, attribute.reference, value]);
}

/**
 * Tells in which attributes, by their names, two nodes or two bodies' defaults differ.
 * @param of follows the name of an attribute where it is told.
 * @param onSubgraphs for those of attributes that are alike otherwise, each with its counterpart.
 */
export function compareAttributes(
  told: Differences,
  hashers: Both<ModelHasher>,
  [a, b]: Both<readonly AttributeView[]>,
  of: string,
  onSubgraphs: (name: string, graphs: Both<GraphView>) => void,
): void {
  told.compare(a, b);
  const alike = (left: AttributeView, right: AttributeView): boolean => {
    if (left.graphs.length === 0) told.compareBytes(left.message, right.message);
    return equalBytes(itemOf(left, hashers[0]), itemOf(right, hashers[1]));
  };
  const byName = (attributes: readonly AttributeView[]) =>
    new Map(attributes.map((attribute) => [attribute.name, attribute]));
  const [x, y] = [byName(a), byName(b)];
  for (const name of new Set([...x.keys(), ...y.keys()])) {
    const [left, right] = [x.get(name), y.get(name)];
    if (left !== undefined && right !== undefined && alike(left, right)) {
      for (const [index, graph] of left.graphs.entries()) {
        const other = right.graphs[index];
        if (other !== undefined) onSubgraphs(name, [graph, other]);
      }
      continue;
    }
    told.place({
      kind: 'attribute',
      at: `${name}${of}`,
      a: left === undefined ? null : attributeText(left),
      b: right === undefined ? null : attributeText(right),
    });
  }
}
