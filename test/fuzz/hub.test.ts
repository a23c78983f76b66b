import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { fromUtf8, utf8 } from '../../attestation/encoding/bytes.js';
import { parseChallenges } from '../../src/hub/challenge.js';
import { digestOf } from '../../src/hub/digest.js';
import { linkTarget } from '../../src/hub/link-header.js';
import { encodeManifest, parseManifest } from '../../src/hub/manifest.js';
import type { Role } from '../../src/hub/media-type.js';
import { layerOf, packageOf, parseTolerances } from '../../src/hub/package.js';
import { RECORD, readRecord } from '../../src/hub/record.js';
import { formatReference, parseReference } from '../../src/hub/reference.js';
import { fuzz } from './harness.js';

const layer = (path: string, role: Role) =>
  layerOf(path, role, { digest: digestOf(utf8(path)), size: 1 }).blob;
const graph = { 'vnd.assay.model.graph': 'ab'.repeat(32) };

fuzz({
  name: 'hub manifest',
  seeds: [
    encodeManifest([layer('model.onnx', 'model'), layer('w.bin', 'external')], graph),
    encodeManifest([layer('originals/m.gguf', 'original')], {}),
  ],
  decode: (bytes) => {
    packageOf(parseManifest(bytes));
    return undefined;
  },
});

fuzz({
  name: 'hub reference',
  seeds: [
    utf8(`oci://registry.example:5000/a/b-c:v1@sha256:${'0a'.repeat(32)}`),
    utf8('ocidir:///srv/hub/model:v1'),
  ],
  decode: (bytes) => utf8(formatReference(parseReference(fromUtf8(bytes)))),
});

fuzz({
  name: 'tolerances',
  seeds: [utf8('{"version":1,"default":{"absolute":1e-6,"topK":5},"outputs":{"y":{"ulp":4}}}')],
  decode: (bytes) => {
    parseTolerances(bytes);
    return undefined;
  },
});

fuzz({
  name: 'registry challenge',
  seeds: [utf8('Basic realm="a \\"b\\"", Bearer realm="https://r/t",service=x')],
  decode: (bytes) => {
    parseChallenges(Buffer.from(bytes).toString('latin1'));
    return undefined;
  },
});

fuzz({
  name: 'link header',
  seeds: [
    utf8('<http://r/a>; title="a \\"b\\"" ; rel="first", </v2/_catalog?last=a>; Rel="last NEXT"'),
  ],
  decode: (bytes) => {
    linkTarget(Buffer.from(bytes).toString('latin1'), 'next');
    return undefined;
  },
});

const folder = mkdtempSync(join(tmpdir(), 'assay-fuzz-hub-'));
after(() => rmSync(folder, { recursive: true }));
const pulled = {
  ...{ version: 1, place: 'oci://registry.example/models/m', tag: 'v1', state: 'complete' },
  ...{ digest: digestOf(utf8('{}')), manifest: '{}' },
};

fuzz({
  name: 'record of a pulled folder',
  seeds: [utf8(JSON.stringify(pulled))],
  decode: async (bytes) => {
    writeFileSync(join(folder, RECORD), bytes);
    await readRecord(folder);
    return undefined;
  },
});
