import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { forgetCertificates } from '../../../attestation/appraisal/certified.js';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { toPem } from '../../../attestation/encoding/pem.js';
import { vcekUrl } from '../../../attestation/endorsements/amd.js';
import { encodeAuxblob } from '../../../attestation/evidence/auxblob.js';
import { encodeSnpEvidence } from '../../../attestation/evidence/snp-evidence.js';
import { tcbComponents } from '../../../attestation/evidence/snp-fields.js';
import { parseSnpReport } from '../../../attestation/evidence/snp-report.js';
import { type ForgedSnp, forgeSnp } from '../../forge/amd.js';
import { type Outcome, assay as runAssay } from '../../forge/cli.js';
import { homeless } from '../../forge/homeless.js';
import { KNOWN_MEASUREMENT } from '../../forge/judge-snp.js';
import { Kds } from '../../forge/kds.js';
import { testFolder } from '../../forge/test-folder.js';
import { vectorFile, withoutVectors } from '../../vectors.js';

const withoutDevices = existsSync('/dev/zero') ? false : 'this system has no /dev/zero';

let forged: ForgedSnp;
const { at, place } = testFolder();

const NOW = new Date('2026-06-01T12:00:00Z');
const assay = (...args: readonly string[]): Promise<Outcome> =>
  runAssay(args, { env: { XDG_CACHE_HOME: at('cache') }, now: NOW });

before(async () => {
  forged = await forgeSnp();
  const { report, endorsements } = forged;
  const [vcek = new Uint8Array(), ask = new Uint8Array(), ark = new Uint8Array()] =
    endorsements.certificates;
  const crl = endorsements.crls[0] ?? new Uint8Array();
  const policy = { version: 1, snp: { measurements: [KNOWN_MEASUREMENT] } };
  place({
    'report.bin': report,
    'vcek.der': vcek,
    'chain.pem': toPem(ask, 'CERTIFICATE') + toPem(ark, 'CERTIFICATE'),
    'root.pem': toPem(ark, 'CERTIFICATE'),
    'crl.der': crl,
    'auxblob.bin': encodeAuxblob([
      { kind: 'vcek', data: vcek },
      { kind: 'ask', data: ask },
      { kind: 'ark', data: ark },
      { kind: 'crl', data: crl },
    ]),
    'collected.bin': encodeSnpEvidence({
      evidence: report,
      certificates: [vcek, ask, ark],
      crls: [crl],
      collectedAt: NOW.getTime() / 1000,
    }),
    'policy.json': JSON.stringify(policy),
    'lenient.json': JSON.stringify({ ...policy, snp: { ...policy.snp, crl: 'optional' } }),
    'tdx-only.json': JSON.stringify({ version: 1 }),
    'misspelt.json': JSON.stringify({ version: 1, snp: { measurement: [] } }),
  });
});

const judge = (...more: readonly string[]) =>
  assay('verify', 'snp', '--report', at('report.bin'), ...more);

describe('assay verify snp', () => {
  test('offline needs no home folder, where nothing would be kept', async (t) => {
    homeless(t);
    const args = ['--report', at('collected.bin'), '--root', at('root.pem'), '--json'];
    const verify = async (...more: readonly string[]) => {
      const policy = ['--policy', at('policy.json')];
      return runAssay(['verify', 'snp', ...args, ...policy, ...more], { now: NOW });
    };
    const { code, err } = await verify('--offline');
    assert.equal(code, 0, err);
    const asking = await verify('--kds', 'http://127.0.0.1:9');
    assert.equal(JSON.parse(asking.err).error.code, 'CONFIG_ENVIRONMENT');
  });

  test('simulated evidence under its own root is affirmed, and says that it is simulated', async () => {
    const more = ['--certs', at('auxblob.bin'), '--root', at('root.pem')];
    const { code, out } = await judge(...more, '--policy', at('policy.json'), '--json');
    const result = JSON.parse(out);
    assert.equal(code, 0);
    assert.equal(result.authentic, true);
    assert.equal(result.affirmed, true);
    assert.equal(result.code, null);
    assert.equal(result.simulated, true);
    assert.equal(result.trustAnchor.source, 'caller');
    assert.equal(result.claims.measurement, KNOWN_MEASUREMENT);
    for (const check of result.checks) {
      assert.deepEqual(Object.keys(check).sort(), [
        'actual',
        'expected',
        'id',
        'outcome',
        'reason',
        'reference',
      ]);
    }
    const text = await judge(...more, '--policy', at('policy.json'));
    assert.match(text.out, /SIMULATED: no hardware/);
    assert.match(text.out, /AFFIRMED/);
  });

  test('files in any form do as well as an auxblob', async () => {
    const { code } = await judge(
      ...['--vek', at('vcek.der'), '--chain', at('chain.pem'), '--crl', at('crl.der')],
      ...['--root', at('root.pem'), '--policy', at('policy.json')],
    );
    assert.equal(code, 0);
  });

  for (const [name, args, isSuppliers] of [
    ['the host’s list', ['snp', '--report', 'report.bin', '--certs', 'auxblob.bin'], true],
    [
      'a list of its own',
      ['snp', '--report', 'report.bin', '--certs', 'auxblob.bin', '--crl', 'crl.der'],
      false,
    ],
    ['a collected list', ['snp', '--report', 'collected.bin'], true],
    ['a collected list, as evidence', ['evidence', 'collected.bin'], true],
    [
      'a collected list and its own',
      ['evidence', 'collected.bin', '--endorsements', 'crl.der'],
      false,
    ],
  ] as const) {
    test(`a verdict by ${name} ${isSuppliers ? 'says' : 'does not say'} that another chose it`, async () => {
      const files = args.map((arg) => (arg.includes('.') ? at(arg) : arg));
      const trust = ['--root', at('root.pem'), '--policy', at('policy.json'), '--json'];
      const { code, out } = await assay('verify', ...files, ...trust);
      const { caveats }: { caveats: readonly string[] } = JSON.parse(out);
      assert.equal(code, 0, out);
      assert.equal(
        caveats.some((each) => /its host chose that/.test(each)),
        isSuppliers,
      );
    });
  }

  test('a report without a bundle may be a replay, and its verdict says so', async () => {
    const { out } = await judge('--certs', at('auxblob.bin'), '--root', at('root.pem'), '--json');
    assert.match(JSON.parse(out).caveats.join('\n'), /the evidence may be a replay/);
  });

  test('a platform that cannot check signatures has not checked them', async (t) => {
    forgetCertificates();
    t.mock.getter(crypto, 'subtle', () => undefined);
    const more = ['--certs', at('auxblob.bin'), '--root', at('root.pem')];
    const { code, out } = await judge(...more, '--policy', at('policy.json'), '--json');
    assert.deepEqual([code, JSON.parse(out).code], [3, 'CRYPTO_UNAVAILABLE']);
  });

  test('without --root simulated evidence is refused', async () => {
    const { code, out } = await judge('--certs', at('auxblob.bin'), '--offline', '--json');
    assert.equal(code, 1);
    assert.equal(JSON.parse(out).code, 'SNP_ROOT_UNTRUSTED');
  });

  test('without reference values it is refused for that reason, which names the value', async () => {
    const { code, out } = await judge(
      ...['--certs', at('auxblob.bin'), '--root', at('root.pem'), '--json'],
    );
    const result = JSON.parse(out);
    assert.equal(code, 1);
    assert.equal(result.authentic, true);
    assert.equal(result.affirmed, false);
    assert.equal(result.code, 'snp.measurement');
    const open = result.checks.filter((check: { outcome: string }) => check.outcome !== 'pass');
    assert.equal(open.length, 1);
    assert.match(open[0].reason, new RegExp(KNOWN_MEASUREMENT));
  });

  test('without a certificate nothing was checked: exit 3', async () => {
    const { code, out } = await judge('--offline', '--json');
    assert.equal(code, 3);
    assert.equal(JSON.parse(out).code, 'ENDORSEMENTS_MISSING');
  });

  test('at a time before the certificates it is refused', async () => {
    const { code, out } = await judge(
      ...['--certs', at('auxblob.bin'), '--root', at('root.pem'), '--at', '2023-01-01', '--json'],
    );
    assert.equal(code, 1);
    assert.equal(JSON.parse(out).code, 'SNP_CERTIFICATE_VALIDITY');
  });

  test('a policy that accepts no SEV-SNP refuses a report, by either command', async () => {
    const trusted = ['--root', at('root.pem'), '--policy', at('tdx-only.json'), '--json'];
    const known = await judge('--certs', at('auxblob.bin'), ...trusted);
    const told = await assay('verify', 'evidence', at('collected.bin'), ...trusted);
    for (const { code, out } of [known, told]) {
      assert.deepEqual([code, JSON.parse(out).code], [1, 'policy.tee']);
    }
  });

  for (const [name, args, text] of [
    ['a misspelt policy', ['--policy', 'misspelt.json'], /POLICY_INVALID/],
    ['a file that is not there', ['--vek', 'nothing.der'], /USAGE_FILE/],
  ] as const) {
    test(`${name} is wrong usage: exit 2`, async () => {
      const { code, err } = await judge('--offline', args[0], at(args[1]));
      assert.equal(code, 2);
      assert.match(err, text);
    });
  }

  test('a --crl without a list, or with a damaged one, is wrong usage: exit 2', async () => {
    const crl = toPem(forged.endorsements.crls[0] ?? new Uint8Array(), 'X509 CRL');
    await writeFile(at('damaged.pem'), crl.replace('\nM', '\n#'));
    for (const [name, text] of [
      ['root.pem', /has no revocation list/],
      ['damaged.pem', /whole PEM blocks/],
    ] as const) {
      const { code, err } = await judge('--offline', '--crl', at(name));
      assert.equal(code, 2);
      assert.match(err, text);
    }
  });

  test('an auxblob without a byte has no certificates', async () => {
    await writeFile(at('empty.bin'), '');
    const { code, out } = await judge(
      ...['--certs', at('empty.bin'), '--vek', at('vcek.der'), '--chain', at('chain.pem')],
      ...['--crl', at('crl.der'), '--root', at('root.pem'), '--policy', at('policy.json')],
    );
    assert.equal(code, 0, out);
  });

  for (const [what, time] of [
    ['a day that June does not have', '2026-06-31T00:00:00Z'],
    ['an hour that no day has', '2026-06-01T24:00:00Z'],
    ['a time without its offset', '2026-06-01T00:00:00'],
  ] as const) {
    test(`${what} is wrong usage: exit 2`, async () => {
      const { code, err } = await judge('--offline', '--at', time);
      assert.equal(code, 2);
      assert.match(err, /expected an RFC 3339 time/);
    });
  }

  test('a file without an end is wrong usage: exit 2', { skip: withoutDevices }, async () => {
    const { code, err } = await judge('--offline', '--vek', '/dev/zero');
    assert.equal(code, 2);
    assert.match(err, /\/dev\/zero is larger than the 67108864 bytes/);
  });

  test('a KDS that is named is asked under other roots too', async () => {
    const kds = await Kds.open();
    const more = ['--root', at('root.pem'), '--kds', kds.base, '--json'];
    const { code, out } = await judge(...more);
    await kds.close();
    assert.deepEqual([code, JSON.parse(out).code], [3, 'ENDORSEMENTS_UNKNOWN']);
    assert.match(kds.requests.join(), /^\/vcek\/v1\/Milan\//);
  });

  test('bytes that are no report are refused', async () => {
    const { code, out } = await assay(
      ...['verify', 'snp', '--report', at('crl.der'), '--offline', '--json'],
    );
    assert.equal(code, 1);
    assert.equal(JSON.parse(out).code, 'SNP_REPORT_SIZE');
  });
});

describe('assay show snp', () => {
  test('prints each field with its offset and meaning', async () => {
    const { code, out } = await assay('show', 'snp', at('report.bin'));
    assert.equal(code, 0);
    assert.match(out, /0x090 {2}MEASUREMENT +[0-9a-f]{64} +what was launched/);
    assert.match(out, /0x038 {2}CURRENT_TCB .*bootLoader 4, tee 0, snp 24, microcode 219/);
  });

  test('as JSON', async () => {
    const { out } = await assay('show', 'snp', at('report.bin'), '--json');
    const { fields } = JSON.parse(out);
    assert.deepEqual(
      fields.map(({ offset }: { offset: number }) => offset),
      fields
        .map(({ offset }: { offset: number }) => offset)
        .toSorted((a: number, b: number) => a - b),
    );
  });
});

describe('genuine evidence and a KDS', { skip: withoutVectors }, () => {
  let kds: Kds;
  const vector = (file: string): Uint8Array =>
    new Uint8Array(vectorFile('snp', 'milan-v3-azure-hcl', file));
  before(async () => {
    kds = await Kds.open();
    await writeFile(at('hcl.bin'), vector('hcl_report.bin'));
    const { chipId, reportedTcb } = parseSnpReport(vector('report.bin'));
    const url = vcekUrl(kds.base, 'Milan', chipId, tcbComponents(reportedTcb, 'Milan'));
    kds.served.set(url.slice(kds.base.length), vector('vek.der'));
  });
  after(() => kds.close());

  const source = (): string[] => ['--report', at('hcl.bin'), '--kds', kds.base];

  test('the VCEK is fetched; a CRL that AMD does not serve leaves revocation unchecked', async () => {
    const measurement = toHex(parseSnpReport(vector('report.bin')).measurement);
    await writeFile(
      at('azure.json'),
      JSON.stringify({ version: 1, snp: { measurements: [measurement] } }),
    );
    const { code, out, err } = await assay(
      ...['verify', 'snp', ...source(), '--policy', at('azure.json'), '--json'],
    );
    const result = JSON.parse(out);
    assert.equal(result.authentic, true);
    assert.equal(result.code, 'snp.revocation');
    assert.equal(code, 3);
    assert.match(err, /Revocation: 127.0.0.1:\d+ has no such endorsement/);
    assert.ok(result.checks.some((check: { id: string }) => check.id === 'snp.runtime-claims'));
  });

  test('what was collected is appraised offline, years later', async () => {
    const collected = await assay('collect', ...source(), '--out', at('evidence.cbor'), '--json');
    assert.equal(collected.code, 0, collected.err);
    assert.equal(JSON.parse(collected.out).certificates, 3);
    await writeFile(
      at('later.json'),
      JSON.stringify({ version: 1, snp: { crl: 'optional', measurements: ['00'.repeat(48)] } }),
    );
    const { code, out } = await assay(
      ...['verify', 'snp', '--report', at('evidence.cbor'), '--offline', '--json'],
      ...['--at', '2032-01-01', '--policy', at('later.json')],
    );
    const result = JSON.parse(out);
    assert.equal(code, 1);
    assert.equal(result.authentic, true);
    assert.equal(result.code, 'snp.measurement');
  });

  test('a rate limit without end is exit 3', async () => {
    kds.troubles.push({ status: 429, retryAfter: '999' });
    const { code, out } = await assay(
      ...['verify', 'snp', ...source(), '--cache', at('empty-cache'), '--json'],
    );
    assert.equal(code, 3);
    assert.equal(JSON.parse(out).code, 'ENDORSEMENTS_UNAVAILABLE');
  });

  test('a runtime claim that was changed is refused', async () => {
    const changed = vector('hcl_report.bin');
    changed[0x4e0] = (changed[0x4e0] ?? 0) ^ 1;
    await writeFile(at('changed.bin'), changed);
    const { code, out } = await assay(
      ...['verify', 'snp', '--report', at('changed.bin'), '--offline', '--json'],
    );
    assert.equal(code, 1);
    assert.equal(JSON.parse(out).code, 'HCL_BINDING');
  });
});
