import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  type CborKey,
  type CborValue,
  decodeCbor,
  encodeCbor,
} from '../../../attestation/encoding/cbor.js';
import { decodeBundle, encodeBundle } from '../../../attestation/evidence/bundle.js';
import { assay } from '../../forge/cli.js';
import {
  bootOptions,
  bootServing,
  evidenceOf,
  launch,
  launchPolicyFor,
  servedModel,
} from '../../forge/enclave.js';

let folder = '';
const at = (name: string): string => join(folder, name);

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'assay-show-'));
  const model = servedModel('scale', 2);
  for (const tee of ['sev-snp', 'tdx'] as const) {
    const platform = await launch(tee, launchPolicyFor(model));
    const enclave = await bootServing(bootOptions(platform, [model]));
    const bundle = await evidenceOf(enclave, new Uint8Array(32));
    const decoded = decodeBundle(bundle);
    const { report, eventLog } = decoded;
    await writeFile(at(`${tee}-bare.cbor`), encodeBundle({ ...decoded, eventLog: null }));
    await writeFile(at(`${tee}.cbor`), bundle);
    const strange = decodeCbor(bundle) as Map<CborKey, CborValue>;
    await writeFile(at(`${tee}-strange.cbor`), encodeCbor(new Map([...strange, ['more', 1]])));
    await writeFile(at(`${tee}.report`), report);
    if (eventLog !== null) await writeFile(at(`${tee}.log`), eventLog);
  }
});
after(() => rm(folder, { recursive: true }));

for (const [what, bundle, part] of [
  ['snp', 'sev-snp.cbor', 'sev-snp.report'],
  ['tdx', 'tdx.cbor', 'tdx.report'],
  ['eventlog', 'tdx.cbor', 'tdx.log'],
] as const) {
  test(`show ${what} says of a bundle what it says of the part`, async () => {
    const ofPart = await assay(['show', what, at(part)]);
    assert.equal(ofPart.code, 0);
    assert.deepEqual(await assay(['show', what, at(bundle)]), ofPart);
  });
}

for (const [what, bundle, code] of [
  ['snp', 'tdx.cbor', 'ENCODING_EVIDENCE'],
  ['tdx', 'sev-snp.cbor', 'ENCODING_EVIDENCE'],
  ['eventlog', 'sev-snp.cbor', 'ENCODING_EVIDENCE'],
  ['eventlog', 'tdx-bare.cbor', 'EVENT_LOG_FORMAT'],
  ['snp', 'sev-snp-strange.cbor', 'BUNDLE_ENCODING'],
  ['tdx', 'tdx-strange.cbor', 'BUNDLE_ENCODING'],
  ['eventlog', 'tdx-strange.cbor', 'BUNDLE_ENCODING'],
] as const) {
  test(`show ${what} of ${bundle}, in which there is no such part: ${code}`, async () => {
    const shown = await assay(['show', what, at(bundle), '--json']);
    assert.deepEqual([shown.code, JSON.parse(shown.err).error.code], [1, code]);
  });
}
