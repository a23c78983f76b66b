import { join } from 'node:path';
import { concat } from '../../../attestation/encoding/bytes.js';
import { AssayError } from '../../../attestation/encoding/error.js';
import { label, sha384, sha512 } from '../../../attestation/encoding/hash.js';
import { encodeAuxblob } from '../../../attestation/evidence/auxblob.js';
import {
  type Cpuid,
  encodeTcb,
  type ProductLine,
  type TcbComponents,
  tcbLayout,
} from '../../../attestation/evidence/snp-fields.js';
import {
  encodeSnpReport,
  parseSnpReport,
  type SnpReport,
  signedBytes,
} from '../../../attestation/evidence/snp-report.js';
import { assertReportData, type Platform } from '../platform.js';
import { amdHierarchy, vekTemplate } from './amd.js';
import { issueCertificate } from './certificates.js';
import { cachedBytes, cachedKeyPair } from './keys.js';

/** Product lines that the simulator plays. */
export type SimulatedProduct = Exclude<ProductLine, 'Venice'>;

/** A chip of each line with the firmware of a genuine report of 2026. */
export const SIMULATED_CHIPS: Readonly<
  Record<
    SimulatedProduct,
    { readonly productName: string; readonly cpuid: Cpuid; readonly tcb: TcbComponents }
  >
> = {
  Milan: {
    productName: 'Milan-B0',
    cpuid: { family: 0x19, model: 0x01, stepping: 1 },
    tcb: { bootLoader: 4, tee: 0, snp: 24, microcode: 219 },
  },
  Genoa: {
    productName: 'Genoa',
    cpuid: { family: 0x19, model: 0x11, stepping: 1 },
    tcb: { bootLoader: 10, tee: 0, snp: 23, microcode: 84 },
  },
  Turin: {
    productName: 'Turin',
    cpuid: { family: 0x1a, model: 0x02, stepping: 1 },
    tcb: { fmc: 1, bootLoader: 1, tee: 1, snp: 4, microcode: 81 },
  },
};

/** MEASUREMENT of every simulated guest: no image was measured, so that there is one constant value. */
export const SIMULATED_MEASUREMENT: Uint8Array = sha384(label('simulated-measurement'));

/** CHIP_ID of the simulated chip of a product line: 64 bytes, 8 and zeros from Turin on. */
export function simulatedChipId(product: ProductLine): Uint8Array<ArrayBuffer> {
  const id = sha512(label(`simulated-chip-${product.toLowerCase()}`));
  if (tcbLayout(product).includes('fmc')) id.fill(0, 8);
  return id;
}

/** A report as a simulated guest gets it, before it is signed: nothing allowed that a policy forbids. */
export function simulatedReport(
  product: SimulatedProduct,
  version: SnpReport['version'],
  reportData: Uint8Array,
  hostData: Uint8Array,
): SnpReport {
  const { cpuid, tcb } = SIMULATED_CHIPS[product];
  const raw = encodeTcb(tcb, product);
  const firmware = { build: 40, minor: 55, major: 1 };
  return {
    version,
    guestSvn: 0,
    policy: 0x30000n,
    familyId: new Uint8Array(16),
    imageId: new Uint8Array(16),
    vmpl: 0,
    signatureAlgo: 1,
    currentTcb: raw,
    platformInfo: 0x25n,
    keyInfo: 0,
    reportData,
    measurement: SIMULATED_MEASUREMENT,
    hostData,
    idKeyDigest: new Uint8Array(48),
    authorKeyDigest: new Uint8Array(48),
    reportId: sha384(label('simulated-report-id')).subarray(0, 32),
    reportIdMa: new Uint8Array(32).fill(0xff),
    reportedTcb: raw,
    cpuid: version === 2 ? undefined : cpuid,
    chipId: simulatedChipId(product),
    committedTcb: raw,
    current: firmware,
    committed: firmware,
    launchTcb: raw,
    launchMitVector: version === 5 ? 0x3fn : undefined,
    currentMitVector: version === 5 ? 0x3fn : undefined,
    signature: new Uint8Array(96),
  };
}

/** Encodes a report and signs it as AMD's firmware does: ECDSA P-384 with SHA-384. */
async function signReport(
  report: SnpReport,
  privateKey: CryptoKey,
): Promise<Uint8Array<ArrayBuffer>> {
  const unsigned = encodeSnpReport(report);
  const signature = await crypto.subtle.sign(
    { name: 'ECDSA', hash: 'SHA-384' },
    privateKey,
    new Uint8Array(signedBytes(unsigned)),
  );
  return encodeSnpReport({ ...report, signature: new Uint8Array(signature) });
}

export interface SnpSimulatorOptions {
  /** 3 plays Milan, 5 plays Turin. */
  readonly reportVersion: 3 | 5;
  /** HOST_DATA, 32 bytes. */
  readonly hostData: Uint8Array;
  /** Where keys and certificates are kept. */
  readonly directory: string;
}

/**
 * An SEV-SNP guest without hardware: reports with the structure of genuine ones, signed by a VCEK
 * under a root that says SIMULATED. Returns the root's DER beside the platform.
 */
export async function createSnpSimulator(
  options: SnpSimulatorOptions,
): Promise<{ readonly platform: Platform; readonly root: Uint8Array<ArrayBuffer> }> {
  const { reportVersion, hostData, directory } = options;
  if (hostData.length !== 32) {
    throw new AssayError(
      'PLATFORM_HOST_DATA',
      `expected 32 bytes of HOST_DATA, not ${hostData.length}`,
    );
  }
  const product: SimulatedProduct = reportVersion === 5 ? 'Turin' : 'Milan';
  const [{ ark, ask, crl }, keys] = await Promise.all([
    amdHierarchy(directory, product),
    cachedKeyPair(directory, 'amd-vcek', 'p-384'),
  ]);
  const { productName, tcb } = SIMULATED_CHIPS[product];
  const hwid = simulatedChipId(product).subarray(0, product === 'Turin' ? 8 : 64);
  const vcek = await cachedBytes(join(directory, product), 'vcek.der', () =>
    issueCertificate(
      vekTemplate({ kind: 'VCEK', product, productName, tcb, hwid }, keys.publicKey),
      ask.issuer,
    ),
  );
  const endorsements = encodeAuxblob([
    { kind: 'vcek', data: vcek },
    { kind: 'ask', data: ask.der },
    { kind: 'ark', data: ark.der },
    { kind: 'crl', data: crl },
  ]);
  const attest = async (reportData: Uint8Array) => {
    assertReportData(reportData);
    const unsigned = simulatedReport(product, reportVersion, concat(reportData), concat(hostData));
    return { report: await signReport(unsigned, keys.privateKey), endorsements };
  };
  const platform: Platform = {
    tee: 'sev-snp',
    simulated: true,
    attest,
    launchBinding: async () => {
      const { report } = await attest(new Uint8Array(64));
      return { configuration: parseSnpReport(report).hostData };
    },
    rtmr3: undefined,
  };
  return { platform, root: ark.der };
}
