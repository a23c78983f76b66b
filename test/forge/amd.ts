import type { SnpEndorsements } from '../../attestation/appraisal/authenticate-snp.js';
import type { VekKind } from '../../attestation/endorsements/amd-extensions.js';
import {
  encodeSnpReport,
  type SnpReport,
  signedBytes,
} from '../../attestation/evidence/snp-report.js';
import {
  type AmdHierarchy,
  amdHierarchy,
  vekTemplate,
} from '../../enclave/platform/simulator/amd.js';
import {
  type Authority,
  type CertificateTemplate,
  type CrlTemplate,
  type DistinguishedName,
  type Issuer,
  issueCertificate,
  issueCrl,
  SIMULATED_DATES,
} from '../../enclave/platform/simulator/certificates.js';
import { cachedKeyPair } from '../../enclave/platform/simulator/keys.js';
import {
  SIMULATED_CHIPS,
  type SimulatedProduct,
  simulatedChipId,
  simulatedReport,
} from '../../enclave/platform/simulator/snp.js';
import { simulatorKeys } from '../vectors.js';

/** What differs from a flawless machine; each member is one place where a fault can be. */
export interface AmdFault {
  readonly product?: SimulatedProduct;
  readonly version?: SnpReport['version'];
  readonly kind?: VekKind;
  /** Leaves SIMULATED out of every name, for verifiers that know AMD's names only. */
  readonly genuineNames?: boolean;
  /** Changes fields before the report is signed. */
  readonly report?: Partial<SnpReport>;
  /** Changes the encoded report before it is signed. */
  readonly bytes?: (report: Uint8Array) => void;
  /** Changes the report after it is signed. */
  readonly signed?: (report: Uint8Array) => Uint8Array;
  readonly vek?: (template: CertificateTemplate) => CertificateTemplate;
  readonly vekIssuer?: (issuer: Issuer, amd: AmdHierarchy) => Issuer | Promise<Issuer>;
  readonly ask?: (template: CertificateTemplate) => CertificateTemplate;
  readonly askIssuer?: (issuer: Issuer, amd: AmdHierarchy) => Issuer | Promise<Issuer>;
  readonly ark?: (template: CertificateTemplate) => CertificateTemplate;
  readonly arkIssuer?: (issuer: Issuer, amd: AmdHierarchy) => Issuer | Promise<Issuer>;
  readonly crl?: (template: CrlTemplate) => CrlTemplate;
  readonly crlIssuer?: (issuer: Issuer, amd: AmdHierarchy) => Issuer | Promise<Issuer>;
  /** Changes what is handed to the verifier: VEK, ASK or ASVK, ARK in this order; lists; roots. */
  readonly supply?: (forged: ForgedSnp, amd: AmdHierarchy) => ForgedSnp;
}

export interface ForgedSnp {
  readonly report: Uint8Array;
  readonly endorsements: SnpEndorsements;
  readonly roots: readonly Uint8Array[];
}

const hierarchies = new Map<string, Promise<AmdHierarchy>>();

/** The AMD in the box for a product line. */
export function forgedAmd(product: SimulatedProduct): Promise<AmdHierarchy> {
  const known = hierarchies.get(product) ?? amdHierarchy(simulatorKeys, product);
  hierarchies.set(product, known);
  return known;
}

/** A key pair of the chip, or another one by another name. */
export function forgedKey(name: string, kind: 'p-256' | 'p-384' = 'p-384'): Promise<CryptoKeyPair> {
  return cachedKeyPair(simulatorKeys, name, kind);
}

/** The private key again, for another algorithm: a forgery of signature parameters. */
export async function keyFor(
  privateKey: CryptoKey,
  algorithm: { readonly name: string; readonly hash: string },
): Promise<CryptoKey> {
  const pkcs8 = await crypto.subtle.exportKey('pkcs8', privateKey);
  return crypto.subtle.importKey('pkcs8', pkcs8, algorithm, true, ['sign']);
}

const asIs = <T>(value: T): T => value;

/** The name without the simulator's suffix. */
function genuine(name: DistinguishedName): DistinguishedName {
  return name.map((item) =>
    Object.fromEntries(
      Object.entries(item).map(([type, values]) => [
        type,
        values.map((value) =>
          typeof value === 'string' ? value.replace(/ SIMULATED.*$/, '') : value,
        ),
      ]),
    ),
  );
}

function issue(
  template: CertificateTemplate,
  issuer: Issuer,
  fault: AmdFault,
): Promise<Uint8Array<ArrayBuffer>> {
  if (fault.genuineNames !== true) return issueCertificate(template, issuer);
  return issueCertificate(
    { ...template, subject: genuine(template.subject) },
    { ...issuer, name: genuine(issuer.name) },
  );
}

async function reissue(
  authority: Authority,
  role: 'ark' | 'ask',
  fault: AmdFault,
  amd: AmdHierarchy,
): Promise<Uint8Array<ArrayBuffer>> {
  const [change, issuer] = [fault[role], fault[`${role}Issuer`]];
  const flawed = change !== undefined || issuer !== undefined;
  if (!flawed && fault.genuineNames !== true) return authority.der;
  const make = async (): Promise<Uint8Array<ArrayBuffer>> => {
    const signer = await (issuer ?? asIs)(amd.ark.issuer, amd);
    return issue((change ?? asIs)(authority.template), signer, fault);
  };
  if (flawed) return make();
  return once(`${amd.product} ${authority.template.serialNumber} genuine`, make);
}

/** Certificates of flawless chips, so that only what is faulty is signed anew. */
const flawless = new Map<string, Promise<Uint8Array<ArrayBuffer>>>();

function once(
  key: string,
  make: () => Promise<Uint8Array<ArrayBuffer>>,
): Promise<Uint8Array<ArrayBuffer>> {
  const known = flawless.get(key) ?? make();
  flawless.set(key, known);
  return known;
}

async function forgeVek(
  fault: AmdFault,
  product: SimulatedProduct,
  kind: VekKind,
  amd: AmdHierarchy,
  authority: Authority,
): Promise<Uint8Array<ArrayBuffer>> {
  const make = async (): Promise<Uint8Array<ArrayBuffer>> => {
    const { productName, tcb } = SIMULATED_CHIPS[product];
    const { publicKey } = await forgedKey('amd-vcek');
    const common = { product, tcb };
    const hwid = simulatedChipId(product).subarray(0, product === 'Turin' ? 8 : 64);
    const template = vekTemplate(
      kind === 'VCEK'
        ? { ...common, kind, productName, hwid }
        : { ...common, kind, productName: product, cspId: 'CN=cc.example' },
      publicKey,
    );
    const issuer = await (fault.vekIssuer ?? asIs)(authority.issuer, amd);
    return issue((fault.vek ?? asIs)(template), issuer, fault);
  };
  if (fault.vek !== undefined || fault.vekIssuer !== undefined) return make();
  return once(`${product} ${kind} ${fault.genuineNames === true}`, make);
}

/**
 * Evidence with the given fault and no other: everything that the fault does not touch is as AMD
 * would have it, and everything is signed after it was changed.
 */
export async function forgeSnp(fault: AmdFault = {}): Promise<ForgedSnp> {
  const { product = 'Milan', kind = 'VCEK' } = fault;
  const version = fault.version ?? (product === 'Turin' ? 5 : 3);
  const amd = await forgedAmd(product);
  const authority = kind === 'VCEK' ? amd.ask : amd.asvk;
  const flawlessReport = simulatedReport(product, version, new Uint8Array(64), new Uint8Array(32));
  const bytes = encodeSnpReport({
    ...flawlessReport,
    keyInfo: kind === 'VLEK' ? 4 : 0,
    ...fault.report,
  });
  fault.bytes?.(bytes);
  const { privateKey } = await forgedKey('amd-vcek');
  const signature = new Uint8Array(
    await crypto.subtle.sign(
      { name: 'ECDSA', hash: 'SHA-384' },
      privateKey,
      new Uint8Array(signedBytes(bytes)),
    ),
  );
  bytes.set(signature.slice(0, 48).toReversed(), 0x2a0);
  bytes.set(signature.slice(48).toReversed(), 0x2e8);
  const [vek, ask, ark, crl] = await Promise.all([
    forgeVek(fault, product, kind, amd, authority),
    reissue(authority, 'ask', fault, amd),
    reissue(amd.ark, 'ark', fault, amd),
    forgeCrl(fault, amd),
  ]);
  const forged = {
    report: (fault.signed ?? asIs)(bytes),
    endorsements: { certificates: [vek, ask, ark], crls: [crl] },
    roots: [ark],
  };
  return fault.supply === undefined ? forged : fault.supply(forged, amd);
}

async function forgeCrl(fault: AmdFault, amd: AmdHierarchy): Promise<Uint8Array> {
  const flawed = fault.crl !== undefined || fault.crlIssuer !== undefined;
  if (!flawed && fault.genuineNames !== true) return amd.crl;
  const template: CrlTemplate = {
    thisUpdate: SIMULATED_DATES.notBefore,
    nextUpdate: SIMULATED_DATES.notAfter,
    revoked: [],
  };
  const issuer = await (fault.crlIssuer ?? asIs)(amd.ark.issuer, amd);
  const named = fault.genuineNames === true ? { ...issuer, name: genuine(issuer.name) } : issuer;
  return issueCrl((fault.crl ?? asIs)(template), named);
}
