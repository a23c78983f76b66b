import type { Command } from 'commander';
import type { Hub } from '../hub/hub.js';
import { findModel, openHub } from '../hub/open-hub.js';
import {
  fileWithRole,
  type ModelPackage,
  parseTolerances,
  type Tolerances,
} from '../hub/package.js';
import { readBlob } from '../hub/read-blob.js';
import { type HubFlags, hubOptions, hubReference, withHubFlags } from './hub-options.js';
import { modelJson, modelText } from './hub-render.js';
import type { Io, Json } from './io.js';
import { examples, group } from './options.js';
import { printable, type Style, section, size } from './output.js';

/** Larger cards are for other programs. */
const MAX_TEXT = 256 * 1024;

/** What of a package is for people: fetched, verified, and not only named by the manifest. */
interface Details {
  /** Null where there is none, or where it is too large to be shown. */
  readonly card: string | null;
  readonly tolerances: Tolerances | null;
  /** Test sets, and the bytes of their tensors. */
  readonly vectors: { readonly sets: number; readonly bytes: number };
}

async function detailsOf(hub: Hub, contents: ModelPackage): Promise<Details> {
  const small = async (role: 'card' | 'tolerances'): Promise<Uint8Array | null> => {
    const file = fileWithRole(contents, role);
    return file === undefined || file.blob.size > MAX_TEXT
      ? null
      : readBlob(hub, file.blob, MAX_TEXT);
  };
  const [card, tolerances] = [await small('card'), await small('tolerances')];
  const files = contents.files.filter(({ role }) => role === 'vector');
  return {
    card: card === null ? null : new TextDecoder().decode(card),
    tolerances: tolerances === null ? null : parseTolerances(tolerances),
    vectors: {
      sets: new Set(files.map(({ path }) => path.split('/')[0])).size,
      bytes: files.reduce((sum, { blob }) => sum + blob.size, 0),
    },
  };
}

function limitsText(limits: Tolerances['default'] = {}): string {
  const given = Object.entries(limits).flatMap(([measure, value]) =>
    value === undefined ? [] : [`${measure} ${value}`],
  );
  return given.length === 0 ? 'identical bits' : given.join(', ');
}

function detailsText(style: Style, { card, tolerances, vectors }: Details): string {
  const declared =
    tolerances === null
      ? []
      : [
          ['other outputs', limitsText(tolerances.default)],
          ...Object.entries(tolerances.outputs ?? {}).map(([name, limits]) => [
            `output ${name}`,
            limitsText(limits),
          ]),
        ];
  const lines = card?.trimEnd().split(/\r?\n/) ?? [];
  return [
    ...(vectors.sets === 0
      ? []
      : [section(style, 'Test vectors', [['sets', String(vectors.sets), size(vectors.bytes)]])]),
    section(style, 'Tolerances', declared),
    ...(card === null
      ? []
      : [`${style.bold('Card')}\n${lines.map((line) => `  ${printable(line)}\n`).join('')}`]),
  ]
    .filter((part) => part !== '')
    .join('\n');
}

async function show(io: Io, text: string, flags: HubFlags): Promise<void> {
  const reference = hubReference(text, flags);
  const hub = openHub(reference, hubOptions(io, flags));
  const { found, details } = await io.during('asking the hub', async () => {
    const found = await findModel(hub, reference);
    return { found, details: await detailsOf(hub, found.contents) };
  });
  const { tolerances, ...others } = details;
  const value: Json = {
    ...modelJson(hub.place, found),
    ...others,
    tolerances: tolerances as Json,
  };
  io.print(
    value,
    (style) => `${modelText(style, hub.place, found)}\n${detailsText(style, details)}`,
  );
}

/** `assay hub show REFERENCE`. */
export function registerHubShow(program: Command, io: Io): void {
  const command = group(program, 'hub')
    .command('show')
    .description(
      'print what a model in a hub is: its card, digests, vectors, tolerances, and how to convert other formats',
    )
    .argument('<reference>', 'oci:// or ocidir://, with a tag, a digest, or both');
  withHubFlags(command)
    .addHelpText(
      'after',
      examples(
        'assay hub show oci://registry.example/models/ocr:v4',
        'assay hub show ocidir:///srv/hub/ocr:v4 --json',
      ),
    )
    .action((text: string, flags: HubFlags) => show(io, text, flags));
}
