import assert from 'node:assert/strict';
import { executableModel } from '../../attestation/model/executable.js';
import { analyseModel, identifyModel } from '../../attestation/model/identity.js';
import { encodeModel } from '../forge/onnx.js';
import { randomFrom } from '../forge/random.js';
import { randomModel } from '../forge/random-model.js';
import { redocument, toExternal, wildStyle } from '../forge/transform-model.js';
import { fuzz } from './harness.js';

const random = randomFrom(7);
const seeds = Array.from({ length: 12 }, () => randomModel(random));

// A digest re-encodes to nothing: what this finds is a crash, a hang or an error of another kind, and a model
// that is executed as another one.
fuzz({
  name: 'ONNX models',
  seeds: seeds.map((model, index) =>
    encodeModel(redocument(model), index % 2 === 0 ? {} : wildStyle(random)),
  ),
  decode: (bytes) => {
    const analysis = analyseModel({ path: 'm', bytes });
    const { bytes: executable } = executableModel(analysis);
    const again = analyseModel({ path: 'm', bytes: executable });
    assert.deepEqual(again.identity.graph, analysis.identity.graph);
    assert.deepEqual(executableModel(again).bytes, executable);
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
