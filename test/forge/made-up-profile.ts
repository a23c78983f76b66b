import type { ExecutionProfile } from '../../attestation/evidence/execution-profile.js';
import { fill } from './fill.js';

/** A profile as a node states it, of what executed nothing. */
export const madeUpProfile: ExecutionProfile = {
  runtime: '1.30.0',
  libraries: [{ file: 'libonnxruntime.so', sha256: fill(1) }],
  provider: 'CPUExecutionProvider',
  graphOptimizationLevel: 'all',
  intraOpThreads: 1,
  executionMode: 'sequential',
  deterministicCompute: false,
  architecture: 'x64',
  instructionSet: 'avx2',
  kernels: fill(2),
  node: 'v20.19.0',
  assay: '0.1.0',
};
