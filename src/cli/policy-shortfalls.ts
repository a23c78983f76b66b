import { type AppraiseOptions, appraiseBundle } from '../../attestation/appraisal/appraise.js';
import { type AppraisalPolicy, parsePolicy } from '../../attestation/appraisal/policy.js';
import { ACCEPTABLE } from '../../attestation/appraisal/policy-tdx.js';
import type { Finding } from '../../attestation/appraisal/result.js';
import type { Json } from './io.js';

/** A policy as its file has it. */
export interface PolicyDocument {
  readonly version: 1;
  readonly snp?: Rules;
  readonly tdx?: Rules;
  readonly enclave?: Rules;
}
type Rules = { readonly [name: string]: Json };

/** The members of a policy that waive a check, one at a time, below `snp`, `tdx` and `enclave`. */
const WAIVERS = {
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
    { tcb: { acceptStatuses: ACCEPTABLE } },
  ],
} as const;

/** `guestPolicy.allowCxl` of `{ guestPolicy: { allowCxl: true } }`, `crl: optional` of `{ crl: 'optional' }`. */
function pathOf(rules: object): string {
  const [[name, value] = ['', undefined]] = Object.entries(rules) as [string, unknown][];
  if (typeof value === 'string') return `${name}: ${value}`;
  const isNested = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isNested ? `${name}.${pathOf(value)}` : name;
}

function* waived(policy: PolicyDocument): Iterable<readonly [string, AppraisalPolicy]> {
  for (const part of ['enclave', 'snp', 'tdx'] as const) {
    const rules = policy[part] ?? (part === 'enclave' ? {} : undefined);
    if (rules === undefined) continue;
    for (const waiver of WAIVERS[part]) {
      const lenient = parsePolicy({ ...policy, [part]: { ...rules, ...waiver } });
      yield [`${part}.${pathOf(waiver)}`, lenient];
    }
  }
}

/**
 * What keeps a policy from affirming a bundle that is authentic: one sentence for each check that does not
 * hold, with the member of a policy that would waive it, where one would. Throws POLICY_INVALID for the policy.
 */
export async function policyShortfalls(
  bundle: Uint8Array,
  policy: PolicyDocument,
  options: AppraiseOptions,
): Promise<readonly string[]> {
  const open = async (under: AppraisalPolicy): Promise<readonly Finding[]> => {
    const { result } = await appraiseBundle(bundle, under, options);
    return result.checks.filter(({ outcome }) => outcome === 'fail' || outcome === 'unchecked');
  };
  const shortfalls = await open(parsePolicy(policy));
  if (shortfalls.length === 0) return [];
  const names = new Map<string, string>();
  for (const [name, lenient] of waived(policy)) {
    const left = new Set((await open(lenient)).map(({ id }) => id));
    for (const { id } of shortfalls) if (!left.has(id)) names.set(id, name);
  }
  return shortfalls.map(({ id, reason }) => {
    const name = names.get(id);
    return `${id}: ${reason}${name === undefined ? '' : ` A policy waives this by ${name}.`}`;
  });
}
