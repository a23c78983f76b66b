import type { Command } from 'commander';
import { pullModel } from '../hub/pull.js';
import { placeOf } from '../hub/reference.js';
import { type HubFlags, hubOptions, hubReference, withHubFlags } from './hub-options.js';
import { modelJson, modelText } from './hub-render.js';
import type { Io } from './io.js';
import { examples, group, refuseIdle } from './options.js';
import { refuseStream } from './output-files.js';

interface PullFlags extends HubFlags {
  readonly acceptMove?: boolean;
}

async function pull(io: Io, from: string, folder: string, flags: PullFlags): Promise<void> {
  refuseStream(folder);
  const reference = hubReference(from, flags);
  if (reference.tag === undefined)
    refuseIdle(flags, ['acceptMove'], 'without a tag: a digest never moves');
  const found = await io.during('pulling', (progress) =>
    pullModel(reference, folder, {
      ...hubOptions(io, flags, progress),
      acceptMove: flags.acceptMove === true,
    }),
  );
  const place = placeOf(reference);
  io.print({ ...modelJson(place, found), folder }, (style) => modelText(style, place, found));
}

/** `assay hub pull REFERENCE FOLDER`. */
export function registerHubPull(program: Command, io: Io): void {
  const command = group(program, 'hub')
    .command('pull')
    .description('pull a model to a folder; nothing is placed there before all of it is verified')
    .argument('<reference>', 'oci:// or ocidir://, with a tag, a digest, or both')
    .argument('<folder>', 'new, empty, or one that an earlier pull made')
    .option('--accept-move', 'take what a tag means now, where it meant something else before');
  withHubFlags(command)
    .addHelpText(
      'after',
      examples(
        'assay hub pull oci://registry.example/models/ocr:v4 ocr',
        'assay hub pull ocidir:///srv/hub/ocr@sha256:… ocr',
      ),
    )
    .action((from: string, folder: string, flags: PullFlags) => pull(io, from, folder, flags));
}
