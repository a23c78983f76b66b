import { AssayError } from '../../attestation/encoding/error.js';

/** A format that a model may come in beside ONNX. It can be kept, never executed. */
export interface Format {
  readonly name: string;
  /** Last word of the media type. */
  readonly id: string;
  readonly extensions: readonly string[];
  /** First bytes of every file of the format, where it has such. */
  readonly magic?: readonly number[];
  /**
   * The shell command that makes ONNX of it; `path` is the file inside the package, shell-safe by
   * the rules of package paths once it is quoted.
   */
  readonly conversion: (path: string) => string;
}

const quote = (path: string): string => `'${path}'`;
const folderOf = (path: string): string =>
  quote(path.slice(0, Math.max(path.lastIndexOf('/'), 0)) || '.');
const baseOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
const OPTIMUM = "pip install 'optimum-onnx[onnxruntime]'";
const exportFolder = (folder: string, task: string): string =>
  `optimum-cli export onnx --model ${folder} --task ${task} onnx`;
/**
 * Optimum tells the task of a model on its vendor's hub, not of a folder (optimum-onnx 0.1: "Cannot infer
 * the task from a local directory yet"); the class that the folder's config.json names tells it.
 */
const exportTransformer = (path: string): string => {
  const folder = folderOf(path);
  const task = `"$(python -c "import sys, transformers as t; from optimum.exporters.tasks import TasksManager as M; print(M.infer_task_from_model(getattr(t, t.AutoConfig.from_pretrained(sys.argv[1]).architectures[0])))" ${folder})"`;
  return `${OPTIMUM} && ${exportFolder(folder, task)}`;
};
const python = (program: string, ...files: readonly string[]): string =>
  `python -c "${program}" ${files.map(quote).join(' ')}`.trimEnd();
const convertKeras = (path: string): string =>
  `pip install tf2onnx tensorflow && python -m tf2onnx.convert --keras ${quote(path)} --output model.onnx`;

export const FORMATS: readonly Format[] = [
  {
    name: 'safetensors',
    id: 'safetensors',
    extensions: ['.safetensors'],
    conversion: exportTransformer,
  },
  {
    name: 'GGUF',
    id: 'gguf',
    extensions: ['.gguf'],
    magic: [0x47, 0x47, 0x55, 0x46],
    conversion: (path) =>
      `${OPTIMUM} gguf accelerate && ${python(
        "import sys; from transformers import AutoModelForCausalLM as M, AutoTokenizer as T; d, f = sys.argv[1:]; [k.from_pretrained(d, gguf_file=f).save_pretrained('hf') for k in (M, T)]",
      )} ${folderOf(path)} ${quote(baseOf(path))} && ${exportFolder('hf', 'text-generation-with-past')}`,
  },
  {
    name: 'PyTorch exported program',
    id: 'pytorch-export',
    extensions: ['.pt2'],
    magic: [0x50, 0x4b],
    conversion: (path) =>
      `pip install torch onnx onnxscript && ${python(
        "import sys, torch; torch.onnx.export(torch.export.load(sys.argv[1]), dynamo=True).save('model.onnx')",
        path,
      )}`,
  },
  {
    name: 'PyTorch checkpoint',
    id: 'pytorch',
    extensions: ['.pt', '.pth', '.bin', '.ckpt'],
    conversion: exportTransformer,
  },
  {
    name: 'Keras HDF5',
    id: 'keras-h5',
    extensions: ['.h5', '.hdf5'],
    magic: [0x89, 0x48, 0x44, 0x46],
    conversion: convertKeras,
  },
  {
    name: 'Keras',
    id: 'keras',
    extensions: ['.keras'],
    magic: [0x50, 0x4b],
    conversion: convertKeras,
  },
  {
    name: 'TensorFlow SavedModel',
    id: 'tensorflow-savedmodel',
    extensions: ['saved_model.pb'],
    conversion: (path) =>
      `pip install tf2onnx tensorflow && python -m tf2onnx.convert --saved-model ${folderOf(path)} --output model.onnx`,
  },
  {
    name: 'TensorFlow Lite',
    id: 'tflite',
    extensions: ['.tflite'],
    conversion: (path) =>
      `pip install tf2onnx tensorflow && python -m tf2onnx.convert --tflite ${quote(path)} --output model.onnx`,
  },
];

/** The format that a file's name says; undefined for what merely goes with one (a configuration). */
export function formatOfPath(path: string): Format | undefined {
  const name = baseOf(path).toLowerCase();
  return FORMATS.find(({ extensions }) =>
    extensions.some((extension) =>
      extension.startsWith('.') ? name.endsWith(extension) : name === extension,
    ),
  );
}

/** Refuses a file that has a format's name and not its first bytes; throws HUB_FORMAT. */
export function checkMagic(path: string, { name, magic }: Format, head: Uint8Array): void {
  if (magic === undefined || magic.every((byte, i) => head[i] === byte)) return;
  throw new AssayError('HUB_FORMAT', `expected ${path} to be ${name}: its first bytes are not`);
}
