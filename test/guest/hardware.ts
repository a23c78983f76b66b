import { createPrivateKey, type KeyObject, sign } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';

/** Folder of the guest that holds what the host of the test wrote down. */
export const PLAYED = '/test';

/** The answer of the forged provider: an errno, or blobs. */
export interface Answer {
  readonly error: number;
  readonly report: Uint8Array;
  readonly auxiliary: Uint8Array;
}

function privateKey(name: string): KeyObject {
  const key = readFileSync(`${PLAYED}/${name}.pkcs8`);
  return createPrivateKey({ key, format: 'der', type: 'pkcs8' });
}

/** Report, with REPORT_DATA at 0x50 and coordinates little-endian in fields of 72 bytes from 0x2a0 on. */
function openSnp(): (data: Uint8Array) => Answer {
  const template = readFileSync(`${PLAYED}/report.bin`);
  const auxiliary = readFileSync(`${PLAYED}/auxiliary.bin`);
  const key = privateKey('vcek');
  return (data) => {
    const report = Buffer.from(template);
    report.set(data, 0x50);
    const raw = sign('sha384', report.subarray(0, 0x2a0), { key, dsaEncoding: 'ieee-p1363' });
    report.set(Buffer.from(raw.subarray(0, 48)).reverse(), 0x2a0);
    report.set(Buffer.from(raw.subarray(48)).reverse(), 0x2a0 + 72);
    return { error: 0, report, auxiliary };
  };
}

/** Quote of version 4: 48 bytes of header, 584 of body that end in REPORTDATA, then length and signature. */
function openTdx(): (data: Uint8Array) => Answer {
  const template = readFileSync(`${PLAYED}/quote.bin`);
  const key = privateKey('attestation');
  const signed = 48 + 584;
  return (data) => {
    const report = Buffer.from(template);
    report.set(data, signed - 64);
    const raw = sign('sha256', report.subarray(0, signed), { key, dsaEncoding: 'ieee-p1363' });
    report.set(raw, signed + 4);
    return { error: 0, report, auxiliary: new Uint8Array() };
  };
}

/**
 * Signs as the hardware of this launch would: a template with everything but the report data, and the
 * simulated vendor's key. Loads nothing else, so that the test's machine starts quickly.
 */
export function openHardware(): (data: Uint8Array) => Answer {
  return existsSync(`${PLAYED}/quote.bin`) ? openTdx() : openSnp();
}

/** How one request is answered, given what the hardware would say. */
export type Behaviour = (genuine: Answer) => Answer | Promise<Answer>;

/** What the scenarios change and count. */
export const played: { behaviours: Behaviour[]; requests: number } = {
  /** How the next requests are answered; genuinely once the list is empty. */
  behaviours: [],
  requests: 0,
};
