import { fromHex, utf8 } from '../encoding/bytes.js';
import { type CertificateRevocationList, parseCrl } from '../encoding/crl.js';
import { AssayError } from '../encoding/error.js';
import { type P256, webCryptoP256 } from '../encoding/p256.js';
import { crlBytes, parsePemChain } from '../endorsements/intel.js';
import type { CollateralPart } from '../endorsements/intel-pcs.js';
import type { AuthenticateTdxOptions } from './authenticate-tdx.js';
import { requireSignatures, subjectP256, verifyWith } from './signatures.js';
import {
  type CheckedChain,
  checkChain,
  checkCrlIssuer,
  PCK_CA,
  type Role,
  TCB_SIGNING,
} from './tdx-chain.js';
import { intelRoots, type TrustedRoots } from './trust.js';

type DocumentPart = Extract<
  CollateralPart,
  { readonly tcb_info: string } | { readonly qe_identity: string }
>;

/** A document of Intel's, as it is signed, with its issuer chain. */
interface SignedText {
  readonly what: string;
  readonly chain: string;
  readonly text: string;
  readonly signature: string;
}

function documentOf(part: DocumentPart): SignedText {
  if ('tcb_info' in part) {
    const { tcb_info_issuer_chain: chain, tcb_info: text, tcb_info_signature: signature } = part;
    return { what: 'TCB info', chain, text, signature };
  }
  const { qe_identity_issuer_chain: chain, qe_identity: text } = part;
  return { what: 'QE identity', chain, text, signature: part.qe_identity_signature };
}

/** Throws unless one of the roots signed the list; two simulators' roots may have one name. */
async function requireRootCrl(
  list: CertificateRevocationList,
  { certificates }: TrustedRoots,
  p256: P256,
): Promise<void> {
  let failure = new AssayError('COLLATERAL_CRL_ISSUER', 'no root is trusted');
  for (const root of certificates) {
    try {
      return await requireSignatures([checkCrlIssuer(list, root, 'root CA CRL', p256)]);
    } catch (error) {
      if (!(error instanceof AssayError)) throw error;
      failure = error;
    }
  }
  throw failure;
}

/**
 * Throws unless a trusted root stands behind a part of collateral: its issuer chain holds at that time, and it
 * is signed. Its own dates, revocation, and what it says are for `authenticateTdx`.
 * @throws AssayError COLLATERAL_*, TDX_*, X509_* or CRL_*.
 */
export async function authenticateCollateralPart(
  part: CollateralPart,
  { at, roots, p256 = webCryptoP256 }: AuthenticateTdxOptions,
): Promise<void> {
  const trusted = intelRoots(roots);
  const chainOf = (pem: string, what: string, role: Role): CheckedChain =>
    checkChain(parsePemChain(pem, what, trusted.certificates), [role], trusted, { at, p256 });
  if ('tcb_info' in part || 'qe_identity' in part) {
    const document = documentOf(part);
    const { what, text, signature } = document;
    const chain = chainOf(document.chain, `the issuer chain of the ${what}`, TCB_SIGNING);
    const holds = verifyWith(subjectP256(chain.leaf, p256), fromHex(signature), utf8(text));
    const error = () =>
      new AssayError('COLLATERAL_SIGNATURE', `the ${what} is not signed by its issuer chain`);
    return requireSignatures([...chain.pending, { holds, error }]);
  }
  if ('pck_crl' in part) {
    const list = parseCrl(crlBytes(part.pck_crl, 'pck_crl'));
    const chain = chainOf(part.pck_crl_issuer_chain, 'the issuer chain of the PCK CRL', PCK_CA);
    const signature = checkCrlIssuer(list, chain.leaf, 'PCK CRL', p256);
    return requireSignatures([...chain.pending, signature]);
  }
  await requireRootCrl(parseCrl(crlBytes(part.root_ca_crl, 'root_ca_crl')), trusted, p256);
}
