import { decodeCbor, encodeCbor, taggedSign1 } from '../../attestation/encoding/cbor.js';
import { decodeSign1, encodeSign1 } from '../../attestation/encoding/cose.js';
import { fuzz } from './harness.js';

fuzz({
  name: 'deterministic CBOR',
  seeds: [
    encodeCbor([1, -1, 2 ** 40, 'text', new Uint8Array(40), true, null, []]),
    encodeCbor(
      new Map<string | number, number>([
        ['b', 1],
        [1, 2],
        [-70000, 3],
        ['aa', 4],
      ]),
    ),
    encodeCbor(taggedSign1([new Uint8Array(3), new Map(), null])),
  ],
  decode: (bytes) => encodeCbor(decodeCbor(bytes)),
});

fuzz({
  name: 'COSE_Sign1',
  seeds: [
    encodeSign1({
      protectedBytes: encodeCbor(new Map([[1, -7]])),
      unprotectedHeader: new Map([[4, new Uint8Array(32)]]),
      payload: null,
      signature: new Uint8Array(64),
    }),
  ],
  decode: (bytes) => encodeSign1(decodeSign1(bytes)),
});
