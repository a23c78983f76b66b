import type { Command } from 'commander';
import { AssayError } from '../../attestation/encoding/error.js';
import { parseStrictJson } from '../../attestation/encoding/json.js';
import type { ManifestModel } from '../../attestation/evidence/manifest-model.js';
import { fixedType } from '../client/datatype.js';
import { inputFrom, type TensorSpec } from '../client/input.js';
import { formatNpy, isNpy } from '../client/npy.js';
import { specOf } from '../client/signature.js';
import type { Tensor } from '../client/tensor.js';
import { readInput } from './input-files.js';
import type { Io } from './io.js';
import { collect } from './options.js';
import type { AnswerFile } from './output-files.js';

/** Options of commands that send tensors and receive some. */
export interface TensorFlags {
  readonly input?: readonly string[];
  readonly shape?: readonly string[];
  readonly output?: readonly string[];
  readonly modelVersion?: string;
}

/** Adds `--input`, `--shape`, `--output` and `--model-version`. */
export function tensorOptions(command: Command): Command {
  return command
    .option(
      '--input <name=file>',
      '.npy, JSON under a name that ends in .json, or raw elements; repeatable',
      collect,
    )
    .option('--shape <name=dims>', 'shape of a raw or flat input: x=1,3,48,320', collect)
    .option('--output <name[=file]>', 'select an output, and write it as .npy', collect)
    .option('--model-version <version>', 'needed where the server has several');
}

const INPUT_LIMIT = 256 * 1024 * 1024;

/** `NAME=VALUE`; names may hold anything but `=`. Throws USAGE_OPTION. */
function split(option: string, text: string): readonly [string, string] {
  const at = text.indexOf('=');
  if (at > 0 && at < text.length - 1) return [text.slice(0, at), text.slice(at + 1)];
  throw new AssayError(
    'USAGE_OPTION',
    `expected ${option} NAME=VALUE, not ${JSON.stringify(text)}`,
  );
}

/** Of an option that is given twice for one name one value would be dropped: throws USAGE_OPTION. */
function byName<T>(option: string, entries: readonly (readonly [string, T])[]): Map<string, T> {
  const map = new Map(entries);
  if (map.size === entries.length) return map;
  throw new AssayError('USAGE_OPTION', `expected ${option} once for each name`);
}

function parseShapes(texts: readonly string[]): ReadonlyMap<string, readonly number[]> {
  return byName(
    '--shape',
    texts.map((text) => {
      const [name, list] = split('--shape', text);
      const shape = list.split(',').map(Number);
      if (!/^\d+(,\d+)*$/.test(list)) {
        throw new AssayError('USAGE_OPTION', `expected --shape ${name}=1,3,48,320, not ${list}`);
      }
      return [name, shape] as const;
    }),
  );
}

function isJson(bytes: Uint8Array, what: string): boolean {
  try {
    parseStrictJson(bytes, what, 'USAGE_FILE', bytes.length);
    return true;
  } catch (error) {
    if (error instanceof AssayError) return false;
    throw error;
  }
}

function isJsonPath(path: string): boolean {
  return path.endsWith('.json');
}

/** How JSON text begins that has elements, or a tensor. */
const JSON_START = /^\s*[[{]/;

/**
 * JSON under a name that does not tell would be taken for elements without a word: throws USAGE_FILE. Text may
 * be meant where an element is a byte, or the whole file.
 */
function assertRaw({ name, datatype }: TensorSpec, path: string, bytes: Uint8Array): void {
  if ((fixedType(datatype)?.size ?? 1) === 1) return;
  const start = Buffer.from(bytes.subarray(0, 256)).toString('latin1');
  if (!JSON_START.test(start) || !isJson(bytes, path)) return;
  throw new AssayError(
    'USAGE_FILE',
    `input ${name}: ${path === '-' ? 'standard input' : path} is JSON, and would be read as raw elements of ${datatype}, for no name that ends in .json tells: give it in such a file, or elements whose bytes read as JSON as .npy`,
  );
}

/** An input as its file has it. */
export interface InputFile {
  readonly name: string;
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly shape: readonly number[] | undefined;
}

/**
 * Reads the files of the inputs that the flags name, before a node is attested for them. Throws USAGE_FILE or
 * USAGE_OPTION.
 */
export async function readInputFiles(io: Io, flags: TensorFlags): Promise<readonly InputFile[]> {
  const shapes = parseShapes(flags.shape ?? []);
  const inputs = byName(
    '--input',
    (flags.input ?? []).map((text) => split('--input', text)),
  );
  for (const name of shapes.keys()) {
    if (!inputs.has(name)) {
      throw new AssayError('USAGE_OPTION', `--shape ${name}=… changes nothing: no --input ${name}`);
    }
  }
  return Promise.all(
    [...inputs].map(async ([name, path]) => {
      const bytes = await readInput(io, path, INPUT_LIMIT);
      const shape = shapes.get(name);
      if (shape !== undefined && !isJsonPath(path) && isNpy(bytes)) {
        const why = `changes nothing: ${path} is .npy and states its shape`;
        throw new AssayError('USAGE_OPTION', `--shape ${name}=… ${why}`);
      }
      return { name, path, bytes, shape };
    }),
  );
}

/** Inputs as the model's signature has them; throws CLIENT_INPUT, TENSOR_… or USAGE_FILE. */
export function inputsOf(model: ManifestModel, files: readonly InputFile[]): Tensor[] {
  return files.map(({ name, path, bytes, shape }) => {
    const signature = model.inputs.find((input) => input.name === name);
    if (signature === undefined) {
      const known = model.inputs.map((input) => input.name).join(', ');
      throw new AssayError('CLIENT_INPUT', `${model.name} has no input ${name}; it has ${known}`);
    }
    const spec = specOf(signature);
    const format = isJsonPath(path) ? 'json' : 'binary';
    if (format === 'binary') assertRaw(spec, path, bytes);
    return inputFrom(spec, bytes, format, shape);
  });
}

/** Paths of outputs by their names; undefined where one is selected alone. */
export type OutputPaths = ReadonlyMap<string, string | undefined>;

/** `--output NAME` selects an output, `--output NAME=FILE.npy` writes it too. */
export function parseOutputs(texts: readonly string[] = []): OutputPaths {
  return byName<string | undefined>(
    '--output',
    texts.map((text) => (text.includes('=') ? split('--output', text) : [text, undefined])),
  );
}

/** The files of outputs that `parseOutputs` has a path for. */
export function outputFiles(
  tensors: readonly Tensor[],
  outputs: OutputPaths,
): (AnswerFile & { readonly what: string })[] {
  return tensors.flatMap((tensor) => {
    const path = outputs.get(tensor.name);
    if (path === undefined) return [];
    return [{ path, what: `output ${tensor.name}`, bytes: () => formatNpy(tensor) }];
  });
}
