import { authenticodeSha384, peSections } from '../../enclave/measurement/authenticode.js';
import { parseFirmware } from '../../enclave/measurement/firmware.js';
import { mrtd } from '../../enclave/measurement/mrtd.js';
import { readSevMetadata } from '../../enclave/measurement/snp-firmware.js';
import { readUki } from '../../enclave/measurement/systemd-stub.js';
import { AMD_SEV_2023, forgeOvmf } from '../forge/ovmf.js';
import { forgePe } from '../forge/pe.js';
import { fuzz } from './harness.js';

/** Firmware is whole pages: what mutates is the page that describes the rest. */
const whole = (bytes: Uint8Array): Uint8Array => {
  const image = new Uint8Array(4096);
  image.set(bytes.subarray(-4096), 4096 - Math.min(4096, bytes.length));
  return image;
};

fuzz({
  name: 'firmware for SEV-SNP',
  seeds: [forgeOvmf(AMD_SEV_2023).subarray(-0x700)],
  decode: (bytes) => {
    readSevMetadata(parseFirmware(whole(bytes)));
    return undefined;
  },
});

const tdvf = [{ dataOffset: 0, dataSize: 0x1000, address: 0xffff_f000n, size: 0x1000n }];

fuzz({
  name: 'firmware for TDX',
  seeds: [
    forgeOvmf({ tdvf: tdvf.map((section) => ({ ...section, type: 0, attributes: 1 })) }),
    forgeOvmf({ tdvf: tdvf.map((section) => ({ ...section, type: 1, attributes: 0 })) }),
  ].map((image) => image.subarray(-0xb00)),
  decode: (bytes) => {
    mrtd(parseFirmware(whole(bytes)));
    return undefined;
  },
});

fuzz({
  name: 'PE images',
  seeds: [
    forgePe([
      ['.text', new Uint8Array(600)],
      ['.linux', Uint8Array.of(1)],
    ]).bytes,
  ],
  decode: (bytes) => {
    peSections(bytes);
    authenticodeSha384(bytes);
    return undefined;
  },
});

fuzz({
  name: 'unified kernel images',
  seeds: [
    forgePe([
      ['.linux', Uint8Array.of(1)],
      ['.cmdline', Buffer.from(' quiet\n')],
      ['.initrd', Uint8Array.of(2)],
      ['.osrel', Buffer.from('ID=x')],
    ]).bytes,
  ],
  decode: (bytes) => {
    readUki(bytes);
    return undefined;
  },
});
