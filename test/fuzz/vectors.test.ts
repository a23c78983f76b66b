import { npzTestSet } from '../../src/admission/npz.js';
import { parseTensorProto } from '../../src/admission/test-sets.js';
import { tensor } from '../../src/client/tensor.js';
import { npz } from '../forge/npz.js';
import { encodeTensor } from '../forge/onnx.js';
import { fuzz } from './harness.js';

const arrays = [tensor('x', 'FP32', [1, 2, 3], [3]), tensor('y', 'INT64', [3n], [1])];

fuzz({
  name: 'npz files',
  seeds: [npz(arrays, 0), npz(arrays, 8)],
  decode: (bytes) => {
    npzTestSet('reference', bytes, { inputs: ['x'], outputs: ['y'] });
    return undefined;
  },
});

fuzz({
  name: 'TensorProto files',
  seeds: [
    encodeTensor({ type: 1, dims: [2], floats: [1, 2] }),
    encodeTensor({ type: 8, dims: [2], strings: ['a', 'bc'] }),
    encodeTensor({ type: 10, dims: [1], raw: new Uint8Array(2) }, { packed: false }),
  ],
  decode: (bytes) => {
    parseTensorProto(bytes, 't');
    return undefined;
  },
});
