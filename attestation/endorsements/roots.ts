import { AssayError } from '../encoding/error.js';
import { pemBlocks } from '../encoding/pem.js';
import { ARK_GENOA, ASK_GENOA, ASVK_GENOA } from './roots/amd-genoa.js';
import { ARK_MILAN, ASK_MILAN, ASVK_MILAN } from './roots/amd-milan.js';
import { ARK_TURIN, ASK_TURIN, ASVK_TURIN } from './roots/amd-turin.js';
import { INTEL_SGX_ROOT_CA } from './roots/intel-sgx.js';

/** Product lines whose AMD root key Assay carries. */
export type PinnedProduct = 'Milan' | 'Genoa' | 'Turin';

/** AMD's certificates of one product line, DER. */
export interface AmdCertificates {
  /** AMD Root Key, self-signed. */
  readonly ark: Uint8Array;
  /** Issues VCEKs. */
  readonly ask: Uint8Array;
  /** Issues VLEKs. */
  readonly asvk: Uint8Array;
}

function onlyCertificate(pem: string): Uint8Array {
  const [der, ...rest] = pemBlocks(pem, 'CERTIFICATE');
  if (der === undefined || rest.length > 0) {
    throw new AssayError('X509_CERTIFICATE', 'expected one certificate in a pinned constant');
  }
  return der;
}

function decode(ark: string, ask: string, asvk: string): AmdCertificates {
  return { ark: onlyCertificate(ark), ask: onlyCertificate(ask), asvk: onlyCertificate(asvk) };
}

/** Pinned by value: who appraises under them trusts AMD and this package, and fetches nothing. */
export const AMD_CERTIFICATES: { readonly [product in PinnedProduct]: AmdCertificates } = {
  Milan: decode(ARK_MILAN, ASK_MILAN, ASVK_MILAN),
  Genoa: decode(ARK_GENOA, ASK_GENOA, ASVK_GENOA),
  Turin: decode(ARK_TURIN, ASK_TURIN, ASVK_TURIN),
};

/** Intel SGX Root CA, DER: the only root of TDX evidence unless the caller names another. */
export const INTEL_ROOT: Uint8Array = onlyCertificate(INTEL_SGX_ROOT_CA);
