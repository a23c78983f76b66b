import { AssayError } from '../../attestation/encoding/error.js';
import type { Tee } from '../../attestation/evidence/bundle.js';

/** What one call of the hardware's (or the simulator's) attestation interface returns. */
export interface HardwareEvidence {
  /** SEV-SNP attestation report, or TDX quote. */
  readonly report: Uint8Array;
  /**
   * What the host or the simulator supplies to verify it, as it came: SNP the kernel's auxblob table
   * (VCEK or VLEK, ASK, ARK, CRL); TDX the Intel PCS collateral as JSON. Untrusted; may be absent.
   */
  readonly endorsements: Uint8Array | undefined;
  /** Azure: the paravisor's JSON, which the report covers and which holds the report data. */
  readonly runtimeClaims?: Uint8Array;
}

/** Fields that the host sets at launch and the hardware reports. */
export interface LaunchBinding {
  /** HOST_DATA (SNP, 32 bytes) or MRCONFIGID (TDX, 48 bytes). */
  readonly configuration: Uint8Array;
}

/** RTMR3 of a TD: 48 bytes that software of the guest may extend, and nothing but a reboot of the guest resets. */
export interface RuntimeRegister {
  /** What it holds. Rejects with PLATFORM_*. */
  read(): Promise<Uint8Array>;
  /**
   * Extends it with a SHA-384 digest, and resolves with what it holds then.
   * @param held what it has to hold before. Rejects with PLATFORM_RTMR_UNKNOWN where it holds something else,
   *   or may; after any other error it holds this still.
   */
  extend(held: Uint8Array, digest: Uint8Array): Promise<Uint8Array>;
}

/** One driver for each kind of attestation interface: configfs-tsm, azure-vtpm, simulator. */
export interface Platform {
  readonly tee: Tee;
  /** True for evidence that no hardware signed. */
  readonly simulated: boolean;
  /** Evidence over 64 bytes of report data. Single flight: callers may overlap, the driver queues. */
  attest(reportData: Uint8Array): Promise<HardwareEvidence>;
  /** Reads the enclave's own report for what was pinned at launch. */
  launchBinding(): Promise<LaunchBinding>;
  /** Undefined where the platform has no run-time registers (SNP, or a kernel without the interface). */
  readonly rtmr3: RuntimeRegister | undefined;
}

/** A driver of this machine's hardware; `close` gives back what it holds, or rejects with PLATFORM_*. */
export interface HardwarePlatform extends Platform {
  close(): Promise<void>;
}

/** REPORT_DATA (SNP) and REPORTDATA (TDX). The kernel's providers accept no other length. */
const REPORT_DATA = 64;

/** Throws PLATFORM_REPORT_DATA unless these are 64 bytes. */
export function assertReportData({ length }: Uint8Array): void {
  if (length === REPORT_DATA) return;
  throw new AssayError(
    'PLATFORM_REPORT_DATA',
    `expected ${REPORT_DATA} bytes of report data, not ${length}`,
  );
}
