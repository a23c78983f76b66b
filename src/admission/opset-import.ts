import { WireReader } from '../../attestation/model/wire.js';

/** Versions below this are one byte, which can be changed where it is. */
export const ONE_BYTE = 0x80;

/**
 * Gives the import of ONNX's own operator set another version, in place; the nodes keep their form.
 * @param bytes a model that `identifyModel` accepted.
 */
export function setOpset(bytes: Uint8Array, version: number): void {
  const model = new WireReader(bytes, 'ModelProto', null);
  while (model.next()) {
    if (model.number !== 8) {
      model.skip();
      continue;
    }
    const message = model.bytes();
    const fields = new WireReader(message, 'OperatorSetIdProto', null);
    let domain = '';
    let at: number | undefined;
    while (fields.next()) {
      if (fields.number === 1) domain = fields.text();
      else {
        if (fields.number === 2) at = fields.tagOffset + 1;
        fields.skip();
      }
    }
    if (at !== undefined && (domain === '' || domain === 'ai.onnx')) message[at] = version;
  }
}
