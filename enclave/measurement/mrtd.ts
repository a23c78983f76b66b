import { createHash } from 'node:crypto';
import type { Firmware } from './firmware.js';
import { readTdvfSections } from './tdx-firmware.js';

const PAGE = 4096;
const CHUNK = 256;

/**
 * MRTD (48 bytes): SHA-384 over one 128-byte record for every page that the host adds, and, for
 * pages whose contents count, one record and the bytes for every 256 of them (Intel TDX module ABI,
 * TDH.MEM.PAGE.ADD and TDH.MR.EXTEND). Linux adds and extends page by page, in the order of the TDVF
 * sections; another order of the same calls gives another MRTD.
 */
export function mrtd(firmware: Firmware): Uint8Array {
  const hash = createHash('sha384');
  for (const section of readTdvfSections(firmware)) {
    for (let at = 0; at < Number(section.size); at += PAGE) {
      const address = section.address + BigInt(at);
      if (!section.augmented) hash.update(operation('MEM.PAGE.ADD', address));
      if (!section.measured) continue;
      for (let chunk = 0; chunk < PAGE; chunk += CHUNK) {
        hash.update(operation('MR.EXTEND', address + BigInt(chunk)));
        hash.update(section.data.subarray(at + chunk, at + chunk + CHUNK));
      }
    }
  }
  return new Uint8Array(hash.digest());
}

function operation(name: string, address: bigint): Buffer {
  const record = Buffer.alloc(128);
  record.write(name, 0, 'latin1');
  record.writeBigUInt64LE(address, 16);
  return record;
}
