import type { CollateralText } from '../../attestation/endorsements/intel.js';
import type { Td15Extension, TdReport } from '../../attestation/evidence/td-report.js';
import { encodeTdxQuote, type TdxQuote } from '../../attestation/evidence/tdx-quote.js';
import {
  type Authority,
  type CertificateTemplate,
  type CrlTemplate,
  INTEL_SIGNING,
  type Issuer,
  issueCertificate,
} from '../../enclave/platform/simulator/certificates.js';
import {
  type CollateralTemplate,
  issueCollateral,
  simulatedCollateral,
} from '../../enclave/platform/simulator/collateral.js';
import {
  type IntelHierarchy,
  intelHierarchy,
  SIMULATED_PLATFORM,
  type SimulatedPlatform,
  sgxExtension,
} from '../../enclave/platform/simulator/intel.js';
import { cachedKeyPair } from '../../enclave/platform/simulator/keys.js';
import {
  attestationKeyPair,
  pckChain,
  type QuoteTemplate,
  signQuote,
  simulatedHeader,
  simulatedQeReport,
  simulatedTdReport,
} from '../../enclave/platform/simulator/tdx.js';
import { simulatorKeys } from '../vectors.js';

type Authorities = keyof IntelHierarchy;
type Members = Omit<TdxQuote, 'signedBytes'>;

/** Changes one certificate: its template, or who signs it. */
interface CertificateFault {
  readonly template?: (template: CertificateTemplate) => CertificateTemplate;
  readonly issuer?: (intel: IntelHierarchy) => Issuer;
}

/** What differs from a flawless platform; each member is one place where a fault can be. */
export interface IntelFault {
  /** Version of the quote; 4 unless given. */
  readonly version?: 4 | 5;
  /** Changes the TD report before it is signed. */
  readonly report?: (report: TdReport) => TdReport;
  /** Changes the quoting enclave's report before it is signed. */
  readonly qeReport?: Partial<QuoteTemplate['qeReport']>;
  readonly qeAuthenticationData?: Uint8Array;
  readonly padding?: number;
  /** Changes members of the quote after they are signed. */
  readonly members?: (members: Members) => Members;
  /** Changes the encoded quote. */
  readonly bytes?: (quote: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>;
  /** What the PCK certificate states. */
  readonly platform?: Partial<SimulatedPlatform>;
  readonly certificates?: { readonly [authority in Authorities]?: CertificateFault };
  /** Changes the documents before they are signed. */
  readonly tcbInfo?: (text: string) => string;
  readonly qeIdentity?: (text: string) => string;
  readonly rootCrl?: Partial<CrlTemplate>;
  readonly pckCrl?: Partial<CrlTemplate>;
  /** Who signs collateral; the hierarchy with the authorities in other places. */
  readonly signers?: (intel: IntelHierarchy) => IntelHierarchy;
  /** Changes members of the collateral after they are signed. */
  readonly collateral?: (collateral: CollateralText, intel: IntelHierarchy) => CollateralText;
  /** Hands the collateral over as a file. */
  readonly file?: (collateral: CollateralText) => string | Uint8Array;
  /** Roots that the verifier is told. */
  readonly roots?: (intel: IntelHierarchy) => readonly Uint8Array[];
}

export interface ForgedTdx {
  readonly quote: Uint8Array;
  readonly collateral: CollateralText | string | Uint8Array;
  readonly roots: readonly Uint8Array[];
}

let genuine: Promise<IntelHierarchy> | undefined;
let attestation: Promise<CryptoKeyPair> | undefined;

/** The Intel in the box. */
export function forgedIntel(): Promise<IntelHierarchy> {
  genuine ??= intelHierarchy(simulatorKeys);
  return genuine;
}

/** A key pair that is none of Intel's. */
export function strangerKey(kind: 'p-256' | 'p-384' = 'p-256'): Promise<CryptoKeyPair> {
  return cachedKeyPair(simulatorKeys, 'stranger', kind);
}

const PARENTS = {
  root: 'root',
  platformCa: 'root',
  tcbSigning: 'root',
  pck: 'platformCa',
} as const satisfies Record<Authorities, Authorities>;

/** Issues the faulty certificates anew, parents first, so that a parent's fault is its own only. */
async function hierarchyOf(intel: IntelHierarchy, fault: IntelFault): Promise<IntelHierarchy> {
  const reissue = async (name: Authorities, base: IntelHierarchy): Promise<Authority> => {
    const given = fault.certificates?.[name];
    const platform = name === 'pck' ? fault.platform : undefined;
    const authority = intel[name];
    const isNewParent = name !== 'root' && base[PARENTS[name]] !== intel[PARENTS[name]];
    if (given === undefined && platform === undefined && !isNewParent) return authority;
    const stated =
      platform === undefined
        ? authority.template
        : withExtension(
            authority.template,
            '1.2.840.113741.1.13.1',
            sgxExtension({ ...SIMULATED_PLATFORM, ...platform }),
          );
    const template = given?.template?.(stated) ?? stated;
    const own: Issuer = { ...authority.issuer, name: template.subject };
    const parent = name === 'root' ? own : base[PARENTS[name]].issuer;
    const der = await issueCertificate(template, given?.issuer?.(base) ?? parent);
    return { issuer: own, template, der };
  };
  const root = await reissue('root', intel);
  const first = { ...intel, root };
  const platformCa = await reissue('platformCa', first);
  const tcbSigning = await reissue('tcbSigning', first);
  const second = { ...first, platformCa, tcbSigning };
  return { ...second, pck: await reissue('pck', second) };
}

/** A template with one extension's value replaced. */
export function withExtension(
  template: CertificateTemplate,
  oid: string,
  value: Uint8Array,
): CertificateTemplate {
  const extensions = template.extensions.map((extension) =>
    extension.oid === oid ? { ...extension, value } : extension,
  );
  return { ...template, extensions };
}

/** The issuer that a stranger makes of himself under this name. */
export async function strangerIssuer(name: Issuer['name']): Promise<Issuer> {
  return { name, privateKey: (await strangerKey()).privateKey, signing: INTEL_SIGNING };
}

/** Gives a report the extended body of TD 1.5: no service TD, no device, about the TD itself. */
export const extended =
  (change: Partial<Td15Extension> = {}) =>
  (report: TdReport): TdReport => ({
    ...report,
    td15: {
      teeTcbSvn2: report.teeTcbSvn,
      mrServiceTd: new Uint8Array(48),
      extension: {
        vmId: 0,
        tdId: new Uint8Array(32).fill(0x1d),
        deviceInfo: new Uint8Array(48),
        initServiceTdHash: new Uint8Array(48),
        initServiceTdAttributes: new Uint8Array(8),
        initCpuSvn: new Uint8Array(16).fill(0x0c),
        initTeeTcbSvn: report.teeTcbSvn,
        initTeeFmspc: new Uint8Array(12).fill(0x0f),
        currentServiceTdHash: new Uint8Array(48),
        currentServiceTdAttributes: new Uint8Array(8),
        ...change,
      },
    },
  });

/** A quote and its collateral with one fault, everything else flawless. */
export async function forgeTdx(fault: IntelFault = {}): Promise<ForgedTdx> {
  const intel = await forgedIntel();
  attestation ??= attestationKeyPair();
  const hierarchy = await hierarchyOf(intel, fault);
  const version = fault.version ?? 4;
  const plain = simulatedTdReport(new Uint8Array(64), new Uint8Array(48));
  const base: TdReport =
    version === 4
      ? plain
      : {
          ...plain,
          td15: { teeTcbSvn2: plain.teeTcbSvn, mrServiceTd: new Uint8Array(48) },
        };
  const template: QuoteTemplate = {
    header: simulatedHeader(version),
    report: fault.report?.(base) ?? base,
    qeReport: { ...simulatedQeReport(), ...fault.qeReport },
    qeAuthenticationData: fault.qeAuthenticationData ?? new Uint8Array(32).fill(3),
    pckChain: pckChain(hierarchy),
    padding: fault.padding ?? 0,
  };
  const signed = await signQuote(template, await attestation, intel.pck.issuer.privateKey);
  const encoded = encodeTdxQuote(fault.members?.(signed) ?? signed);
  const documents = simulatedCollateral();
  const collateral: CollateralTemplate = {
    tcbInfo: fault.tcbInfo?.(documents.tcbInfo) ?? documents.tcbInfo,
    qeIdentity: fault.qeIdentity?.(documents.qeIdentity) ?? documents.qeIdentity,
    rootCrl: { ...documents.rootCrl, ...fault.rootCrl },
    pckCrl: { ...documents.pckCrl, ...fault.pckCrl },
  };
  const issued = await issueCollateral(fault.signers?.(hierarchy) ?? hierarchy, collateral);
  const supplied = fault.collateral?.(issued, hierarchy) ?? issued;
  return {
    quote: fault.bytes?.(encoded) ?? encoded,
    collateral: fault.file?.(supplied) ?? supplied,
    roots: fault.roots?.(hierarchy) ?? [hierarchy.root.der],
  };
}
