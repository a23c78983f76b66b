import { readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { ExecutionOptions, GraphOptimizationLevel } from './engine.js';
import { EngineError } from './error.js';
import { kernelDigest } from './kernel-probe.js';

/** Everything, apart from the graph, that can change the bits of an answer. */
export interface ExecutionFacts {
  /** ONNX Runtime's version, for people; `libraries` is what pins it. */
  readonly runtime: string;
  /** SHA-256 (lower-case hex) of ONNX Runtime's native files, by file name, sorted. */
  readonly libraries: readonly { readonly file: string; readonly sha256: string }[];
  readonly provider: 'CPUExecutionProvider';
  readonly graphOptimizationLevel: GraphOptimizationLevel;
  readonly intraOpThreads: number;
  readonly executionMode: 'sequential';
  readonly deterministicCompute: boolean;
  /** `x64`, `arm64`: Node's names. */
  readonly architecture: string;
  /**
   * The processor features on which ONNX Runtime chooses kernels, sorted, joined by `+`: what the
   * kernel of the operating system says. An emulator can offer fewer than it repeats of its host.
   */
  readonly instructionSet: string;
  /** What ONNX Runtime's kernels give on this processor: `kernelDigest()`. */
  readonly kernels: string;
  /** `v20.19.0` */
  readonly node: string;
}

/** As ONNX Runtime's MlasPlatform tests them (`core/mlas/lib/platform.cpp`), in /proc/cpuinfo's names. */
const KERNEL_FEATURES: Readonly<Record<string, readonly string[]>> = {
  x64: [
    'sse4_1',
    'avx',
    'f16c',
    'fma',
    'avx2',
    'avx_vnni',
    'avx_vnni_int8',
    'avx_ne_convert',
    'avx512f',
    'avx512bw',
    'avx512dq',
    'avx512vl',
    'avx512_vnni',
    'avx512_bf16',
    'amx_tile',
    'amx_int8',
    'amx_bf16',
  ],
  arm64: ['asimd', 'asimdhp', 'asimddp', 'i8mm', 'bf16', 'sve', 'sve2', 'sme', 'sme2'],
};

/** The kernel-deciding features in a /proc/cpuinfo text; undefined for an unknown architecture. */
export function instructionSetOf(cpuinfo: string, architecture: string): string | undefined {
  const known = KERNEL_FEATURES[architecture];
  const line = /^(?:flags|Features)\s*:(.*)$/m.exec(cpuinfo)?.[1];
  if (known === undefined || line === undefined) return undefined;
  const present = new Set(line.trim().split(/\s+/));
  return known
    .filter((feature) => present.has(feature))
    .sort()
    .join('+');
}

/** Read and hashed by the thread pool: tens of megabytes, while the event loop starts the service. */
async function sha256OfFile(path: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', await readFile(path));
  return Buffer.from(digest).toString('hex');
}

type NativeFacts = Pick<ExecutionFacts, 'runtime' | 'libraries' | 'kernels'>;

let native: Promise<NativeFacts> | undefined;

async function readNative(): Promise<NativeFacts> {
  const require = createRequire(import.meta.url);
  const root = dirname(dirname(require.resolve('onnxruntime-node')));
  const description: unknown = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const runtime =
    typeof description === 'object' && description !== null && 'version' in description
      ? String(description.version)
      : 'unknown';
  const folder = join(root, 'bin', 'napi-v6', process.platform, process.arch);
  const files = (await readdir(folder)).filter((file) => /\.(node|so|dylib|dll)(\.|$)/.test(file));
  const libraries = await Promise.all(
    files.sort().map(async (file) => ({ file, sha256: await sha256OfFile(join(folder, file)) })),
  );
  return { runtime, libraries, kernels: await kernelDigest() };
}

/**
 * Gathers the facts of this process and machine. Once a process the files are hashed (45 MB) and the
 * probe is executed on the calling thread (about 20 ms).
 * Throws EngineError `load` where the processor's features cannot be told.
 */
export async function executionFacts(options: ExecutionOptions = {}): Promise<ExecutionFacts> {
  native ??= readNative();
  const { runtime, libraries, kernels } = await native;
  const instructionSet = instructionSetOf(readFileSync('/proc/cpuinfo', 'utf8'), process.arch);
  if (instructionSet === undefined) {
    throw new EngineError(
      'load',
      `expected the features of an x64 or arm64 processor in /proc/cpuinfo, this one is ${process.arch}`,
    );
  }
  return {
    runtime,
    libraries,
    provider: 'CPUExecutionProvider',
    graphOptimizationLevel: options.graphOptimizationLevel ?? 'all',
    intraOpThreads: options.intraOpThreads ?? 1,
    executionMode: 'sequential',
    deterministicCompute: false,
    architecture: process.arch,
    instructionSet,
    kernels,
    node: process.version,
  };
}
