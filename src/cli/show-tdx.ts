import type { Command } from 'commander';
import { byteText, isZero, toHex } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { parsePemChain } from '../../attestation/endorsements/intel.js';
import { pckPlatform } from '../../attestation/endorsements/pck.js';
import { type Td15Extension, tdReportKind } from '../../attestation/evidence/td-report.js';
import { bitField, namedAttributes, TUD } from '../../attestation/evidence/tdx-fields.js';
import { parseTdxQuote, type TdxQuote } from '../../attestation/evidence/tdx-quote.js';
import { bundleOf } from './bundle-input.js';
import { readInput } from './input-files.js';
import type { Io } from './io.js';
import { examples, group } from './options.js';
import { table } from './output.js';

/** A field of the quote: what it says, and what that means. */
interface Field {
  readonly part: 'header' | 'TD report' | 'signature' | 'QE report' | 'PCK certificate';
  readonly name: string;
  readonly value: string;
  readonly meaning: string;
}

function bytes(part: Field['part'], name: string, value: Uint8Array, meaning: string): Field {
  const zero = value.length > 0 && isZero(value);
  return { part, name, value: toHex(value), meaning: zero ? `${meaning}; zero` : meaning };
}

function attributes(value: Uint8Array): string {
  const names = Object.entries(namedAttributes(value)).flatMap(([name, on]) => (on ? [name] : []));
  const named = names.length === 0 ? 'no bit with a name is set' : names.join(', ');
  const tud = bitField(value) & TUD;
  return tud === 0n ? named : `${named}; under debug: TUD (bits 7:0) is 0x${tud.toString(16)}`;
}

function extensionFields(extension: Td15Extension | undefined): Field[] {
  if (extension === undefined) return [];
  const field = (name: string, value: Uint8Array, meaning: string): Field =>
    bytes('TD report', name, value, meaning);
  return [
    field('VMID', Uint8Array.of(extension.vmId), 'VM within the guest; zero is the guest itself'),
    field('TD_ID', extension.tdId, 'names the guest from its launch on'),
    field('DEVINFO', extension.deviceInfo, 'devices bound to the guest'),
    field('INIT_SERVTD_HASH', extension.initServiceTdHash, 'service TDs at creation'),
    field('INIT_SERVTD_ATTR', extension.initServiceTdAttributes, 'their attributes'),
    field('INIT_CPUSVN', extension.initCpuSvn, 'of the platform at creation'),
    field('INIT_TEE_TCB_SVN', extension.initTeeTcbSvn, 'TDX module at creation'),
    field('INIT_TEE_FMSPC', extension.initTeeFmspc, 'kind of platform at creation'),
    field('CUR_SERVTD_HASH', extension.currentServiceTdHash, 'service TDs bound now'),
    field('CUR_SERVTD_ATTR', extension.currentServiceTdAttributes, 'their attributes'),
  ];
}

function reportFields({ report }: TdxQuote): Field[] {
  const [isvSvn = 0, version = 0] = report.teeTcbSvn;
  const field = (name: string, value: Uint8Array, meaning: string): Field =>
    bytes('TD report', name, value, meaning);
  const registers = [
    'firmware configuration, ACPI, memory map',
    'kernel or unified kernel image',
    'command line, initrd',
    'what the running software extended',
  ];
  return [
    field('TEE_TCB_SVN', report.teeTcbSvn, `TDX module ${version}.x of ISVSVN ${isvSvn} at launch`),
    field('MRSEAM', report.mrSeam, 'TDX module'),
    field('MRSIGNERSEAM', report.mrSignerSeam, "TDX module's signer; zero is Intel"),
    field('SEAMATTRIBUTES', report.seamAttributes, 'TDX module; must be zero'),
    field('TDATTRIBUTES', report.tdAttributes, attributes(report.tdAttributes)),
    field('XFAM', report.xfam, 'extended processor features of the guest'),
    field('MRTD', report.mrTd, 'the guest as it was built: its firmware'),
    field('MRCONFIGID', report.mrConfigId, 'set by the host at launch: configuration'),
    field('MROWNER', report.mrOwner, 'set by the host at launch: owner'),
    field(
      'MROWNERCONFIG',
      report.mrOwnerConfig,
      "set by the host at launch: owner's configuration",
    ),
    ...report.rtmrs.map((rtmr, i) => field(`RTMR${i}`, rtmr, registers[i] ?? '')),
    field('REPORTDATA', report.reportData, 'what the guest asked to be signed'),
    ...(report.td15 === undefined
      ? []
      : [
          field('TEE_TCB_SVN2', report.td15.teeTcbSvn2, 'TDX module that is loaded now'),
          field('MRSERVICETD', report.td15.mrServiceTd, 'service TDs bound to the guest'),
          ...extensionFields(report.td15.extension),
        ]),
  ];
}

/** The PCK certificate's words on its platform; a field that says so where they do not parse. */
function platformFields({ pckChain }: TdxQuote): Field[] {
  const part = 'PCK certificate';
  try {
    const pem = byteText.decode(pckChain);
    const [leaf] = parsePemChain(pem, 'the PCK certificate chain', [], 'TDX_CHAIN_FORMAT');
    if (leaf === undefined) return [];
    const { ppid, fmspc, pceId, pceSvn, componentSvns } = pckPlatform(leaf);
    const field = (name: string, value: string, meaning: string): Field => ({
      part,
      name,
      value,
      meaning,
    });
    return [
      field('issuer', leaf.issuerCommonName, `until ${leaf.notAfter.toISOString()}`),
      field('PPID', ppid, 'the machine'),
      field('FMSPC', fmspc, 'kind of platform'),
      field('PCEID', pceId, 'provisioning certification enclave'),
      field('PCESVN', String(pceSvn), "that enclave's version"),
      field('component SVNs', componentSvns.join(' '), 'what SGX TCB levels are compared with'),
    ];
  } catch (error) {
    if (!(error instanceof AssayError)) throw error;
    return [{ part, name: 'error', value: error.code, meaning: error.message }];
  }
}

function fieldsOf(quote: TdxQuote): Field[] {
  const { header, qeReport } = quote;
  const qe = (name: string, value: Uint8Array, meaning: string): Field =>
    bytes('QE report', name, value, meaning);
  return [
    {
      part: 'header',
      name: 'version',
      value: String(header.version),
      meaning: `${tdReportKind(quote.report)} body`,
    },
    bytes(
      'header',
      'user data',
      header.userData,
      'the first 16 bytes name the platform to its PCCS',
    ),
    ...reportFields(quote),
    bytes('signature', 'signature', quote.signature, 'by the attestation key; not verified here'),
    bytes('signature', 'attestation key', quote.attestationKey, 'ECDSA P-256, x and y'),
    qe('CPUSVN', qeReport.cpuSvn, 'microcode and SGX'),
    qe('ATTRIBUTES', qeReport.attributes, 'of the quoting enclave'),
    qe('MRENCLAVE', qeReport.mrEnclave, 'the quoting enclave'),
    qe('MRSIGNER', qeReport.mrSigner, "the quoting enclave's signer"),
    {
      part: 'QE report',
      name: 'ISVPRODID, ISVSVN',
      value: `${qeReport.isvProdId}, ${qeReport.isvSvn}`,
      meaning: "the quoting enclave's product and version",
    },
    qe('REPORTDATA', qeReport.reportData, 'SHA-256 of attestation key and authentication data'),
    qe('authentication data', quote.qeAuthenticationData, "the quoting enclave's own"),
    ...platformFields(quote),
  ];
}

/** Breaks a long value over lines of 32 bytes, so that the meaning stays in view. */
function rows({ part, name, value, meaning }: Field): string[][] {
  const lines = value.match(/.{1,64}/g) ?? [''];
  return lines.map((line, i) => (i === 0 ? [part, name, line, meaning] : ['', '', line, '']));
}

async function showTdx(io: Io, path: string): Promise<void> {
  const bytes = await readInput(io, path);
  const fields = fieldsOf(parseTdxQuote(bundleOf('tdx', bytes)?.report ?? bytes));
  io.print({ fields: fields.map((each) => ({ ...each })) }, () => table(fields.flatMap(rows)));
}

/** `assay show tdx FILE`: a quote field by field, without judging it. */
export function registerShowTdx(program: Command, io: Io): void {
  group(program, 'show')
    .command('tdx')
    .description('explain a TDX quote field by field')
    .argument('<file>', 'version 4 or 5 quote, or Assay bundle; - for standard input')
    .addHelpText('after', examples('assay show tdx quote.bin', 'assay show tdx quote.bin --json'))
    .action((path: string) => showTdx(io, path));
}
