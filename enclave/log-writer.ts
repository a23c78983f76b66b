import type { KeyObject } from 'node:crypto';
import { threadId } from 'node:worker_threads';
import { merkleHashes } from '../attestation/encoding/merkle.js';
import type { LogPlace } from '../attestation/receipt/receipt.js';
import {
  encodeTreeHeadHeader,
  type SignedTreeHead,
  treeHeadInput,
} from '../attestation/receipt/tree-head.js';
import { nativeSha256Once } from '../src/system/sha256.js';
import { type Extension, SharedRange } from './shared-range.js';
import { signEs256 } from './signing-key.js';

const { leafHash } = merkleHashes(nativeSha256Once);

/**
 * What the threads of an enclave need to write one log. A message between threads hands it on; the key
 * goes along as a handle, its bytes are never copied.
 */
export interface SharedLog {
  /** `SharedRange.allocate()` */
  readonly memory: SharedArrayBuffer;
  readonly privateKey: KeyObject;
  /** COSE Key Thumbprint of the key, 32 bytes. */
  readonly keyId: Uint8Array;
}

/** Entries that were appended together, under one signed head. */
export interface Appended {
  readonly head: SignedTreeHead;
  /** Of the entry with this number, from 0. */
  readonly place: (i: number) => LogPlace;
}

/** Signs the root of a tree at its size. */
export function signTree(
  { size, root }: Pick<SignedTreeHead, 'size' | 'root'>,
  keyId: Uint8Array,
  sign: (bytes: Uint8Array) => Uint8Array,
): SignedTreeHead {
  const protectedBytes = encodeTreeHeadHeader({ size, keyId });
  return {
    size,
    keyId,
    root,
    protectedBytes,
    signature: sign(treeHeadInput(protectedBytes, root)),
  };
}

/** What an append comes to once its tree is signed. */
export function underHead({ first, tree }: Extension, head: SignedTreeHead): Appended {
  return {
    head,
    place: (i) => ({ head, index: first + i, path: tree.inclusionPath(first + i) }),
  };
}

/** Leaves of the tree for entries, RFC 9162 section 2.1.1. */
export function leavesOf(entries: readonly Uint8Array[]): Uint8Array[] {
  return entries.map(leafHash);
}

/** Appends to the epoch's log from a worker thread, which may be blocked while another appends. */
export class LogWriter {
  readonly #keyId: Uint8Array;
  readonly #sign: (bytes: Uint8Array) => Uint8Array;
  readonly #range: SharedRange;

  constructor({ memory, privateKey, keyId }: SharedLog) {
    this.#keyId = keyId;
    this.#sign = signEs256(privateKey);
    this.#range = new SharedRange(memory, threadId);
  }

  /** Appends entries, one at least, and signs a head that covers them. */
  append(entries: readonly Uint8Array[]): Appended {
    const leaves = leavesOf(entries);
    let extension = this.#range.tryExtend(leaves);
    while (extension === undefined) {
      this.#range.wait();
      extension = this.#range.tryExtend(leaves);
    }
    return underHead(extension, signTree(extension.tree, this.#keyId, this.#sign));
  }
}

const ROOT = 8;
const SIGNATURE = ROOT + 32;
const NOTICE = SIGNATURE + 64;

/** A head as a worker tells the event loop of it: size ‖ root ‖ signature, 104 bytes. */
export function encodeNotice({ size, root, signature }: SignedTreeHead): Uint8Array<ArrayBuffer> {
  const notice = new Uint8Array(NOTICE);
  new DataView(notice.buffer).setFloat64(0, size);
  notice.set(root, ROOT);
  notice.set(signature, SIGNATURE);
  return notice;
}

/** Size of the tree of a notice's head. */
export function noticeSize(notice: Uint8Array): number {
  return new DataView(notice.buffer, notice.byteOffset).getFloat64(0);
}

export function decodeNotice(notice: Uint8Array, keyId: Uint8Array): SignedTreeHead {
  const size = noticeSize(notice);
  return {
    size,
    keyId,
    root: notice.subarray(ROOT, SIGNATURE),
    protectedBytes: encodeTreeHeadHeader({ size, keyId }),
    signature: notice.subarray(SIGNATURE, NOTICE),
  };
}
