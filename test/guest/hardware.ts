import { createPrivateKey, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** Folder of the guest that holds what the host of the test wrote down. */
export const PLAYED = '/test';
const REPORT_DATA = 0x50;
const SIGNED = 0x2a0;
const COORDINATE = 48;
const FIELD = 72;

/** The answer of the forged provider: an errno, or blobs. */
export interface Answer {
  readonly error: number;
  readonly report: Uint8Array;
  readonly auxiliary: Uint8Array;
}

/**
 * Signs reports as the hardware of this launch would: a template with everything but REPORT_DATA, the
 * simulated chip's key, and its chain. Loads nothing else, so that the test's machine starts quickly.
 */
export function openHardware(): (data: Uint8Array) => Answer {
  const template = readFileSync(`${PLAYED}/report.bin`);
  const auxiliary = readFileSync(`${PLAYED}/auxiliary.bin`);
  const key = createPrivateKey({
    key: readFileSync(`${PLAYED}/vcek.pkcs8`),
    format: 'der',
    type: 'pkcs8',
  });
  return (data) => {
    const report = Buffer.from(template);
    report.set(data, REPORT_DATA);
    const signed = report.subarray(0, SIGNED);
    const raw = sign('sha384', signed, { key, dsaEncoding: 'ieee-p1363' });
    report.set(Buffer.from(raw.subarray(0, COORDINATE)).reverse(), SIGNED);
    report.set(Buffer.from(raw.subarray(COORDINATE)).reverse(), SIGNED + FIELD);
    return { error: 0, report, auxiliary };
  };
}

/** How one request is answered, given what the hardware would say. */
export type Behaviour = (genuine: Answer) => Answer | Promise<Answer>;

/** What the scenarios change and count. */
export const played: { behaviours: Behaviour[]; requests: number } = {
  /** How the next requests are answered; genuinely once the list is empty. */
  behaviours: [],
  requests: 0,
};
