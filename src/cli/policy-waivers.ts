import { stringify } from 'yaml';
import { type AppraisalPolicy, parsePolicy } from '../../attestation/appraisal/policy.js';
import type { AttestationResult, Claims, ClaimValue } from '../../attestation/appraisal/result.js';
import { INFORMATIONAL } from '../../attestation/appraisal/tcb-tdx.js';
import { AssayError } from '../../attestation/encoding/error.js';
import type { Json } from './io.js';

/** A policy as its file has it. */
export interface PolicyDocument {
  readonly version: 1;
  readonly snp?: Rules;
  readonly tdx?: Rules;
  readonly enclave?: Rules;
}
type Rules = { readonly [name: string]: Json };

/** Members of a policy, each of which waives a check, below `snp`, `tdx` and `enclave`. */
type Waivers = { readonly [part in 'enclave' | 'snp' | 'tdx']: readonly Rules[] };

export function isClaims(value: ClaimValue | undefined): value is Claims {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Waivers that need no value. */
const PLAIN: Waivers = {
  enclave: [
    { allowUnpinned: true },
    { allowDevelopment: true },
    { allowPlaintext: true },
    { allowMissingEventLog: true },
  ],
  snp: [
    { crl: 'optional' },
    { allowProvisionalFirmware: true },
    { allowMaskedChipId: true },
    { guestPolicy: { allowDebug: true } },
    { guestPolicy: { allowMigration: true } },
    { guestPolicy: { allowCxl: true } },
    { platformInfo: { allowUnknownBits: true } },
  ],
  tdx: [
    { attributes: { allowDebug: true } },
    { attributes: { allowMigratable: true } },
    { attributes: { allowSeptVe: true } },
    { attributes: { allowUnknownBits: true } },
  ],
};

/** What of these a policy can name. */
const named = (...values: readonly (ClaimValue | undefined)[]): Json[] => [
  ...new Set(values.filter((value) => typeof value === 'string' || typeof value === 'number')),
];

/**
 * Waivers that name what is accepted, with the values of this evidence: what ends, ends with its collateral. No
 * policy takes all of them: not a platform that is revoked, nor a value that is not there.
 */
function withValues({ claims, tcb }: AttestationResult): Waivers {
  const within = (name: string): Claims => {
    const part = claims[name];
    return isClaims(part) ? part : {};
  };
  const { initServiceTdHash, currentServiceTdHash, deviceInfo } = within('extension');
  const until = String(within('collateral')['until']);
  const advisories = tcb?.advisories?.filter((id) => !INFORMATIONAL.test(id)) ?? [];
  return {
    enclave: [],
    snp: [{ vmpl: named(claims['vmpl']) }],
    tdx: [
      { tcb: { acceptStatuses: [{ status: tcb?.status ?? null, until }] } },
      { tcb: { acceptAdvisories: advisories.map((id) => ({ id, until })) } },
      { mrServiceTd: named(claims['mrServiceTd'], initServiceTdHash, currentServiceTdHash) },
      { deviceInfo: named(deviceInfo) },
    ],
  };
}

/** `crl: optional` of `{ crl: 'optional' }`, `vmpl: [1]`, but `guestPolicy.allowCxl` of what is true. */
function pathOf(rules: Rules): string {
  const [[name, value] = ['', undefined]] = Object.entries(rules);
  if (value === true) return name;
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return `${name}.${pathOf(value as Rules)}`;
  }
  const flow = { collectionStyle: 'flow', flowCollectionPadding: false, lineWidth: 0 } as const;
  return `${name}: ${stringify(value, flow).trimEnd()}`;
}

/** Null for what no policy may say. */
function parsed(document: PolicyDocument): AppraisalPolicy | null {
  try {
    return parsePolicy(document);
  } catch (error) {
    if (error instanceof AssayError && error.code === 'POLICY_INVALID') return null;
    throw error;
  }
}

/** The policy with each waiver in turn that could be for evidence of this result, and how a policy says it. */
export function* waived(
  policy: PolicyDocument,
  result: AttestationResult,
): Iterable<readonly [string, AppraisalPolicy]> {
  const valued = withValues(result);
  for (const part of ['enclave', 'snp', 'tdx'] as const) {
    const rules = policy[part] ?? (part === 'enclave' ? {} : undefined);
    if (rules === undefined) continue;
    for (const waiver of [...PLAIN[part], ...valued[part]]) {
      const lenient = parsed({ ...policy, [part]: { ...rules, ...waiver } });
      if (lenient !== null) yield [`${part}.${pathOf(waiver)}`, lenient];
    }
  }
}
