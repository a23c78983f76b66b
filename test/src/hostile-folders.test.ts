import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { tilePath } from '../../attestation/receipt/tile-path.js';
import { collectModels } from '../../enclave/image/models.js';
import { parseSpecification } from '../../enclave/image/specification.js';
import { Issuer } from '../../enclave/issuer.js';
import { cachedBytes } from '../../enclave/platform/simulator/keys.js';
import { makeSigningKey } from '../../enclave/signing-key.js';
import { TileFiles } from '../../enclave/tile-files.js';
import { readTolerances } from '../../src/admission/package-vectors.js';
import { readTestFolder } from '../../src/admission/test-sets.js';
import { readVectorFiles } from '../../src/admission/vector-files.js';
import { DiskCache } from '../../src/client/disk-cache.js';
import { dockerCredentials } from '../../src/hub/credentials.js';
import { EMPTY_CONFIG } from '../../src/hub/manifest.js';
import { openHub } from '../../src/hub/open-hub.js';
import { parseReference } from '../../src/hub/reference.js';
import { UploadNotes } from '../../src/hub/upload-notes.js';
import { PublishedLog } from '../../src/replay/published-log.js';
import { makeFifo, needsFifo } from '../forge/fifo.js';
import { temporaryFolder } from './hub/setting.js';

const names = { inputs: ['x'], outputs: ['y'] };
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const URL_KEPT = 'https://vendor.example/crl';
const UPLOAD = new URL('http://127.0.0.1:1/v2/m/blobs/uploads/');
const { descriptor } = EMPTY_CONFIG;
const noteOf = (digest: string): string => sha256(`${UPLOAD.href}\n${digest}`);

interface Found {
  readonly name: string;
  /** Path in the folder. */
  readonly at: string;
  readonly read: (folder: string, path: string) => Promise<unknown>;
  /** Of the error; null where the file is then as good as none. */
  readonly code: string | null;
  /** Bytes that it may have, where nothing but its reader bounds them. */
  readonly most?: number;
}

/** Files that are found in folders which others may write to: nobody named them. */
const found: readonly Found[] = [
  {
    name: 'a test vector',
    at: 'input_0.pb',
    read: (folder) => readTestFolder(folder, names),
    code: 'MODEL_VECTORS',
    most: 2 ** 31 - 1,
  },
  {
    name: 'test vectors of NumPy',
    at: 'reference.npz',
    read: (_, path) => readVectorFiles([path], { ...names, named: ['x'] }),
    code: 'USAGE_FILE',
    most: 2 ** 31 - 1,
  },
  {
    name: 'tolerances',
    at: 'tolerances.json',
    read: (folder) => readTolerances(folder, ['y']),
    code: 'HUB_TOLERANCES',
    most: 2 ** 20,
  },
  {
    name: 'Docker’s configuration',
    at: 'config.json',
    read: (folder) => dockerCredentials({ DOCKER_CONFIG: folder }, () => folder)('h'),
    code: 'HUB_CREDENTIALS',
  },
  {
    name: 'a file that is pushed',
    at: 'weights.bin',
    read: (_, path) => {
      const reference = parseReference(`oci://${UPLOAD.host}/m:v1`);
      return openHub(reference, {}, 'push').writeBlob(descriptor, path, () => {});
    },
    code: 'HUB_FILE',
  },
  {
    name: 'a note of an upload',
    at: noteOf(descriptor.digest),
    read: (folder) => new UploadNotes(() => folder).find(UPLOAD, descriptor.digest),
    code: null,
  },
  {
    name: 'a cached endorsement',
    at: `${sha256(URL_KEPT)}.json`,
    read: (folder) => new DiskCache(folder).get(URL_KEPT),
    code: null,
  },
  {
    name: 'the head of a published log',
    at: 'tree-head.cbor',
    read: (folder) => PublishedLog.read(folder),
    code: 'USAGE_FILE',
    most: 2 ** 16,
  },
  {
    name: 'a tile of a published log',
    at: tilePath(0, 0, 1),
    read: async (folder, path) => {
      const published = join(folder, 'published');
      const archive = new TileFiles(published, () => assert.fail());
      await (await Issuer.start(makeSigningKey(), new Uint8Array(32), { archive })).flush();
      await rename(path, join(published, tilePath(0, 0, 1)));
      return PublishedLog.read(published);
    },
    code: 'USAGE_FILE',
    most: 2 ** 13,
  },
  {
    name: 'a key of the simulator',
    at: 'key',
    read: (folder) => cachedBytes(folder, 'key', assert.fail),
    code: 'CONFIG_PLATFORM',
    most: 2 ** 16,
  },
  {
    name: 'a model for an image',
    at: 'model.onnx',
    read: (folder) => {
      const text =
        '{version: 1, commandLine: quiet, hosts: [h], models: [{name: m, path: model.onnx}]}';
      const specification = parseSpecification(text, join(folder, 'image.yaml'));
      return collectModels(specification, join(folder, 'image'));
    },
    code: 'CONFIG_IMAGE',
  },
];

/** Reads what was made in its place, as the table says that it ends. */
async function refused(
  t: TestContext,
  { at, read, code }: Found,
  make: (path: string) => void,
  because: RegExp,
): Promise<void> {
  const folder = temporaryFolder(t);
  const path = join(folder, at);
  mkdirSync(dirname(path), { recursive: true });
  make(path);
  if (code === null) return assert.equal(await read(folder, path), undefined);
  await assert.rejects(read(folder, path), (error: Error & { code?: string }) => {
    assert.equal(error.code, code);
    assert.match(`${error.message} ${String(error.cause)}`, because);
    return true;
  });
}

for (const file of found) {
  test(
    `${file.name} that is a FIFO is refused, and no writer waited for`,
    {
      skip: needsFifo,
      timeout: 20_000,
    },
    (t) => refused(t, file, (path) => makeFifo(t, path), /regular file|expected a model/),
  );
}

for (const file of found) {
  const { most } = file;
  if (most === undefined) continue;
  test(`${file.name} that is too large is refused unread`, async (t) => {
    const make = (path: string): void => {
      writeFileSync(path, '');
      truncateSync(path, most + 1);
    };
    await refused(t, file, make, new RegExp(`at most ${most} bytes, not ${most + 1}`));
  });
}

const built = (path: string): string => JSON.stringify(new URL(`../../${path}`, import.meta.url));
const UPLOADED = `new URL(${JSON.stringify(UPLOAD)}), ${JSON.stringify(descriptor.digest)}`;

/** What would hold up a whole process: it has one of its own. The script ends with whether all is well. */
const alone: readonly (readonly [name: string, at: string, script: string])[] = [
  [
    'a tile of the enclave’s own log',
    tilePath(0, 0),
    `import { TileFiles } from ${built('enclave/tile-files.js')};
    const tile = new TileFiles(process.argv[1], () => {}).read(0);
    process.exitCode = tile === undefined || tile.length === 0 ? 0 : 1;`,
  ],
  [
    'the head of the enclave’s own log that is to be written',
    'tree-head.cbor.new',
    `import { TileFiles } from ${built('enclave/tile-files.js')};
    import { readFileSync } from 'node:fs';
    const files = new TileFiles(process.argv[1], () => {});
    files.writeHead(Uint8Array.of(1), 1);
    await files.flushed();
    process.exitCode = readFileSync(process.argv[1] + '/tree-head.cbor').length === 1 ? 0 : 1;`,
  ],
  [
    'a note of an upload that is to be written',
    noteOf(descriptor.digest),
    `import { UploadNotes } from ${built('src/hub/upload-notes.js')};
    await new UploadNotes(() => process.argv[1]).note(${UPLOADED}, new URL('http://h/'));`,
  ],
];
for (const [name, at, script] of alone) {
  test(`nobody at the other end of a FIFO is waited for in place of ${name}`, {
    skip: needsFifo,
  }, (t) => {
    const folder = temporaryFolder(t);
    const path = join(folder, at);
    mkdirSync(dirname(path), { recursive: true });
    execFileSync('mkfifo', [path]);
    const options = ['--input-type=module', '--eval', script, folder];
    const { status } = spawnSync(process.execPath, options, { timeout: 20_000 });
    assert.equal(status, 0);
  });
}
