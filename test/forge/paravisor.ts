import { concat, equalBytes, toHex, utf8 } from '../../attestation/encoding/bytes.js';
import { ByteReader } from '../../attestation/encoding/reader.js';
import { paravisorReportData } from '../../attestation/evidence/runtime-claims.js';
import type { AzureHost } from '../../enclave/platform/azure-imds.js';
import type { Platform } from '../../enclave/platform/platform.js';
import type { Tpm } from '../../enclave/platform/tpm/device.js';
import { NvIndices } from '../../enclave/platform/tpm/nv.js';
import { hclReport } from './hcl.js';

export const REPORT_INDEX = 0x01400001;
export const USER_DATA_INDEX = 0x01400002;
/** Azure's own size of the report's index; swtpm has none larger than 2048. */
const REPORT_SIZE = 2600;
/** All that the paravisor needs of the hardware. */
type Hardware = Pick<Platform, 'tee' | 'attest'>;
const NV_READ = 0x14e;

/** The runtime claims of a genuine report of Azure, with other keys. */
export function runtimeClaims(userData: string): string {
  return JSON.stringify({
    keys: [{ kid: 'HCLAkPub', key_ops: ['sign'], kty: 'RSA', e: 'AQAB', n: 'AQ' }],
    'vm-configuration': { 'console-enabled': true, 'secure-boot': true, 'tpm-enabled': true },
    'user-data': userData,
  });
}

/**
 * Azure's paravisor in front of a TPM: when the beginning of the report's index is read, it first has the
 * hardware report on the guest's 64 bytes, unless it did so less than two seconds ago (OpenHCL,
 * `tpm_device`, refresh_device_attestation_data_on_nv_read).
 */
export class Paravisor {
  readonly #hardware: Hardware;
  readonly #inner: Tpm;
  readonly #size: number;
  #stated: Uint8Array = new Uint8Array(64);
  /** Reads of the beginning that come too early to renew; all later ones renew. */
  skip = 0;
  renewals = 0;
  /** Changes the claims before the hardware signs them. */
  claims: (userData: Uint8Array) => string = (userData) => runtimeClaims(toHex(userData));

  constructor(hardware: Hardware, inner: Tpm, size = REPORT_SIZE) {
    this.#hardware = hardware;
    this.#inner = inner;
    this.#size = size;
  }

  /** Makes the first report, over zeros, as at boot. */
  async start(): Promise<void> {
    await this.#renew(new Uint8Array(64));
  }

  async #renew(userData: Uint8Array): Promise<void> {
    this.#stated = userData;
    const claims = this.claims(userData);
    const { report } = await this.#hardware.attest(paravisorReportData(utf8(claims)));
    const type = this.#hardware.tee === 'tdx' ? 4 : 2;
    const trailing = new Uint8Array();
    const area = type === 4 ? new Uint8Array(1024) : report;
    const blob = hclReport(area, claims, { type, trailing });
    await new NvIndices(this.#inner).write(
      REPORT_INDEX,
      concat(blob, new Uint8Array(this.#size - blob.length)),
    );
    this.renewals += 1;
  }

  /** Zeros where the guest has written nothing, or has only made the index. */
  async #userData(): Promise<Uint8Array> {
    const nv = new NvIndices(this.#inner);
    const size = await nv.size(USER_DATA_INDEX);
    const nothing = new Uint8Array(64);
    return size === undefined ? nothing : nv.read(USER_DATA_INDEX).catch(() => nothing);
  }

  /**
   * Renews once if the guest's data is not what the last report was made for: for a paravisor that sees
   * no commands pass, and so is always late.
   */
  async keepUp(): Promise<void> {
    const userData = await this.#userData();
    if (!equalBytes(userData, this.#stated)) await this.#renew(userData);
  }

  readonly tpm: Tpm = {
    transact: async (command) => {
      if (!startsReading(command)) return this.#inner.transact(command);
      if (this.skip > 0) this.skip -= 1;
      else await this.#renew(await this.#userData());
      return this.#inner.transact(command);
    },
    close: () => this.#inner.close(),
  };

  /** What the host's services answer: the quoting enclave's quote, the chip's certificates. */
  readonly host: AzureHost = {
    quote: async (tdReport) => (await this.#hardware.attest(tdReport.subarray(128, 192))).report,
    certificates: async () =>
      (await this.#hardware.attest(new Uint8Array(64))).endorsements ?? new Uint8Array(),
  };
}

/** Whether this is TPM2_NV_Read of the report's index from its beginning. */
function startsReading(command: Uint8Array): boolean {
  const reader = new ByteReader(command, 'PLATFORM_TPM');
  reader.u16be('tag');
  reader.u32be('size');
  if (reader.u32be('code') !== NV_READ) return false;
  reader.u32be('owner');
  if (reader.u32be('index') !== REPORT_INDEX) return false;
  reader.bytes(reader.u32be('authorisation size'), 'authorisation');
  reader.u16be('size');
  return reader.u16be('offset') === 0;
}
