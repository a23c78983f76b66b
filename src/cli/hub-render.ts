import type { FoundModel } from '../hub/open-hub.js';
import { notExecutable, type PackageFile } from '../hub/package.js';
import type { Json } from './io.js';
import { type Cell, type Style, section, size } from './output.js';

const total = (files: readonly PackageFile[]): number =>
  files.reduce((sum, { blob }) => sum + blob.size, 0);

/** A model of a hub as JSON. */
export function modelJson(place: string, { digest, contents }: FoundModel) {
  return {
    place,
    digest,
    title: contents.title ?? null,
    executable: contents.graph !== undefined,
    graph: contents.graph ?? null,
    size: total(contents.files),
    files: contents.files.map(({ path, role, format, blob }) => ({
      path,
      role,
      format: format?.name ?? null,
      size: blob.size,
      digest: blob.digest,
    })),
    notExecutable: notExecutable(contents).map((original) => ({ ...original })),
  } satisfies Json;
}

/** A model of a hub for people: what it is, its files, and how originals become executable. */
export function modelText(style: Style, place: string, found: FoundModel): string {
  const { digest, contents } = found;
  const facts: readonly (readonly Cell[])[] = [
    ['reference', `${place}@${digest}`],
    ['title', contents.title ?? 'none'],
    contents.graph === undefined
      ? ['executable', { text: 'no: it holds no ONNX model', style: style.yellow }]
      : ['executable', 'yes'],
    ['graph', contents.graph ?? 'none'],
    ['size', size(total(contents.files))],
  ];
  const files = contents.files.map(({ path, role, format, blob }): Cell[] => [
    path,
    format === undefined ? role : `${role}, ${format.name}`,
    size(blob.size),
    blob.digest,
  ]);
  const originals = notExecutable(contents).flatMap(({ path, format, conversion }): Cell[][] => [
    [{ text: `${path} (${format}) is not executable; to convert it:`, style: style.yellow }],
    [`  ${conversion}`],
  ]);
  return [
    section(style, 'Model', facts),
    section(style, 'Files', files),
    section(style, 'Not executable', originals),
  ]
    .filter((part) => part !== '')
    .join('\n');
}
