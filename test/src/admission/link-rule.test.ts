import assert from 'node:assert/strict';
import { link, mkdir, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { measureModel } from '../../../enclave/measure.js';
import type { AdmissionFinding } from '../../../src/admission/finding.js';
import { assay } from '../../forge/cli.js';
import { dataType, encodeModel } from '../../forge/onnx.js';
import { testFolder } from '../../forge/test-folder.js';

const { at } = testFolder();

/** y = x + w, with w in an external file. */
function model(): Uint8Array {
  const vector = { tensor: dataType.float, shape: ['N', 2] };
  const external = { location: 'data/w.bin' };
  return encodeModel({
    graph: {
      nodes: [{ op: 'Add', inputs: ['x', 'w'], outputs: ['y'] }],
      inputs: [{ name: 'x', type: vector }],
      outputs: [{ name: 'y', type: vector }],
      initializers: [{ name: 'w', type: dataType.float, dims: [2], external }],
    },
  });
}

const MODEL = 'm.onnx';
const WEIGHTS = join('data', 'w.bin');

/** Puts a link in the place of a file or folder, to where it is then. */
async function replace(path: string, make: typeof link): Promise<void> {
  await rename(path, `${path}.elsewhere`);
  await make(`${path}.elsewhere`, path);
}

const cases: readonly (readonly [
  name: string,
  make: (folder: string) => Promise<void>,
  linked: readonly string[],
])[] = [
  ['plain files', async () => {}, []],
  ['a folder that a link leads to', (folder) => replace(folder, symlink), []],
  [
    'a model that is a symbolic link',
    (folder) => replace(join(folder, MODEL), symlink),
    ['the model file'],
  ],
  ['a model with another name', (folder) => replace(join(folder, MODEL), link), ['the model file']],
  [
    'external data that are a symbolic link',
    (folder) => replace(join(folder, WEIGHTS), symlink),
    ['external data "data/w.bin"'],
  ],
  [
    'external data with another name',
    (folder) => replace(join(folder, WEIGHTS), link),
    ['external data "data/w.bin"'],
  ],
  [
    'external data in a folder that is a link',
    (folder) => replace(join(folder, 'data'), symlink),
    ['external data "data/w.bin"'],
  ],
  [
    'links alone',
    async (folder) => {
      await replace(join(folder, MODEL), link);
      await replace(join(folder, WEIGHTS), symlink);
    },
    ['the model file', 'external data "data/w.bin"'],
  ],
];

for (const [i, [name, make, linked]] of cases.entries()) {
  test(`${name}: admitted if a node reads it`, async () => {
    const folder = at(`case-${i}`);
    await mkdir(join(folder, 'data'), { recursive: true });
    await writeFile(join(folder, MODEL), model());
    await writeFile(join(folder, WEIGHTS), new Uint8Array(8));
    await make(folder);
    const path = join(folder, MODEL);
    const { code, out, err } = await assay(['--json', 'admit', path]);
    assert.equal(err, '');
    const { findings } = JSON.parse(out) as { readonly findings: readonly AdmissionFinding[] };
    const refused = findings.filter(({ outcome }) => outcome === 'refuse');
    assert.deepEqual(
      refused.map(({ rule, nodes }) => [rule, nodes]),
      linked.length === 0 ? [] : [['static.links', linked]],
    );
    assert.equal(code, linked.length === 0 ? 0 : 1);
    assert.equal((await assay(['inspect', path])).code, 0);
    if (linked.length === 0) await measureModel(path);
    else await assert.rejects(measureModel(path), { code: 'MODEL_FILE' });
  });
}
