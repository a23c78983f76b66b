import { createPrivateKey, type KeyObject } from 'node:crypto';
import { open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { AssayError } from '../../attestation/encoding/error.js';
import {
  encodeLaunchPolicy,
  type LaunchPolicyDigest,
  launchPolicyDigest,
  parseLaunchPolicy,
} from '../../attestation/evidence/launch-policy.js';
import { type Deployment, parseDeployment } from '../../enclave/launch/deployment.js';
import { partitionTableEvent } from '../../enclave/measurement/partition-table.js';
import { readDocument } from './document.js';
import { readInput, unreadable } from './input-files.js';
import type { Io } from './io.js';

/** Kernels and initrds with models inside are large; Node's buffers end here as well. */
const IMAGE_LIMIT = 2 ** 31 - 1;

export function readImage(io: Io, path: string): Promise<Uint8Array<ArrayBuffer>> {
  return readInput(io, path, IMAGE_LIMIT);
}

/**
 * What firmware measures of the partition table of a disk, a file or a device, of which no more is read.
 * Throws USAGE_FILE, MEASUREMENT_DISK.
 */
export async function readPartitionTable(path: string): Promise<Uint8Array> {
  try {
    const disk = await open(path);
    try {
      return await partitionTableEvent(async (at, length) => {
        const { buffer, bytesRead } = await disk.read(Buffer.alloc(length), 0, length, at);
        return buffer.subarray(0, bytesRead);
      });
    } finally {
      await disk.close();
    }
  } catch (error) {
    throw error instanceof AssayError ? error : unreadable(path, error);
  }
}

/** Reads a deployment file; its paths become absolute, as seen from where it lies. */
export async function readDeployment(io: Io, path: string): Promise<Deployment> {
  const deployment = parseDeployment(await readDocument(io, path));
  const locate = (name: string): string => resolve(dirname(path), name);
  const { firmware, kernel, initrd } = deployment.boot;
  return {
    ...deployment,
    launchPolicy: locate(deployment.launchPolicy),
    boot: {
      ...deployment.boot,
      kernel: locate(kernel),
      initrd: locate(initrd),
      ...(firmware && { firmware: locate(firmware) }),
    },
  };
}

export async function readLaunchPolicyDigest(io: Io, path: string): Promise<LaunchPolicyDigest> {
  return launchPolicyDigest(encodeLaunchPolicy(parseLaunchPolicy(await readDocument(io, path))));
}

/** A private key in PEM; throws USAGE_FILE. */
export async function readPrivateKey(io: Io, path: string): Promise<KeyObject> {
  const pem = Buffer.from(await readInput(io, path));
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw new AssayError('USAGE_FILE', `${path} is no private key in PEM`, cause);
  }
}

/** Parses `1,2,4`. */
export function parseProcessors(text: string): number[] {
  if (!/^\d{1,4}(,\d{1,4})*$/.test(text)) {
    throw new InvalidArgumentError('expected numbers of processors such as 1,2,4.');
  }
  return text.split(',').map(Number);
}

/** Parses `0x30000`, or decimal. */
export function parseFlags(text: string): bigint {
  if (!/^(0x[0-9a-fA-F]{1,16}|\d{1,19})$/.test(text)) {
    throw new InvalidArgumentError('expected an integer such as 0x30000.');
  }
  return BigInt(text);
}

/** Parses a CPUID signature, the 32 bits of EAX. */
export function parseSignature(text: string): bigint {
  const signature = parseFlags(text);
  if (signature <= 0xffff_ffffn) return signature;
  throw new InvalidArgumentError('expected 32 bits such as 0x00800f12.');
}

/** Parses an exact number of bytes in hexadecimal. */
export function parseHexOf(bytes: number): (text: string) => Uint8Array {
  return (text) => {
    if (!new RegExp(`^[0-9a-fA-F]{${2 * bytes}}$`).test(text)) {
      throw new InvalidArgumentError(`expected ${2 * bytes} hexadecimal digits.`);
    }
    return new Uint8Array(Buffer.from(text, 'hex'));
  };
}
