import forge from 'node-forge';
import { parseDer, primitive, unsigned } from '../encoding/asn1.js';
import { AssayError } from '../encoding/error.js';
import type { Certificate } from '../encoding/x509.js';

const { Type } = forge.asn1;
const ARC = '1.3.6.1.4.1.3704.1';

/** The two kinds of versioned endorsement key. */
export type VekKind = 'VCEK' | 'VLEK';

/**
 * AMD's extensions of a VCEK or VLEK certificate (AMD 57230, "VCEK Certificate" and "VLEK
 * Certificate"). SPLs are 0 to 255; which of them exist depends on the struct version.
 */
export interface VekExtensions {
  /** `Milan`, `Genoa` or `Turin`, or what AMD names next: the name without its stepping. */
  readonly product: string;
  /** As in the certificate, for example `Milan-B0`. */
  readonly productName: string;
  /**
   * The eight bytes of the TCB_VERSION that the key was derived for, least significant first, in
   * the layout of the struct version: 0 for Milan and Genoa, 1 for Turin.
   */
  readonly tcb: bigint;
  /** VCEK: 64 bytes, 8 from Turin on. */
  readonly hwid: Uint8Array | undefined;
  /** VLEK: names the cloud service provider. */
  readonly cspId: string | undefined;
}

/** Numbers of the SPL extensions below `.3`, in the byte order of a TCB_VERSION. */
const SPLS = {
  0: [1, 2, 4, 5, 6, 7, 3, 8],
  1: [9, 1, 2, 3, 5, 6, 7, 8],
} as const;

function fail(message: string, cause?: unknown): never {
  throw new AssayError('SNP_CERTIFICATE_EXTENSION', message, cause);
}

function read(certificate: Certificate, kind: VekKind): VekExtensions {
  const take = (suffix: string): Uint8Array | undefined =>
    certificate.extensions.get(`${ARC}.${suffix}`)?.value;
  const need = (suffix: string): Uint8Array =>
    take(suffix) ?? fail(`expected extension ${ARC}.${suffix} in a ${kind} certificate`);
  const text = (suffix: string): string =>
    String.fromCharCode(...primitive(parseDer(need(suffix)), Type.IA5STRING, `.${suffix}`));

  for (const [name, extension] of certificate.extensions) {
    if (extension.critical) fail(`extension ${name} is critical and has no meaning here`);
  }
  const structVersion = unsigned(parseDer(need('1')), 'struct version');
  if (structVersion !== 0 && structVersion !== 1) {
    return fail(`expected struct version 0 or 1, not ${structVersion}`);
  }
  const productName = text('2');
  const product = /^([A-Z][a-z]+)(-[A-Z]\d)?$/.exec(productName)?.[1];
  if (product === undefined) {
    return fail('expected a product name such as Milan or Milan-B0');
  }
  if ((product === 'Milan' || product === 'Genoa') !== (structVersion === 0)) {
    fail(`struct version ${structVersion} is not that of ${product}`);
  }
  const spls: readonly number[] = SPLS[structVersion];
  const stray = [1, 2, 3, 4, 5, 6, 7, 8, 9].find(
    (number) => !spls.includes(number) && take(`3.${number}`) !== undefined,
  );
  if (stray !== undefined) fail(`extension ${ARC}.3.${stray} is not one of ${product}`);
  const tcb = spls.reduce((sum, number, byte) => {
    const value = unsigned(parseDer(need(`3.${number}`)), `SPL .3.${number}`);
    if (value > 255) fail(`expected SPL .3.${number} to be at most 255, not ${value}`);
    return sum | (BigInt(value) << BigInt(8 * byte));
  }, 0n);
  const [present, absent] = kind === 'VCEK' ? ['4', '5'] : ['5', '4'];
  need(present);
  if (take(absent) !== undefined) {
    fail(`a ${kind} certificate must not have extension ${ARC}.${absent}`);
  }
  const hwid = take('4');
  const size = structVersion === 0 ? 64 : 8;
  if (hwid !== undefined && hwid.length !== size) {
    fail(`expected a HWID of ${size} bytes for ${product}, not ${hwid.length}`);
  }
  return {
    product,
    productName,
    tcb,
    hwid,
    cspId: kind === 'VLEK' ? text('5') : undefined,
  };
}

/** Extensions by certificate: a certificate is as immutable as what it says. */
const known = new WeakMap<Certificate, VekExtensions>();

/**
 * Reads and checks AMD's extensions of a certificate. HWID is raw bytes inside the OCTET STRING, the
 * others are DER. Throws SNP_CERTIFICATE_EXTENSION.
 */
export function vekExtensions(certificate: Certificate, kind: VekKind): VekExtensions {
  try {
    const extensions = known.get(certificate) ?? read(certificate, kind);
    known.set(certificate, extensions);
    return extensions;
  } catch (cause) {
    if (cause instanceof AssayError && cause.code === 'SNP_CERTIFICATE_EXTENSION') throw cause;
    const reason = cause instanceof Error ? cause.message : 'malformed';
    return fail(`an extension of the ${kind} certificate is malformed: ${reason}`, cause);
  }
}
