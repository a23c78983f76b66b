import { attributeType, streamList } from './attribute.js';
import { isSparse } from './tensor.js';
import { typeText } from './type.js';
import type { AttributeView } from './views.js';

/** Elements of a list that are shown. */
const SHOWN = 12;

function text(bytes: Uint8Array): string {
  return JSON.stringify(new TextDecoder().decode(bytes.subarray(0, 200)));
}

function listText(attribute: AttributeView): string {
  const parts: Uint8Array[] = [];
  let kept = 0;
  const count = streamList(attribute, (bytes) => {
    if (kept < 4096) parts.push(new Uint8Array(bytes.subarray(0, 4096)));
    kept += bytes.length;
  });
  const shown: string[] = [];
  const [bytes = new Uint8Array()] = parts;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const width = attribute.type === attributeType.floats ? 4 : 8;
  for (let at = 0; shown.length < Math.min(count, SHOWN) && at + width <= bytes.length; ) {
    if (attribute.type === attributeType.floats) {
      shown.push(String(view.getFloat32(at, true)));
      at += 4;
    } else if (attribute.type === attributeType.ints) {
      shown.push(String(view.getBigInt64(at, true)));
      at += 8;
    } else {
      const length = Number(view.getBigUint64(at, true));
      shown.push(text(bytes.subarray(at + 8, at + 8 + length)));
      at += 8 + length;
    }
  }
  return `[${shown.join(', ')}${count > shown.length ? `, … ${count} in all` : ''}]`;
}

/** The value of an attribute for people; long ones are shortened. */
export function attributeText(attribute: AttributeView): string {
  if (attribute.reference !== '') return `the call's ${attribute.reference}`;
  switch (attribute.type) {
    case attributeType.float: {
      const { buffer, byteOffset } = attribute.bytes;
      return String(new DataView(buffer, byteOffset, 4).getFloat32(0, true));
    }
    case attributeType.int:
      return String(attribute.int);
    case attributeType.string:
      return text(attribute.bytes);
    case attributeType.floats:
    case attributeType.ints:
    case attributeType.strings:
      return listText(attribute);
    case attributeType.type:
    case attributeType.types:
      return attribute.types.map(typeText).join(', ');
    case attributeType.graph:
    case attributeType.graphs:
      return `a subgraph of ${attribute.graphs.map(({ nodes }) => nodes.length).join(', ')} nodes`;
    default:
      return [...attribute.tensors, ...attribute.sparse]
        .map((constant) => {
          const { type } = isSparse(constant) ? constant.values : constant;
          return `a tensor of ${type.name} [${constant.dims.join(', ')}]`;
        })
        .join(', ');
  }
}
