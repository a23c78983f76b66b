import assert from 'node:assert/strict';
import { constants } from 'node:buffer';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { link, mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { toHex } from '../../attestation/encoding/bytes.js';
import { executableModel } from '../../attestation/model/executable.js';
import { analyseModel, identifyModel } from '../../attestation/model/identity.js';
import { measureModel } from '../../enclave/measure.js';
import { readModelSource } from '../../src/admission/model-source.js';
import { makeFifo, needsFifo } from '../forge/fifo.js';
import { dataType, encodeModel } from '../forge/onnx.js';

/** More than is placed in the model that is executed. */
const LENGTH = 1100;
const weights = new Uint8Array(Float32Array.from({ length: LENGTH }, (_, i) => i).buffer);

/** `y = x + w`, with w in an external file. */
function externalModel(location: string, annotated = false): Uint8Array {
  const vector = { tensor: dataType.float, shape: [LENGTH] };
  return encodeModel({
    graph: {
      name: 'add',
      nodes: [
        { op: 'Add', inputs: ['x', 'w'], outputs: ['sum'] },
        { op: 'Identity', inputs: ['sum'], outputs: ['y'] },
      ],
      inputs: [{ name: 'x', type: vector }],
      outputs: [{ name: 'y', type: vector }],
      initializers: [{ name: 'w', type: dataType.float, dims: [LENGTH], external: { location } }],
      ...(annotated ? { values: [{ name: 'sum', type: vector }] } : {}),
    },
  });
}

let root = '';
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'assay-measure-'));
});
after(() => rm(root, { recursive: true }));

async function folder(name: string): Promise<string> {
  const path = join(root, name);
  await mkdir(join(path, 'data'), { recursive: true });
  return path;
}

describe('a model with external data', () => {
  const unbounded =
    constants.MAX_LENGTH > 2 ** 40 && 'buffers of this Node.js are as large as files';
  test('that no buffer can hold is refused, and not read', { skip: unbounded }, async () => {
    const path = await folder('huge');
    await writeFile(join(path, 'm.onnx'), externalModel('data/w.bin'));
    await writeFile(join(path, 'data', 'w.bin'), '');
    await truncate(join(path, 'data', 'w.bin'), constants.MAX_LENGTH + 1);
    await assert.rejects(measureModel(join(path, 'm.onnx')), {
      code: 'MODEL_FILE',
      message: new RegExp(
        `w\\.bin: \\d+ bytes are more than the ${constants.MAX_LENGTH} that Node`,
      ),
    });
    await assert.rejects(readModelSource(join(path, 'm.onnx')), {
      code: 'USAGE_FILE',
      message: new RegExp(
        `w\\.bin has \\d+ bytes, more than the ${constants.MAX_LENGTH} that Node`,
      ),
    });
  });

  test('is read once, whole, and measured as it was read', async () => {
    const path = await folder('whole');
    await writeFile(join(path, 'm.onnx'), externalModel('data/w.bin'));
    await writeFile(join(path, 'data', 'w.bin'), weights);
    const { measured } = await measureModel(join(path, 'm.onnx'));
    const { identity, bytes, external } = measured;
    await writeFile(join(path, 'data', 'w.bin'), new Uint8Array(16));
    assert.deepEqual(new Uint8Array(external.get('data/w.bin') ?? []), weights);
    assert.ok(bytes.buffer instanceof SharedArrayBuffer);
    const portable = identifyModel({
      path: 'm.onnx',
      bytes: externalModel('data/w.bin'),
      external,
    });
    assert.equal(toHex(identity.graph), toHex(portable.graph));
    assert.equal(toHex(identity.weights), toHex(portable.weights));
    const executed = identifyModel({ path: 'm.onnx', bytes, external });
    assert.equal(toHex(executed.graph), toHex(identity.graph));
    assert.deepEqual(
      identity.files.map(({ path: file, sha256 }) => [file, toHex(sha256)]),
      [
        ['m.onnx', createHash('sha256').update(externalModel('data/w.bin')).digest('hex')],
        ['data/w.bin', createHash('sha256').update(weights).digest('hex')],
      ],
    );
  });

  test('is executed without the annotations that do not count', async () => {
    const path = await folder('annotated');
    const annotated = externalModel('data/w.bin', true);
    await writeFile(join(path, 'm.onnx'), annotated);
    await writeFile(join(path, 'data', 'w.bin'), weights);
    const { identity, bytes, external } = (await measureModel(join(path, 'm.onnx'))).measured;
    const digest = createHash('sha256').update(annotated).digest('hex');
    assert.equal(toHex(identity.files[0]?.sha256 ?? new Uint8Array()), digest);
    const { bytes: plain } = executableModel(
      analyseModel({ path: 'm.onnx', bytes: externalModel('data/w.bin'), external }),
      external,
    );
    assert.deepEqual(new Uint8Array(bytes), plain);
  });

  const refused: readonly (readonly [string, string, (path: string) => Promise<void>])[] = [
    ['a file that is not there', 'MODEL_FILE', async () => undefined],
    [
      'a symbolic link',
      'MODEL_FILE',
      async (path) => {
        await writeFile(join(path, 'other.bin'), weights);
        await symlink(join(path, 'other.bin'), join(path, 'data', 'w.bin'));
      },
    ],
    [
      'a file with two names',
      'MODEL_FILE',
      async (path) => {
        await writeFile(join(path, 'other.bin'), weights);
        await link(join(path, 'other.bin'), join(path, 'data', 'w.bin'));
      },
    ],
    [
      'a folder that is a link',
      'MODEL_FILE',
      async (path) => {
        await mkdir(join(path, 'elsewhere'));
        await writeFile(join(path, 'elsewhere', 'w.bin'), weights);
        await rm(join(path, 'data'), { recursive: true });
        await symlink(join(path, 'elsewhere'), join(path, 'data'));
      },
    ],
    ['a folder', 'MODEL_FILE', async (path) => void (await mkdir(join(path, 'data', 'w.bin')))],
    [
      'too few bytes',
      'MODEL_EXTERNAL_DATA',
      (path) => writeFile(join(path, 'data', 'w.bin'), weights.subarray(1)),
    ],
  ];
  for (const [i, [name, code, put]] of refused.entries()) {
    test(`in ${name}: ${code}`, async () => {
      const path = await folder(`refused-${i}`);
      await writeFile(join(path, 'm.onnx'), externalModel('data/w.bin'));
      await put(path);
      await assert.rejects(measureModel(join(path, 'm.onnx')), { code });
    });
  }

  for (const location of ['../w.bin', '/etc/passwd', 'data/../../w.bin', 'data//w.bin', 'c:\\w']) {
    test(`at ${location}: MODEL_EXTERNAL_PATH`, async () => {
      const path = await folder('escaping');
      await writeFile(join(root, 'w.bin'), weights);
      await writeFile(join(path, 'm.onnx'), externalModel(location));
      await assert.rejects(measureModel(join(path, 'm.onnx')), { code: 'MODEL_EXTERNAL_PATH' });
    });
  }
});

test('a FIFO in place of a file is refused, and no writer waited for', {
  skip: needsFifo,
  timeout: 20_000,
}, async (t) => {
  const path = await folder('fifo');
  await writeFile(join(path, 'm.onnx'), externalModel('data/w.bin'));
  makeFifo(t, join(path, 'data', 'w.bin'));
  makeFifo(t, join(path, 'fifo.onnx'));
  for (const model of ['m.onnx', 'fifo.onnx']) {
    await assert.rejects(measureModel(join(path, model)), {
      code: 'MODEL_FILE',
      message: /expected a regular file/,
    });
    await assert.rejects(readModelSource(join(path, model)), {
      code: 'USAGE_FILE',
      message: /not a regular file/,
    });
  }
});

test('a model that is not there, or no file: MODEL_FILE', async () => {
  await assert.rejects(measureModel(join(root, 'none.onnx')), { code: 'MODEL_FILE' });
  await assert.rejects(measureModel(root), { code: 'MODEL_FILE' });
});

/** Files of Linux's /proc say that they are empty, and have more to read: as one does that somebody appends to. */
const growing = '/proc/self/status';
test('a file that has more than it said when it was opened: MODEL_FILE', {
  skip: !existsSync(growing) && 'this machine has no /proc',
}, async () => {
  await assert.rejects(measureModel(growing), {
    code: 'MODEL_FILE',
    message: /became longer/,
  });
});
