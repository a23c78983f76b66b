import { createHash } from 'node:crypto';
import { AssayError } from '../../attestation/encoding/error.js';
import { ByteReader } from '../../attestation/encoding/reader.js';

const PE32_PLUS = 0x20b;
const PE32 = 0x10b;
const SECTION_HEADER = 40;
const CERTIFICATE_TABLE = 4;

/** A section of a PE image as it stands in the file. */
export interface PeSection {
  readonly name: string;
  readonly virtualSize: number;
  /** Bytes in the file, padding included. */
  readonly data: Uint8Array;
}

interface PeLayout {
  readonly checksumAt: number;
  /** Entry of the certificate table in the data directory; undefined where it has none. */
  readonly certificateEntryAt: number | undefined;
  readonly certificateBytes: number;
  readonly headerBytes: number;
  readonly sections: readonly (PeSection & { readonly offset: number })[];
}

function fail(message: string): never {
  throw new AssayError('MEASUREMENT_PE', message);
}

/** Reads the headers that decide what counts (Microsoft PE format, "Optional header"). */
function readLayout(image: Uint8Array): PeLayout {
  const at = (offset: number): ByteReader => {
    if (offset > image.length) return fail('a PE header lies beyond the end of the file');
    return new ByteReader(image.subarray(offset), 'MEASUREMENT_PE');
  };
  const dos = at(0);
  if (dos.u16le('DOS signature') !== 0x5a4d) fail('expected a PE image: the file lacks "MZ"');
  const peAt = at(0x3c).u32le('offset of the PE header');
  const coff = at(peAt);
  if (coff.u32le('PE signature') !== 0x4550) fail('expected a PE image: the header lacks "PE"');
  coff.u16le('machine');
  const sectionCount = coff.u16le('number of sections');
  coff.bytes(12, 'symbol table');
  const optionalBytes = coff.u16le('size of the optional header');
  const optionalAt = peAt + 24;
  const magic = at(optionalAt).u16le('optional header magic');
  if (magic !== PE32 && magic !== PE32_PLUS) fail(`expected PE32 or PE32+, not ${magic}`);
  const directoriesAt = optionalAt + (magic === PE32 ? 92 : 108);
  const directories = at(directoriesAt).u32le('number of data directories');
  const certificateEntryAt =
    directories > CERTIFICATE_TABLE ? directoriesAt + 4 + 8 * CERTIFICATE_TABLE : undefined;
  const certificateBytes =
    certificateEntryAt === undefined ? 0 : at(certificateEntryAt + 4).u32le('certificate bytes');
  const headers = at(optionalAt + optionalBytes);
  const sections = Array.from({ length: sectionCount }, () => {
    const header = new ByteReader(
      headers.bytes(SECTION_HEADER, 'section header'),
      'MEASUREMENT_PE',
    );
    const name = Buffer.from(header.bytes(8, 'name')).toString('latin1').replace(/\0+$/, '');
    const virtualSize = header.u32le('virtual size');
    header.u32le('virtual address');
    const size = header.u32le('size of raw data');
    const offset = header.u32le('offset of raw data');
    if (offset + size > image.length) fail(`section ${name} reaches beyond the end of the file`);
    return { name, virtualSize, offset, data: image.subarray(offset, offset + size) };
  });
  return {
    checksumAt: optionalAt + 64,
    certificateEntryAt,
    certificateBytes,
    headerBytes: at(optionalAt + 60).u32le('size of headers'),
    sections,
  };
}

/** Sections in the order of their headers. */
export function peSections(image: Uint8Array): readonly PeSection[] {
  return readLayout(image).sections;
}

/**
 * Authenticode SHA-384 of a PE image, as UEFI firmware measures what it loads: everything but the
 * checksum, the certificate table and its directory entry (Microsoft, "Windows Authenticode Portable
 * Executable Signature Format", "Calculating the PE Image Hash").
 */
export function authenticodeSha384(image: Uint8Array): Uint8Array {
  const layout = readLayout(image);
  const { checksumAt, certificateEntryAt, certificateBytes, headerBytes } = layout;
  if (headerBytes > image.length) fail('the headers are longer than the file');
  const inFileOrder = [...layout.sections].sort((a, b) => a.offset - b.offset);
  const hashed = inFileOrder.reduce((sum, { data }) => sum + data.length, headerBytes);
  const end = image.length - certificateBytes;
  // Before anything is hashed: thousands of sections that share their bytes would take hours.
  if (end < hashed) fail('headers, sections and certificate table are longer than the file');
  const hash = createHash('sha384').update(image.subarray(0, checksumAt));
  if (certificateEntryAt === undefined) {
    hash.update(image.subarray(checksumAt + 4, headerBytes));
  } else {
    hash.update(image.subarray(checksumAt + 4, certificateEntryAt));
    hash.update(image.subarray(certificateEntryAt + 8, headerBytes));
  }
  for (const { data } of inFileOrder) hash.update(data);
  return new Uint8Array(hash.update(image.subarray(hashed, end)).digest());
}
