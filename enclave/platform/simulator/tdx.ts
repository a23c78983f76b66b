import { concat, equalBytes, fromHex, utf8 } from '../../../attestation/encoding/bytes.js';
import { AssayError } from '../../../attestation/encoding/error.js';
import { label, sha256, sha384 } from '../../../attestation/encoding/hash.js';
import { toPem } from '../../../attestation/encoding/pem.js';
import { ByteReader } from '../../../attestation/encoding/reader.js';
import {
  encodeQeReport,
  type QeReport,
  readQeReport,
} from '../../../attestation/evidence/qe-report.js';
import { extendRtmr } from '../../../attestation/evidence/replay.js';
import type { TdReport } from '../../../attestation/evidence/td-report.js';
import {
  encodeSignedBytes,
  encodeTdxQuote,
  type QuoteHeader,
} from '../../../attestation/evidence/tdx-quote.js';
import { assertReportData, type Platform } from '../platform.js';
import { assertExtension, unknownRtmr } from '../rtmr.js';
import { issueCollateral, simulatedCollateral, simulatedQeIdentity } from './collateral.js';
import { type IntelHierarchy, intelHierarchy, SIMULATED_PLATFORM } from './intel.js';

const SIGNING = { name: 'ECDSA', hash: 'SHA-256' } as const;
const digest = (what: string) => sha384(label(`simulated-${what}`));

/** A TD as it was launched: no debugging, no migration, nothing extended into RTMR3. */
export function simulatedTdReport(reportData: Uint8Array, mrConfigId: Uint8Array): TdReport {
  return {
    teeTcbSvn: fromHex('05010300000000000000000000000000'),
    mrSeam: digest('mrseam'),
    mrSignerSeam: new Uint8Array(48),
    seamAttributes: new Uint8Array(8),
    tdAttributes: fromHex('0000001000000000'),
    xfam: fromHex('e702060000000000'),
    mrTd: digest('mrtd'),
    mrConfigId,
    mrOwner: new Uint8Array(48),
    mrOwnerConfig: new Uint8Array(48),
    rtmrs: [digest('rtmr0'), digest('rtmr1'), digest('rtmr2'), new Uint8Array(48)],
    reportData,
    td15: undefined,
  };
}

/** The quoting enclave, as the simulator's QE identity describes it. */
export function simulatedQeReport(): Omit<QeReport, 'bytes' | 'reportData'> {
  const identity = simulatedQeIdentity();
  return {
    cpuSvn: fromHex(SIMULATED_PLATFORM.cpuSvn),
    miscSelect: new Uint8Array(4),
    attributes: fromHex('1500000000000000e700000000000000'),
    mrEnclave: sha256(label('simulated-qe')),
    mrSigner: fromHex(identity.mrsigner),
    isvProdId: identity.isvprodid,
    isvSvn: 5,
  };
}

/** What becomes a quote: everything but the signatures. */
export interface QuoteTemplate {
  readonly header: QuoteHeader;
  readonly report: TdReport;
  readonly qeReport: Omit<QeReport, 'bytes' | 'reportData'>;
  readonly qeAuthenticationData: Uint8Array;
  readonly pckChain: Uint8Array;
  readonly padding: number;
}

/** The quoting enclave's key pair; certified by the QE report of each quote. */
export async function attestationKeyPair(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
    'sign',
    'verify',
  ]);
}

async function sign(key: CryptoKey, bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.sign(SIGNING, key, new Uint8Array(bytes)));
}

/** The members of a quote, signed as the quoting enclave (attestation key) and the PCE (PCK) sign. */
export async function signQuote(
  template: QuoteTemplate,
  attestation: CryptoKeyPair,
  pck: CryptoKey,
): Promise<Parameters<typeof encodeTdxQuote>[0]> {
  const point = new Uint8Array(await crypto.subtle.exportKey('raw', attestation.publicKey));
  const attestationKey = point.slice(1);
  const bytes = encodeQeReport({
    ...template.qeReport,
    reportData: concat(sha256(attestationKey, template.qeAuthenticationData), new Uint8Array(32)),
  });
  return {
    ...template,
    signature: await sign(
      attestation.privateKey,
      encodeSignedBytes(template.header, template.report),
    ),
    attestationKey,
    qeReport: readQeReport(new ByteReader(bytes, 'TDX_QUOTE_FORMAT')),
    qeReportSignature: await sign(pck, bytes),
  };
}

/** Certification data of type 5: the PCK's chain, ended by a zero byte as Intel's library does. */
export function pckChain({ pck, platformCa, root }: IntelHierarchy): Uint8Array<ArrayBuffer> {
  const pem = [pck, platformCa, root].map(({ der }) => toPem(der, 'CERTIFICATE')).join('');
  return utf8(`${pem}\0`);
}

/** Header of a simulated quote. */
export function simulatedHeader(version: 4 | 5): QuoteHeader {
  return { version, qeSvn: 0, pceSvn: 0, userData: new Uint8Array(20) };
}

export interface TdxSimulatorOptions {
  /** MRCONFIGID, 48 bytes. */
  readonly mrConfigId: Uint8Array;
  /** Where keys and certificates are kept. */
  readonly directory: string;
}

/**
 * A TDX guest without hardware: version 4 quotes with the structure of genuine ones, signed under a
 * root that says SIMULATED, and RTMR3 to extend. Returns the root's DER beside the platform.
 */
export async function createTdxSimulator(
  options: TdxSimulatorOptions,
): Promise<{ readonly platform: Platform; readonly root: Uint8Array<ArrayBuffer> }> {
  const mrConfigId = new Uint8Array(options.mrConfigId);
  if (mrConfigId.length !== 48) {
    throw new AssayError(
      'PLATFORM_HOST_DATA',
      `expected 48 bytes of MRCONFIGID, not ${mrConfigId.length}`,
    );
  }
  const [hierarchy, attestation] = await Promise.all([
    intelHierarchy(options.directory),
    attestationKeyPair(),
  ]);
  const collateral = await issueCollateral(hierarchy, simulatedCollateral());
  const endorsements = utf8(JSON.stringify(collateral));
  const chain = pckChain(hierarchy);
  const launched = simulatedTdReport(new Uint8Array(64), mrConfigId);
  let rtmr3: Uint8Array = new Uint8Array(48);
  const attest = async (reportData: Uint8Array) => {
    assertReportData(reportData);
    const [rtmr0, rtmr1, rtmr2] = launched.rtmrs;
    const template: QuoteTemplate = {
      header: simulatedHeader(4),
      report: {
        ...launched,
        reportData: new Uint8Array(reportData),
        rtmrs: [rtmr0, rtmr1, rtmr2, rtmr3],
      },
      qeReport: simulatedQeReport(),
      qeAuthenticationData: Uint8Array.from({ length: 32 }, (_, i) => i),
      pckChain: chain,
      padding: 0,
    };
    const quote = await signQuote(template, attestation, hierarchy.pck.issuer.privateKey);
    return { report: encodeTdxQuote(quote), endorsements };
  };
  const platform: Platform = {
    tee: 'tdx',
    simulated: true,
    attest,
    launchBinding: async () => ({ configuration: new Uint8Array(mrConfigId) }),
    rtmr3: {
      read: async () => rtmr3,
      extend: async (held, digest) => {
        assertExtension(digest);
        if (!equalBytes(rtmr3, held)) throw unknownRtmr('it was extended by another');
        rtmr3 = extendRtmr(rtmr3, digest);
        return rtmr3;
      },
    },
  };
  return { platform, root: hierarchy.root.der };
}
