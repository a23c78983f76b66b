import { attributeType, streamList } from '../../attestation/model/attribute.js';
import type { AttributeView, NodeView } from '../../attestation/model/views.js';
import { WireReader } from '../../attestation/model/wire.js';

/** A node's attribute of one of these names. */
export function attributeOf(
  { attributes }: NodeView,
  ...names: string[]
): AttributeView | undefined {
  return attributes.find(({ name }) => names.includes(name));
}

/** An attribute of a node that is an integer; undefined also where it is a call's to give. */
export function intAttribute(node: NodeView, name: string): bigint | undefined {
  const found = attributeOf(node, name);
  return found?.type === attributeType.int && found.reference === '' ? found.int : undefined;
}

/** Visits the integers of an INTS list, those beyond 2^53 as the nearest number. */
export function eachInteger(list: AttributeView, visit: (integer: number) => void): void {
  streamList(list, (bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at < bytes.length; at += 8) visit(Number(view.getBigInt64(at, true)));
  });
}

/** The integers of an INTS list, 8 bytes each. */
export function integersOf(list: AttributeView): Float64Array {
  const integers = new Float64Array(streamList(list, () => undefined));
  let at = 0;
  eachInteger(list, (integer) => {
    integers[at++] = integer;
  });
  return integers;
}

/** Visits the texts of a STRINGS list, as bytes. */
export function eachText(list: AttributeView, visit: (text: Uint8Array) => void): void {
  const fields = new WireReader(list.message, 'AttributeProto', null);
  while (fields.next()) {
    if (fields.number === 9) visit(fields.bytes());
    else fields.skip();
  }
}
