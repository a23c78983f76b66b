import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { fromUtf8, utf8 } from '../../attestation/encoding/bytes.js';
import { parseStrictJson } from '../../attestation/encoding/json.js';
import { schemaError } from '../../attestation/encoding/schema.js';
import { digestSchema, expectDigest } from './digest.js';
import { ifPresent, readPlain, writeWhole } from './local.js';
import { MAX_MANIFEST } from './manifest.js';

/** File of the record; one that is being written has a longer name. */
export const RECORD = '.assay-hub.json';

/**
 * A JSON text doubles at most where it becomes a string: quotation marks, backslashes and white space
 * have escapes of two characters. What a reference adds is far below 64 KiB.
 */
const MAX_RECORD = 2 * MAX_MANIFEST + 64 * 1024;

const schema = z.strictObject({
  version: z.literal(1),
  /** Hub and repository. */
  place: z.string(),
  /** What the tag meant when the package was pulled; it must go on meaning it. */
  tag: z.string().optional(),
  /** `placing` is a folder in which files are being replaced: what a crash leaves. */
  state: z.enum(['placing', 'complete']),
  digest: digestSchema,
  /** The manifest's text. */
  manifest: z.string(),
});

/** What a folder was pulled from, the pin of its tag, and whether all of it is there. */
export type PullRecord = z.infer<typeof schema>;

/** The record of a folder; undefined where none was pulled to it. Throws HUB_RECORD, HUB_DIGEST. */
export async function readRecord(directory: string): Promise<PullRecord | undefined> {
  const path = join(directory, RECORD);
  if ((await ifPresent(lstat(path))) === undefined) return undefined;
  const json = parseStrictJson(await readPlain(path, MAX_RECORD), path, 'HUB_RECORD', MAX_RECORD);
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    throw schemaError('HUB_RECORD', path, parsed.error);
  }
  expectDigest(utf8(parsed.data.manifest), parsed.data.digest, `the manifest in ${path}`);
  return parsed.data;
}

/** Writes the record of a folder, before and after its files change. */
export async function writeRecord(
  directory: string,
  record: Omit<PullRecord, 'version' | 'manifest'>,
  manifest: Uint8Array,
): Promise<void> {
  const whole: PullRecord = { version: 1, ...record, manifest: fromUtf8(manifest) };
  await writeWhole(join(directory, RECORD), utf8(`${JSON.stringify(whole, null, 2)}\n`));
}
