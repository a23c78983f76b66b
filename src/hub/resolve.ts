import type { Digest } from './digest.js';
import type { PackageFile } from './package.js';

/** A model that lies on this machine's disk, every file verified against its manifest's digest. */
export interface ResolvedModel {
  /** As it was asked for. */
  readonly reference: string;
  readonly manifestDigest: Digest;
  /** The folder that holds the package. */
  readonly directory: string;
  /** Absolute path of the ONNX file. */
  readonly modelPath: string;
  /** Graph digest that the manifest states, and that the model was found to have. 32 bytes. */
  readonly graph: Uint8Array;
  /** Paths relative to `directory`; whoever reads the files later compares with these digests. */
  readonly files: readonly PackageFile[];
}
