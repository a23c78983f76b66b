import { dirname } from 'node:path';
import type { ModelIdentity } from '../../attestation/model/identity.js';
import { openUnlinked, unlinkedPath } from '../system/open-regular.js';
import { type AdmissionFinding, finding } from './finding.js';

async function isUnlinked(path: string | undefined): Promise<boolean> {
  const opened = path === undefined ? null : await openUnlinked(path).catch(() => null);
  await opened?.file.close();
  return opened !== null;
}

/**
 * Whether a node reads the files of a model as they lie here: `readModelSource` follows links, and
 * `enclave/measure.ts`, which finds them as this does, refuses them.
 * @param path of the model's file.
 */
export async function linkRule(
  path: string,
  { files: [, ...external] }: ModelIdentity,
): Promise<AdmissionFinding> {
  const linked = (await isUnlinked(path)) ? [] : ['the model file'];
  for (const { path: location } of external) {
    if (await isUnlinked(await unlinkedPath(dirname(path), location))) continue;
    linked.push(`external data "${location}"`);
  }
  return linked.length === 0
    ? finding('static.links', 'pass', 'every file has one name and is reached through no link')
    : finding(
        'static.links',
        'refuse',
        'these are links, symbolic or hard, or reached through one, which a node does not read (MODEL_FILE): copy the files',
        linked,
      );
}
