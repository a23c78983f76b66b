import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Document, parse, stringify } from 'yaml';
import { utf8 } from '../../../attestation/encoding/bytes.js';
import { toPem } from '../../../attestation/encoding/pem.js';
import { encodeAuxblob, parseAuxblob } from '../../../attestation/evidence/auxblob.js';
import type { EvidenceBundle, Tee } from '../../../attestation/evidence/bundle.js';
import type { LaunchPolicy } from '../../../attestation/evidence/launch-policy.js';
import { parseSnpReport } from '../../../attestation/evidence/snp-report.js';
import { parseTdxQuote } from '../../../attestation/evidence/tdx-quote.js';
import { forgeSnp } from '../../forge/amd.js';
import { type BundleFault, forgeBundle } from '../../forge/bundle.js';
import { assay } from '../../forge/cli.js';
import { launchPolicyFor, servedModel } from '../../forge/enclave.js';
import { extended, forgeTdx, type IntelFault } from '../../forge/intel.js';

const folder = await mkdtemp(join(tmpdir(), 'assay-policy-'));
const at = (name: string): string => join(folder, name);
after(() => rm(folder, { recursive: true }));

const models = [servedModel('scale', 2)];
const honest = launchPolicyFor(...models);
const aided: LaunchPolicy = { ...honest, development: true };

function withoutCrl(bundle: EvidenceBundle): EvidenceBundle {
  const table = parseAuxblob(bundle.endorsements ?? new Uint8Array());
  const left = table.flatMap(({ kind, data }) =>
    kind === 'other' || kind === 'crl' ? [] : [{ kind, data }],
  );
  return { ...bundle, endorsements: encodeAuxblob(left) };
}

/** Has the hardware say that another privilege level asked for the report. */
async function fromVmpl1(bundle: EvidenceBundle): Promise<EvidenceBundle> {
  const { report } = await forgeSnp({ report: { ...parseSnpReport(bundle.report), vmpl: 1 } });
  return { ...bundle, report };
}

/** The bundle on a TDX platform with this fault. */
const onPlatform =
  (fault: IntelFault) =>
  async (bundle: EvidenceBundle): Promise<EvidenceBundle> => {
    const { report } = parseTdxQuote(bundle.report);
    const change = fault.report ?? ((stated) => stated);
    const forged = await forgeTdx({ ...fault, report: () => change(report) });
    const endorsements = utf8(JSON.stringify(forged.collateral));
    return { ...bundle, report: forged.quote, endorsements };
  };

const outdated = (tcbStatus: string) => (text: string) => {
  const info = JSON.parse(text);
  const advisoryIDs = ['INTEL-SA-00615', 'INTEL-DOC-10000', 'INTEL-SA-00837'];
  Object.assign(info.tcbLevels[0], { tcbStatus, advisoryIDs });
  return JSON.stringify(info);
};

const END = '2049-01-01T00:00:00.000Z';

interface Case {
  readonly name: string;
  readonly tee?: Tee;
  readonly fault: BundleFault;
  /** The checks that a policy made of this evidence does not see hold, each with what waives it. */
  readonly failed: { readonly [check: string]: string | undefined };
}

const cases: readonly Case[] = [
  {
    name: 'models that nothing pins',
    fault: { policy: honest, pinned: null },
    failed: { 'enclave.launch-policy.pinned': 'enclave.allowUnpinned' },
  },
  {
    name: 'debugging aids that nothing pins',
    fault: { policy: aided, pinned: null },
    failed: {
      'enclave.launch-policy.pinned': 'enclave.allowUnpinned',
      'enclave.development': 'enclave.allowDevelopment',
    },
  },
  {
    name: 'no launch policy, of which one waiver is enough',
    fault: {
      pinned: null,
      manifest: (m) => ({ ...m, launchPolicy: null }),
      bundle: (b) => ({ ...b, launchPolicy: null }),
    },
    failed: {
      'enclave.launch-policy.pinned': 'enclave.allowUnpinned',
      'enclave.development': 'enclave.allowUnpinned',
      'enclave.plaintext': 'enclave.allowUnpinned',
    },
  },
  {
    name: 'another launch policy that is pinned, which nothing waives',
    fault: { policy: honest, pinned: aided },
    failed: { 'enclave.launch-policy.pinned': undefined },
  },
  {
    name: 'a model that the launch policy lacks, which nothing waives',
    fault: { policy: launchPolicyFor(servedModel('other', 3)) },
    failed: { 'enclave.launch-policy.model': undefined },
  },
  {
    name: 'a revocation list that the host lacks',
    fault: { policy: honest, bundle: withoutCrl },
    failed: { 'snp.revocation': 'snp.crl: optional' },
  },
  {
    name: 'another privilege level',
    fault: { policy: honest, bundle: fromVmpl1 },
    failed: { 'snp.vmpl': 'snp.vmpl: [1]' },
  },
  {
    name: 'a platform that is out of date, with advisories',
    tee: 'tdx',
    fault: { policy: honest, bundle: onPlatform({ tcbInfo: outdated('OutOfDate') }) },
    failed: {
      'tdx.tcb.status': `tdx.tcb.acceptStatuses: [{status: OutOfDate, until: ${END}}]`,
      'tdx.tcb.advisories': `tdx.tcb.acceptAdvisories: [{id: INTEL-SA-00615, until: ${END}}, {id: INTEL-SA-00837, until: ${END}}]`,
    },
  },
  {
    name: 'a platform that is revoked, which nothing waives',
    tee: 'tdx',
    fault: {
      policy: honest,
      bundle: onPlatform({
        tcbInfo: (text) => text.replaceAll('"UpToDate"', '"Revoked"'),
      }),
    },
    failed: { 'tdx.tcb.status': undefined },
  },
  {
    name: 'a service TD, and a device',
    tee: 'tdx',
    fault: {
      policy: honest,
      bundle: onPlatform({
        version: 5,
        report: extended({
          currentServiceTdHash: new Uint8Array(48).fill(7),
          deviceInfo: new Uint8Array(48).fill(8),
        }),
      }),
    },
    failed: {
      'tdx.service-td.current': `tdx.mrServiceTd: ["${'00'.repeat(48)}", "${'07'.repeat(48)}"]`,
      'tdx.device-info': `tdx.deviceInfo: ["${'08'.repeat(48)}"]`,
    },
  },
];

/** A policy that has what waives a check, as `policy init` names it. */
function waiving(policy: Record<string, object>, waiver: string): Record<string, object> {
  const [path = '', ...value] = waiver.split(': ');
  const document = new Document(policy);
  document.setIn(path.split('.'), value.length === 0 ? true : parse(value.join(': ')));
  return document.toJS();
}

for (const { name, tee = 'sev-snp', fault, failed } of cases) {
  test(`policy init says why its policy does not affirm: ${name}`, async () => {
    const { bytes, roots } = await forgeBundle(tee, models, new Uint8Array(32), fault);
    await writeFile(at('bundle.cbor'), bytes);
    await writeFile(at('root.pem'), roots.map((der) => toPem(der, 'CERTIFICATE')).join(''));
    const trust = ['--root', at('root.pem')];
    const made = await assay(['policy', 'init', at('bundle.cbor'), ...trust]);
    assert.equal(made.code, 0, made.err);
    const policy = parse(made.out);

    const verify = async (document: unknown) => {
      await writeFile(at('policy.yaml'), stringify(document));
      const args = ['--policy', at('policy.yaml'), ...trust, '--json'];
      return JSON.parse((await assay(['verify', 'evidence', at('bundle.cbor'), ...args])).out);
    };
    const checks: { id: string; outcome: string; reason: string }[] = (await verify(policy)).checks;
    const reasons = new Map(
      checks
        .filter(({ outcome }) => outcome === 'fail' || outcome === 'unchecked')
        .map(({ id, reason }) => [id, reason]),
    );
    assert.deepEqual([...reasons.keys()], Object.keys(failed));
    const lines = [
      'This policy does not affirm the evidence that it was made from. What waives a check weakens it:',
      ...Object.entries(failed).map(([id, waiver]) => {
        const waived = waiver === undefined ? '' : ` A policy waives this by ${waiver}.`;
        return `${id}: ${reasons.get(id)}${waived}`;
      }),
    ];
    assert.equal(made.err, lines.map((line) => `${line}\n`).join(''));
    const comments = made.out.split('\n').filter((line) => line.startsWith('#'));
    assert.deepEqual(
      comments.slice(-lines.length),
      lines.map((line, i) => (i === 0 ? `# ${line}` : `#   ${line}`)),
    );
    const machine = await assay(['policy', 'init', at('bundle.cbor'), ...trust, '--json']);
    assert.deepEqual(JSON.parse(machine.err).notes.slice(-lines.length), lines);
    assert.deepEqual(JSON.parse(machine.out), policy);

    const names = Object.values(failed).filter((waiver) => waiver !== undefined);
    const lenient = await verify(names.reduce(waiving, policy));
    const [left = null] = Object.entries(failed).flatMap(([id, waiver]) => (waiver ? [] : [id]));
    assert.equal(lenient.code, left);
  });
}
