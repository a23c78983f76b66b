import { strikeAnnotations } from '../../attestation/model/annotations.js';
import { identifyModel } from '../../attestation/model/identity.js';
import { encodeModel } from '../forge/onnx.js';
import { randomFrom, randomModel } from '../forge/random-model.js';
import { redocument, toExternal, wildStyle } from '../forge/transform-model.js';
import { fuzz } from './harness.js';

const random = randomFrom(7);
const seeds = Array.from({ length: 12 }, () => randomModel(random));

// A digest re-encodes to nothing: what this finds is a crash, a hang or an error of another kind.
fuzz({
  name: 'ONNX models',
  seeds: seeds.map((model, index) =>
    encodeModel(redocument(model), index % 2 === 0 ? {} : wildStyle(random)),
  ),
  decode: (bytes) => {
    identifyModel({ path: 'm', bytes });
    strikeAnnotations(bytes);
    return undefined;
  },
});

const [first = randomModel(random)] = seeds;
const [moved, file] = toExternal(first, 'w.bin');
fuzz({
  name: 'ONNX models with external data',
  seeds: [encodeModel(moved)],
  decode: (bytes) => {
    identifyModel({ path: 'm', bytes, external: new Map([['w.bin', file]]) });
    return undefined;
  },
});
