import type { Command } from 'commander';
import { AssayError } from '../../attestation/encoding/error.js';
import { type ListedModel, listModels, listRepositories } from '../hub/list.js';
import { type HubFlags, hubOptions, hubReference, withHubFlags } from './hub-options.js';
import type { Io } from './io.js';
import { examples, group } from './options.js';
import { type Cell, type Style, section, size } from './output.js';

function row(style: Style, { tag, model, problem }: ListedModel): readonly Cell[] {
  if (model === undefined) return [tag, { text: problem ?? '', style: style.dim }];
  const formats = [...new Set(model.notExecutable.map(({ format }) => format))].join(', ');
  const state: Cell = model.executable
    ? { text: 'executable', style: style.green }
    : { text: `not executable: ${formats}`, style: style.yellow };
  return [tag, model.digest, size(model.size), state];
}

function conversions(style: Style, models: readonly ListedModel[]): readonly (readonly Cell[])[] {
  return models.flatMap(({ tag, model }) =>
    model === undefined || model.executable
      ? []
      : model.notExecutable.map(({ path, conversion }): Cell[] => [
          { text: `${tag} ${path}`, style: style.dim },
          conversion,
        ]),
  );
}

async function list(io: Io, text: string, flags: HubFlags): Promise<void> {
  const reference = hubReference(text, flags);
  if (reference.tag !== undefined || reference.digest !== undefined) {
    throw new AssayError('HUB_REFERENCE', 'expected a hub or a repository without tag and digest');
  }
  const options = hubOptions(io, flags);
  const repositories = await io.during('asking the hub', () =>
    listRepositories(reference, options),
  );
  if (repositories !== undefined) {
    const rows = repositories.map((name) => [name]);
    io.print(
      { repositories },
      (style) => section(style, 'Repositories', rows) || 'no repositories\n',
    );
    return;
  }
  const models = await io.during('asking the hub', (progress) =>
    listModels(reference, options, (tag) => progress.update(tag)),
  );
  io.print(
    {
      models: models.map(({ tag, model, problem }) => ({
        tag,
        ...(model === undefined
          ? { problem: problem ?? '' }
          : { ...model, notExecutable: model.notExecutable.map((each) => ({ ...each })) }),
      })),
    },
    (style) =>
      [
        section(
          style,
          'Models',
          models.map((model) => row(style, model)),
        ),
        section(style, 'To convert', conversions(style, models)),
      ]
        .filter((part) => part !== '')
        .join('\n') || 'no models\n',
  );
}

/** `assay hub list HUB`. */
export function registerHubList(program: Command, io: Io): void {
  const command = group(program, 'hub')
    .command('list')
    .description('list the repositories of a hub, or the models of a repository')
    .argument('<hub>', 'oci://HOST, oci://HOST/REPOSITORY, or ocidir://FOLDER');
  withHubFlags(command)
    .addHelpText(
      'after',
      examples('assay hub list oci://registry.example', 'assay hub list ocidir:///srv/hub/ocr'),
    )
    .action((text: string, flags: HubFlags) => list(io, text, flags));
}
