import { isZero, toHex } from '../encoding/bytes.js';
import { type CertificateRevocationList, parseCrl } from '../encoding/crl.js';
import { contextTag, DerValue, TAG } from '../encoding/der.js';
import { AssayError } from '../encoding/error.js';
import { pemBlocks, pemText } from '../encoding/pem.js';
import { commonNameOf, parseCertificate } from '../encoding/x509.js';
import { type VekKind, vekExtensions } from './amd-extensions.js';
import { isNamedFor } from './simulated.js';
import type { EndorsementSource, Retain } from './source.js';

/** AMD's Key Distribution Service. */
export const AMD_KDS = 'https://kdsintf.amd.com';

/** Bytes of a file or of an auxblob's entry: a list of the longest in PEM, and the chain. */
const MAX_BLOB = 2 * 1024 * 1024;

/** Certificates and revocation lists, DER, in the order they came. */
export interface AmdEndorsements {
  readonly certificates: readonly Uint8Array[];
  readonly crls: readonly Uint8Array[];
}

/** SPLs of a TCB version; `fmc` from Turin on. */
export interface Spls {
  readonly fmc?: number;
  readonly bootLoader: number;
  readonly tee: number;
  readonly snp: number;
  readonly microcode: number;
}

function malformed(message: string): never {
  throw new AssayError('X509_FORMAT', message);
}

const NEITHER = 'expected a certificate or a list in DER or PEM';

/**
 * Whether this begins as a v2 list, or else as a v3 certificate: the first member of what is signed is
 * an INTEGER in the one and [0] in the other. The rest is unchecked DER of the host's, and is not read.
 */
function isCrl(der: Uint8Array): boolean {
  try {
    const tbs = new DerValue(der, new DerValue(der, 0).start);
    const { tag } = new DerValue(der, tbs.start);
    if (tag === TAG.integer || tag === contextTag(0)) return tag === TAG.integer;
  } catch (cause) {
    if (!(cause instanceof AssayError)) throw cause;
  }
  return malformed(NEITHER);
}

/**
 * Sorts files, an auxblob's entries or a service's answers into certificates and lists: each blob is
 * one DER value, or PEM with any number of blocks, all of them whole. Throws X509_FORMAT for a blob that is
 * neither.
 */
export function amdEndorsements(blobs: readonly Uint8Array[]): AmdEndorsements {
  const certificates: Uint8Array[] = [];
  const crls: Uint8Array[] = [];
  for (const blob of blobs) {
    if (blob.length > MAX_BLOB) malformed(`expected at most ${MAX_BLOB} bytes, not ${blob.length}`);
    const text = pemText(blob);
    if (text === undefined) (isCrl(blob) ? crls : certificates).push(blob);
    else {
      const [known, lists] = [pemBlocks(text, 'CERTIFICATE'), pemBlocks(text, 'X509 CRL')];
      if (known.length + lists.length === 0) malformed(NEITHER);
      certificates.push(...known);
      crls.push(...lists);
    }
  }
  return { certificates, crls };
}

function service(base: string, kind: VekKind, product: string): string {
  return `${base}/${kind.toLowerCase()}/v1/${product}`;
}

function query({ fmc, bootLoader, tee, snp, microcode }: Spls): string {
  const front = fmc === undefined ? '' : `fmcSPL=${fmc}&`;
  return `${front}blSPL=${bootLoader}&teeSPL=${tee}&snpSPL=${snp}&ucodeSPL=${microcode}`;
}

/** URL of a VCEK certificate (AMD 57230, KDS): HWID is 8 bytes from Turin on, else 64. */
export function vcekUrl(base: string, product: string, hwid: Uint8Array, tcb: Spls): string {
  return `${service(base, 'VCEK', product)}/${toHex(hwid)}?${query(tcb)}`;
}

/** URL of the root's revocation list, DER. */
export function crlUrl(base: string, kind: VekKind, product: string): string {
  return `${service(base, kind, product)}/crl`;
}

const DAY = 86_400_000;
const later = (date: Date, milliseconds: number): Date => new Date(date.getTime() + milliseconds);

/** What has to be known of a report to fetch what endorses it. */
export interface AmdRequest {
  readonly kind: VekKind;
  /** Product lines to try, in order: one from CPUID, several for a report of version 2. */
  readonly products: readonly string[];
  /** CHIP_ID, 64 bytes. */
  readonly chipId: Uint8Array;
  /** REPORTED_TCB, for which the VCEK has to be. */
  readonly reportedTcb: bigint;
  /** Its SPLs in the layout of a product line; undefined where these leave out reserved bytes that are set. */
  readonly tcb: (product: string) => Spls | undefined;
  /**
   * Throws where AMD's authorities did not sign this VCEK, as far as they are known, and where it is not valid at
   * the time of the appraisal: AMD issues others for the same key later.
   */
  readonly authentic: (vcek: Uint8Array) => Promise<void>;
}

/** Whose revocation list is asked for. */
export interface AmdCrlRequest {
  readonly kind: VekKind;
  readonly product: string;
  /** Throws where the product line's root did not sign this list. */
  readonly authentic: (crl: Uint8Array) => Promise<void>;
}

/**
 * The answer is the VCEK of this chip and TCB: kept for good, since the key never changes. Throws the code that
 * an appraisal would refuse it with.
 */
const vcekOf =
  (product: string, hwid: Uint8Array, { reportedTcb, authentic }: AmdRequest): Retain =>
  async ({ body }) => {
    const vek = vekExtensions(parseCertificate(body), 'VCEK');
    if (vek.product !== product) {
      throw new AssayError(
        'SNP_PRODUCT_MISMATCH',
        `expected a VCEK for ${product}, not ${vek.product}`,
      );
    }
    const [named, asked] = [toHex(vek.hwid ?? new Uint8Array()), toHex(hwid)];
    if (named !== asked) {
      throw new AssayError(
        'SNP_HWID_MISMATCH',
        `the HWID of the certificate is ${named}, not ${asked} as was asked for`,
      );
    }
    if (vek.tcb !== reportedTcb) {
      throw new AssayError(
        'SNP_TCB_MISMATCH',
        `the certificate is for TCB_VERSION 0x${vek.tcb.toString(16)}, not for 0x${reportedTcb.toString(16)} as was asked for`,
      );
    }
    await authentic(body);
    return { refreshAfter: null, expires: null, issued: null };
  };

/** Whether a list is of this product line's root, or of a simulator's with its name. */
export function isListOf({ issuer }: CertificateRevocationList, product: string): boolean {
  return isNamedFor(commonNameOf(issuer), `ARK-${product}`);
}

/** The answer is a list of this product line's root: asked for once a day, never served beyond its nextUpdate. */
const crlOf =
  ({ product, authentic }: AmdCrlRequest): Retain =>
  async ({ body }, storedAt) => {
    const list = parseCrl(body);
    if (!isListOf(list, product)) {
      throw new AssayError(
        'SNP_CRL_ISSUER',
        `expected a revocation list of ARK-${product}, not of ${commonNameOf(list.issuer)}`,
      );
    }
    await authentic(body);
    return {
      refreshAfter: later(storedAt, DAY),
      expires: list.nextUpdate,
      issued: list.thisUpdate,
    };
  };

/**
 * Fetches a VCEK: the first product line that AMD knows the chip and TCB for. Throws
 * ENDORSEMENTS_UNAVAILABLE, or ENDORSEMENTS_UNKNOWN, without asking, for a VLEK, where the host masks CHIP_ID
 * and where REPORTED_TCB has reserved bytes set, for which 57230 has no parameter: what AMD answered without
 * them would be for another TCB. Whoever has the certificate has to supply it.
 */
export async function fetchVcek(
  source: EndorsementSource,
  request: AmdRequest,
  base: string = AMD_KDS,
): Promise<Uint8Array> {
  if (request.kind === 'VLEK') {
    throw new AssayError(
      'ENDORSEMENTS_UNKNOWN',
      'AMD gives VLEK certificates to cloud providers only: take it from the host (auxblob)',
    );
  }
  if (isZero(request.chipId)) {
    throw new AssayError(
      'ENDORSEMENTS_UNKNOWN',
      'the host masks CHIP_ID, so that nothing tells which VCEK to ask AMD for: supply it, or take it from the host (auxblob)',
    );
  }
  let unknown: unknown;
  for (const product of request.products) {
    const tcb = request.tcb(product);
    if (tcb === undefined) {
      throw new AssayError(
        'ENDORSEMENTS_UNKNOWN',
        'REPORTED_TCB has reserved bytes set, by which AMD cannot be asked for a VCEK: supply it, or take it from the host (auxblob)',
      );
    }
    const hwid = request.chipId.subarray(0, tcb.fmc === undefined ? 64 : 8);
    try {
      const retain = vcekOf(product, hwid, request);
      return (await source.get(vcekUrl(base, product, hwid, tcb), retain)).body;
    } catch (error) {
      if (!(error instanceof AssayError) || error.code !== 'ENDORSEMENTS_UNKNOWN') throw error;
      unknown = error;
    }
  }
  throw unknown ?? new AssayError('ENDORSEMENTS_UNKNOWN', 'the product line is not known');
}

/** Fetches the current revocation list of a product line's root. */
export async function fetchAmdCrl(
  source: EndorsementSource,
  request: AmdCrlRequest,
  base: string = AMD_KDS,
): Promise<Uint8Array> {
  const { kind, product } = request;
  return (await source.get(crlUrl(base, kind, product), crlOf(request))).body;
}
