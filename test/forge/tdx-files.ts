import { utf8 } from '../../attestation/encoding/bytes.js';
import { toPem } from '../../attestation/encoding/pem.js';
import { encodeRuntimeLog, replayRuntimeLog } from '../../attestation/evidence/event-log.js';
import { paravisorReportData } from '../../attestation/evidence/runtime-claims.js';
import { type Outcome, assay as runAssay } from './cli.js';
import { hclReport } from './hcl.js';
import { forgedIntel, forgeTdx } from './intel.js';
import { BOOT_EVENTS, forgeTcgLog } from './tcg-log.js';
import { referenceValues } from './tdx-case.js';
import { testFolder } from './test-folder.js';

const NOW = new Date('2026-11-21T12:00:00Z');

/** Azure's runtime claims and Assay's log, which `azure.bin` covers. */
const CLAIMS = '{"keys":[]}';
const EVENTS = [{ type: 'model', content: new Uint8Array(32).fill(1) }];

/** Forged quotes, and what commands take beside them, in a folder that goes when the file ends. */
export async function tdxFiles() {
  const { at, place } = testFolder();
  const assay = (...args: readonly string[]): Promise<Outcome> =>
    runAssay(args, { env: { XDG_CACHE_HOME: at('cache') }, now: NOW });
  const { root } = await forgedIntel();
  const flawless = await forgeTdx();
  const azure = await forgeTdx({
    report: (report) => ({
      ...report,
      reportData: paravisorReportData(utf8(CLAIMS)),
      rtmrs: [report.rtmrs[0], report.rtmrs[1], report.rtmrs[2], replayRuntimeLog(EVENTS)],
    }),
  });
  const policy = { version: 1, tdx: referenceValues() };
  place({
    'quote.bin': flawless.quote,
    'collateral.json': JSON.stringify(flawless.collateral),
    'root.pem': toPem(root.der, 'CERTIFICATE'),
    'azure.bin': azure.quote,
    'forged.bin': flawless.quote.map((byte, i) => (i === 600 ? byte ^ 1 : byte)),
    'hcl.bin': hclReport(new Uint8Array(1024), CLAIMS, { type: 4 }),
    'hcl-snp.bin': hclReport(new Uint8Array(0x4a0), CLAIMS),
    'runtime.cbor': encodeRuntimeLog(EVENTS),
    'other.cbor': encodeRuntimeLog([]),
    'ccel.bin': forgeTcgLog(BOOT_EVENTS, new Uint8Array(100).fill(0xff)),
    'policy.json': JSON.stringify(policy),
    'snp-only.json': JSON.stringify({ version: 1, snp: {} }),
    'misspelt.json': JSON.stringify({ version: 1, tdx: { mrtd: [] } }),
  });
  return { at, assay };
}
