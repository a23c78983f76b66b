import { basename, resolve } from 'node:path';
import type { Command } from 'commander';
import { AssayError } from '../../attestation/encoding/error.js';
import { readPackage } from '../hub/package-source.js';
import { pushModel } from '../hub/push.js';
import { placeOf } from '../hub/reference.js';
import { type HubFlags, hubOptions, hubReference, withHubFlags } from './hub-options.js';
import { modelJson, modelText } from './hub-render.js';
import type { Io } from './io.js';
import { examples, group, refuseIdle } from './options.js';

interface PushFlags extends HubFlags {
  readonly title?: string;
  readonly moveTag?: boolean;
}

async function push(io: Io, source: string, to: string, flags: PushFlags): Promise<void> {
  if (source === '-') {
    throw new AssayError('USAGE_OPTION', 'expected the path of a model, not standard input');
  }
  const reference = hubReference(to, flags);
  if (reference.tag === undefined) refuseIdle(flags, ['moveTag'], 'without a tag');
  const title = flags.title ?? basename(resolve(source)).replace(/\.onnx$/, '');
  const contents = await io.during('reading the package', () => readPackage(source, title));
  const pushed = await io.during('pushing', (progress) =>
    pushModel(contents, reference, {
      ...hubOptions(io, flags, progress),
      moveTag: flags.moveTag === true,
    }),
  );
  const { uploaded, present } = pushed;
  const place = placeOf(reference);
  io.print(
    { ...modelJson(place, pushed), uploaded, present },
    (style) =>
      `${modelText(style, place, pushed)}\n${uploaded.length} files pushed, ${present.length} were there already\n`,
  );
}

/** `assay hub push SOURCE REFERENCE`. */
export function registerHubPush(program: Command, io: Io): void {
  const command = group(program, 'hub')
    .command('push')
    .description('push a model, or a folder that is its package, and print its digest')
    .argument('<source>', 'folder of a package, an .onnx file, or a model in another format')
    .argument('<reference>', 'oci://HOST[:PORT]/REPOSITORY:TAG, or ocidir://FOLDER:TAG')
    .option('--title <text>', 'what people read; the name of the source unless given')
    .option('--move-tag', 'let a tag that means another model mean this one');
  withHubFlags(command)
    .addHelpText(
      'after',
      examples(
        'assay hub push model.onnx oci://registry.example/models/ocr:v4',
        'assay hub push ocr-package ocidir:///srv/hub/ocr:v4',
      ),
    )
    .action((source: string, to: string, flags: PushFlags) => push(io, source, to, flags));
}
