import { isZero, toHex } from '../encoding/bytes.js';
import type { TdReport } from '../evidence/td-report.js';
import type { Findings } from './findings.js';
import type { TdxPolicy } from './policy-tdx.js';
import { TDX_REFERENCES } from './references-tdx.js';

/** A field that is zero unless the policy names what it may be. */
function zeroOrNamed(
  findings: Findings,
  field: { readonly id: string; readonly name: string; readonly reference: string },
  value: Uint8Array,
  accepted: readonly string[] | undefined,
  reason: { readonly pass: string; readonly fail: string },
): void {
  const { id, name, reference } = field;
  const actual = toHex(value);
  if (accepted !== undefined) findings.among(id, name, actual, accepted, reference);
  else findings.check(id, isZero(value), { expected: 'all zeros', actual, reference }, reason);
}

/**
 * What may act on a TD from outside, as TD 1.5 and its extension state it: service TDs, devices, and
 * whether the report is about the TD at all.
 */
export function serviceTdFindings(findings: Findings, { td15 }: TdReport, policy: TdxPolicy): void {
  const { mrServiceTd: accepted } = policy;
  const service = {
    pass: 'No service TD can act on this one.',
    fail: 'A service TD is bound to this one, and the policy does not expect it.',
  };
  const mrServiceTd = {
    id: 'tdx.mr-service-td',
    name: 'MRSERVICETD',
    reference: TDX_REFERENCES.report,
  };
  if (td15 === undefined) {
    findings.among(
      mrServiceTd.id,
      mrServiceTd.name,
      'none in TD 1.0',
      accepted,
      TDX_REFERENCES.report,
    );
  } else zeroOrNamed(findings, mrServiceTd, td15.mrServiceTd, accepted, service);
  const extension = td15?.extension;
  const field = (id: string, name: string) => ({ id, name, reference: TDX_REFERENCES.extension });
  const deviceInfo = field('tdx.device-info', 'DEVINFO');
  if (extension === undefined) {
    findings.among(
      deviceInfo.id,
      deviceInfo.name,
      'none in this body',
      policy.deviceInfo,
      TDX_REFERENCES.report,
    );
    return;
  }
  zeroOrNamed(
    findings,
    field('tdx.service-td.initial', 'INIT_SERVTD_HASH'),
    extension.initServiceTdHash,
    accepted,
    service,
  );
  zeroOrNamed(
    findings,
    field('tdx.service-td.current', 'CUR_SERVTD_HASH'),
    extension.currentServiceTdHash,
    accepted,
    service,
  );
  zeroOrNamed(findings, deviceInfo, extension.deviceInfo, policy.deviceInfo, {
    pass: 'No device is bound to the guest.',
    fail: 'Devices are bound to the guest, and the policy does not expect them.',
  });
  findings.check(
    'tdx.vm-id',
    extension.vmId === 0,
    { expected: '0', actual: String(extension.vmId), reference: TDX_REFERENCES.extension },
    {
      pass: 'The report is about the guest that MRTD and the RTMRs measure.',
      fail: 'The report is about a VM within the guest, which MRTD and the RTMRs do not measure.',
    },
  );
}
