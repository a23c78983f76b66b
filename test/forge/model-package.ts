/** A small model's package in a folder, for tests alone. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { dataType, encodeModel } from './onnx.js';
import { pseudoRandom } from './random.js';

/** y = x + w, with w in an external file of `elements` floats. */
export function externalModel(elements: number, location = 'weights.bin'): Uint8Array {
  const shape = [elements];
  const value = (name: string) => ({ name, type: { tensor: dataType.float, shape } });
  return encodeModel({
    graph: {
      nodes: [{ op: 'Add', inputs: ['x', 'w'], outputs: ['y'] }],
      initializers: [{ name: 'w', type: dataType.float, dims: shape, external: { location } }],
      inputs: [value('x')],
      outputs: [value('y')],
    },
  });
}

/** Bytes that look like nothing and are the same in every run. */
function noise(length: number, seed = 1): Uint8Array {
  const random = pseudoRandom(seed);
  return new Uint8Array(length).map(() => (random() + 1) * 128);
}

/** Writes files below a folder. */
export function writeFiles(
  root: string,
  files: Readonly<Record<string, Uint8Array | string>>,
): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
}

/** A complete package: model, external data of 4 · `elements` bytes, card, vectors, originals. */
export function packageFiles(elements = 1024, seed = 1): Record<string, Uint8Array | string> {
  return {
    'model.onnx': externalModel(elements),
    'weights.bin': noise(4 * elements, seed),
    'card.md': '# Tiny\n\nAdds.\n',
    'tolerances.json': '{"version":1,"default":{"absolute":1e-6}}',
    'test_data_set_0/input_0.pb': noise(64, 7),
    'test_data_set_0/output_0.pb': noise(64, 8),
    'assets/labels.txt': 'a\nb\n',
    'originals/model.safetensors': noise(128, 9),
    'originals/config.json': '{}',
  };
}
