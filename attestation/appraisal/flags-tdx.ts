import { toHex } from '../encoding/bytes.js';
import { hasBit } from '../evidence/bits.js';
import {
  bitField,
  TD_ATTRIBUTE_BITS,
  type TdAttributeBit,
  TUD,
  unknownAttributeBits,
  XFAM_FIXED0,
  XFAM_FIXED1,
} from '../evidence/tdx-fields.js';
import { type Findings, kebab } from './findings.js';
import type { TdxPolicy } from './policy-tdx.js';
import { TDX_REFERENCES } from './references-tdx.js';
import { bitText, wantedBits } from './wanted-bits.js';

const REFERENCE = TDX_REFERENCES.attributes;

function debugFinding(findings: Findings, raw: bigint, waiver: string | undefined): void {
  findings.check(
    'tdx.attributes.debug',
    (raw & TUD) === 0n,
    {
      expected: 'TUD (bits 7:0) 0x0',
      actual: `TUD 0x${(raw & TUD).toString(16)}`,
      reference: REFERENCE,
    },
    {
      pass: 'The host cannot read or change the guest’s memory as a debugger.',
      fail: 'The guest is under debug: the host can read and change its memory.',
    },
    waiver,
  );
}

/**
 * Bits that let something happen to the guest unless they
 * have this value, and the policy's member that lets it.
 */
const HARMS = [
  ['MIGRATABLE', false, 'The guest', 'be migrated to another machine', 'allowMigratable'],
  ['SEPT_VE_DISABLE', true, 'The host', 'inject #VE by withdrawing pages', 'allowSeptVe'],
] as const;

/** What TDATTRIBUTES lets the host do. */
export function attributeFindings(findings: Findings, bytes: Uint8Array, policy: TdxPolicy): void {
  const raw = bitField(bytes);
  const rules = policy.attributes ?? {};
  const isSet = (name: TdAttributeBit): boolean => hasBit(raw, TD_ATTRIBUTE_BITS[name]);
  const waiver = (member: 'allowDebug' | 'allowUnknownBits' | (typeof HARMS)[number][4]) =>
    rules[member] === true ? `attributes.${member}` : undefined;
  debugFinding(findings, raw, waiver('allowDebug'));
  for (const [name, safe, who, harm, member] of HARMS) {
    findings.check(
      `tdx.attributes.${kebab(name)}`,
      isSet(name) === safe,
      { expected: bitText(name, safe), actual: bitText(name, isSet(name)), reference: REFERENCE },
      { pass: `${who} cannot ${harm}.`, fail: `${who} can ${harm}.` },
      waiver(member),
    );
  }
  const unknown = unknownAttributeBits(raw);
  findings.check(
    'tdx.attributes.unknown',
    unknown === 0n,
    { expected: 'no other bits', actual: `0x${unknown.toString(16)}`, reference: REFERENCE },
    {
      pass: 'TDATTRIBUTES says nothing that this verifier does not know.',
      fail: 'TDATTRIBUTES has bits that are reserved or that this verifier does not know.',
    },
    waiver('allowUnknownBits'),
  );
  const field = { id: 'tdx.attributes', name: 'TDATTRIBUTES', reference: REFERENCE, isSet };
  wantedBits(findings, field, rules);
  findings.among('tdx.attributes', 'TDATTRIBUTES', toHex(bytes), policy.tdAttributes, REFERENCE);
}

/** What XFAM, the processor state that the guest may use, says. */
export function xfamFindings(findings: Findings, bytes: Uint8Array, policy: TdxPolicy): void {
  const raw = bitField(bytes);
  const actual = `0x${raw.toString(16)}`;
  findings.check(
    'tdx.xfam.fixed1',
    (raw & XFAM_FIXED1) === XFAM_FIXED1,
    { expected: `all of 0x${XFAM_FIXED1.toString(16)}`, actual, reference: TDX_REFERENCES.xfam },
    { pass: 'XFAM has the bits that every TD has.', fail: 'XFAM lacks bits that every TD has.' },
  );
  findings.check(
    'tdx.xfam.fixed0',
    (raw & ~XFAM_FIXED0) === 0n,
    {
      expected: `nothing outside 0x${XFAM_FIXED0.toString(16)}`,
      actual,
      reference: TDX_REFERENCES.xfam,
    },
    { pass: 'XFAM has no reserved bit.', fail: 'XFAM has bits that no TD may have.' },
  );
  findings.among('tdx.xfam', 'XFAM', toHex(bytes), policy.xfam, TDX_REFERENCES.xfam);
}
