import { readFileSync } from 'node:fs';
import { answerOfThread } from '../system/answer-of-thread.js';
import { VERSION } from '../system/version.js';
import type { ExecutionOptions, GraphOptimizationLevel } from './engine.js';
import { EngineError } from './error.js';
import type { NativeFacts } from './native-facts.js';

/** Everything, apart from the graph, that can change the bits of an answer. */
export interface ExecutionFacts extends NativeFacts {
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
  /** `v20.19.0` */
  readonly node: string;
  /** Assay's version. */
  readonly assay: string;
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

let native: Promise<NativeFacts> | undefined;

function nativeFacts(): Promise<NativeFacts> {
  // Here, since native code does not see what a thread sets: else the probe leaves files in the home.
  process.env['ORT_DISABLE_TELEMETRY'] = '1';
  const module = new URL('./native-facts-thread.js', import.meta.url);
  return answerOfThread<NativeFacts>(module).catch((cause: unknown) => {
    // Of an error that a thread throws the name comes over, and no class.
    if (cause instanceof Error && cause.name === 'EngineError') {
      throw new EngineError('load', cause.message, cause.cause);
    }
    const expected = 'expected to hash ONNX Runtime and to execute the kernel probe';
    throw new EngineError('load', expected, cause);
  });
}

/**
 * Gathers the facts of this process and machine. Once a process the files are hashed (45 MB) and the
 * probe is executed, on a thread of their own. Rejects with EngineError `load` where that fails, where other
 * files than those were loaded, and where the processor's features cannot be told.
 */
export async function executionFacts(options: ExecutionOptions = {}): Promise<ExecutionFacts> {
  native ??= nativeFacts();
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
    assay: VERSION,
  };
}
