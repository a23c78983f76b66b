import type { Command } from 'commander';
import { findModel, openHub } from '../hub/open-hub.js';
import { parseReference } from '../hub/reference.js';
import { type HubFlags, hubOptions, withHubFlags } from './hub-options.js';
import { modelJson, modelText } from './hub-render.js';
import type { Io } from './io.js';
import { examples, group } from './options.js';

async function show(io: Io, text: string, flags: HubFlags): Promise<void> {
  const reference = parseReference(text);
  const hub = openHub(reference, false, hubOptions(io, flags));
  const found = await io.during('asking the hub', () => findModel(hub, reference));
  io.print(modelJson(hub.place, found), (style) => modelText(style, hub.place, found));
}

/** `assay hub show REFERENCE`. */
export function registerHubShow(program: Command, io: Io): void {
  const command = group(program, 'hub', 'keep models in OCI registries and folders')
    .command('show')
    .description('print what a model in a hub is, its digests, and how to convert other formats')
    .argument('<reference>', 'oci:// or ocidir://, with a tag, a digest, or both');
  withHubFlags(command)
    .addHelpText('after', examples('assay hub show oci://registry.example/models/ocr:v4'))
    .action((text: string, flags: HubFlags) => show(io, text, flags));
}
