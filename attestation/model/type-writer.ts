import type { ValueType } from './type.js';
import { WireWriter } from './wire-writer.js';

/** Field numbers of TypeProto. */
const FIELD = { tensor: 1, seq: 4, map: 5, opaque: 7, sparse_tensor: 8, optional: 9 } as const;

/**
 * TypeProto of what `typeItem` covers of a type; `symbol`
 * gives each symbol of it another text, null for unknown.
 */
export function writeType(type: ValueType, symbol: (text: string) => string | null): WireWriter {
  const content = new WireWriter();
  if (type.kind === 'tensor' || type.kind === 'sparse_tensor') {
    if (type.element !== 0) content.int(1, type.element);
    if (type.dims !== null) {
      const shape = new WireWriter();
      for (const dim of type.dims) {
        const dimension = new WireWriter();
        const size = typeof dim === 'string' ? symbol(dim) : dim;
        if (typeof size === 'number') dimension.int(1, size);
        else if (size !== null) dimension.text(2, size);
        shape.message(1, dimension);
      }
      content.message(2, shape);
    }
  } else if (type.kind === 'opaque') {
    content.text(1, type.domain);
    content.text(2, type.name);
  } else {
    if (type.kind === 'map') content.int(1, type.key);
    content.message(type.kind === 'map' ? 2 : 1, writeType(type.of, symbol));
  }
  const writer = new WireWriter();
  writer.message(FIELD[type.kind], content);
  return writer;
}
