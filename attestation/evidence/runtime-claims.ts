import { concat, fromHex } from '../encoding/bytes.js';
import { sha256 } from '../encoding/hash.js';
import { JsonFields, parseStrictJson } from '../encoding/json.js';

/** Length of the guest's own part of the runtime claims, bytes. */
const USER_DATA_SIZE = 64;

/** REPORT_DATA (SNP) or REPORTDATA (TDX) under Azure's paravisor: SHA-256 of its claims, then zeros. */
export function paravisorReportData(claims: Uint8Array): Uint8Array<ArrayBuffer> {
  return concat(sha256(claims), new Uint8Array(32));
}

/**
 * What the guest itself had the paravisor state: `user-data` of the runtime claims, 64 bytes
 * (Microsoft, "Azure confidential VM guest attestation", runtime claims; OpenHCL, `igvm_attest/get.rs`).
 * All else in the claims is the paravisor's: the vTPM's keys, and the configuration that the host gave.
 * Undefined where the paravisor states none. Throws HCL_CLAIMS.
 */
export function userDataOf(claims: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  const what = 'the runtime claims';
  const fields = new JsonFields(parseStrictJson(claims, what, 'HCL_CLAIMS'), what, 'HCL_CLAIMS');
  return fields.has('user-data') ? fromHex(fields.hex('user-data', USER_DATA_SIZE)) : undefined;
}
