import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { SIMULATED_PLATFORM } from '../../../enclave/platform/simulator/intel.js';
import { Pcs } from '../../forge/pcs.js';
import { tdxFiles } from '../../forge/tdx-files.js';
import { vectorCases, vectorFile, withoutVectors } from '../../vectors.js';

const { at, assay } = await tdxFiles();

const judge = (...more: readonly string[]) =>
  assay('verify', 'tdx', '--quote', at('quote.bin'), ...more);
const simulated = () => [
  ...['--collateral', at('collateral.json')],
  ...['--root', at('root.pem')],
  ...['--policy', at('policy.json')],
];

describe('assay verify tdx', () => {
  test('simulated evidence under its own root is affirmed, and says that it is simulated', async () => {
    const { code, out } = await judge(...simulated(), '--json');
    const result = JSON.parse(out);
    assert.equal(code, 0);
    assert.equal(result.affirmed, true);
    assert.equal(result.simulated, true);
    assert.equal(result.trustAnchor.source, 'caller');
    assert.equal(result.tcb.status, 'UpToDate');
    assert.match((await judge(...simulated())).out, /^SIMULATED/);
  });

  test('it is refused under Intel’s root', async () => {
    const { code, out } = await judge('--collateral', at('collateral.json'), '--json');
    assert.equal(code, 1);
    assert.equal(JSON.parse(out).code, 'TDX_ROOT_UNTRUSTED');
  });

  test('without collateral nothing is refused and nothing affirmed', async () => {
    for (const more of [
      ['--root', at('root.pem')],
      ['--root', at('root.pem'), '--offline'],
    ]) {
      const { code, out } = await judge(...more, '--json');
      assert.equal(code, 3);
      assert.equal(JSON.parse(out).verdict, 'unchecked');
    }
  });

  test('wrong calls are told apart from wrong evidence', async () => {
    assert.equal((await assay('verify', 'tdx')).code, 2);
    for (const time of ['yesterday', '2026-02-30', '2026-06-01T24:00:00Z', '2026-06-01T00:00']) {
      assert.equal((await judge('--at', time)).code, 2, time);
    }
    assert.equal((await judge('--tcb-update', 'late')).code, 2);
    for (const url of ['', 'pccs', 'ftp://pccs', 'file:///pccs', 'https://pccs/?a=b']) {
      assert.equal((await judge('--pcs', url)).code, 2, url);
    }
    assert.equal((await judge('--policy', at('misspelt.json'))).code, 2);
    assert.equal((await judge('--collateral', at('none.json'))).code, 2);
    assert.equal((await judge('--policy', at('ccel.bin'))).code, 2);
  });

  test('a policy that accepts no TDX refuses a quote', async () => {
    const only = ['--policy', at('snp-only.json')];
    const { code, out } = await judge(...simulated().slice(0, -2), ...only, '--json');
    assert.deepEqual([code, JSON.parse(out).code], [1, 'policy.tee']);
  });

  test('files that are no collateral are wrong usage, those that are no quote are refused', async () => {
    for (const name of ['policy.json', 'quote.bin']) {
      const { code, err } = await judge('--collateral', at(name), '--json');
      assert.deepEqual([code, JSON.parse(err).error.code], [2, 'USAGE_FILE'], name);
    }
    const quote = await assay('verify', 'tdx', '--quote', at('ccel.bin'), ...simulated(), '--json');
    assert.equal(quote.code, 1);
    assert.equal(JSON.parse(quote.out).code, 'TDX_QUOTE_VERSION');
    await writeFile(at('quote.hex'), (await readFile(at('quote.bin'))).toString('hex'));
    const text = await assay('verify', 'tdx', '--quote', at('quote.hex'), ...simulated(), '--json');
    assert.equal(JSON.parse(text.out).code, 'TDX_QUOTE_VERSION');
    assert.match(JSON.parse(text.out).summary, /hexadecimal text: decode it/);
  });

  test('Azure’s runtime claims and Assay’s log are held to the quote', async () => {
    const azure = (...more: readonly string[]) =>
      assay('verify', 'tdx', '--quote', at('azure.bin'), ...simulated(), ...more, '--json');
    const good = await azure('--hcl', at('hcl.bin'), '--runtime-log', at('runtime.cbor'));
    assert.equal(good.code, 0, good.out);
    assert.match(
      JSON.parse(good.out).caveats.join('\n'),
      /paravisor is what the hardware measured/,
    );
    const log = await azure('--runtime-log', at('other.cbor'));
    assert.equal(JSON.parse(log.out).code, 'tdx.runtime-log.rtmr3');
    const claims = await judge(...simulated(), '--hcl', at('hcl.bin'), '--json');
    assert.equal(JSON.parse(claims.out).code, 'tdx.runtime-claims');
    assert.equal((await azure('--hcl', at('hcl-snp.bin'))).code, 2);
    const broken = await azure('--hcl', at('ccel.bin'));
    assert.equal(broken.code, 1);
    assert.equal(JSON.parse(broken.out).code, 'HCL_FORMAT');
    const ccel = await judge(...simulated(), '--event-log', at('ccel.bin'), '--json');
    assert.equal(JSON.parse(ccel.out).code, 'tdx.event-log.rtmr0');
  });

  test('collateral is fetched, collected, and used again offline', async () => {
    const pcs = await Pcs.open(SIMULATED_PLATFORM.fmspc);
    try {
      pcs.served.set('standard', JSON.parse(await readFile(at('collateral.json'), 'utf8')));
      for (const quote of ['quote.bin', 'forged.bin']) {
        const under = quote === 'quote.bin' ? [] : ['--root', at('root.pem')];
        const args = ['--quote', at(quote), '--pcs', pcs.base, ...under];
        assert.equal((await assay('verify', 'tdx', ...args)).code, 1);
        assert.deepEqual(pcs.requests, [], 'nobody is asked about a quote that is not authentic');
      }
      const asked = ['--pcs', `${pcs.base}/`, '--root', at('root.pem')];
      const fetched = await judge(...asked, '--policy', at('policy.json'));
      assert.equal(fetched.code, 0, fetched.out);
      assert.equal(pcs.requests.length, 4);
      assert.ok(pcs.requests.every((path) => /^\/(tdx|sgx)\/certification\/v4\//.test(path)));
      const save = ['--pcs', pcs.base, '--out', at('saved.json'), '--json'];
      const collect = (name: string, ...args: readonly string[]) =>
        assay('collect', '--quote', at(name), ...save, ...args);
      const foreign = await collect('quote.bin');
      assert.equal(foreign.code, 1);
      assert.match(foreign.err, /TDX_ROOT_UNTRUSTED/);
      const broken = await collect('forged.bin', '--root', at('root.pem'));
      assert.equal(broken.code, 1);
      assert.match(broken.err, /TDX_QUOTE_SIGNATURE/);
      await assert.rejects(readFile(at('saved.json')), { code: 'ENOENT' });
      const collected = await collect('quote.bin', '--root', at('root.pem'));
      assert.equal(collected.code, 0, collected.err);
      assert.equal(JSON.parse(collected.out).status, 'UpToDate');
      assert.equal(JSON.parse(collected.out).fmspc, SIMULATED_PLATFORM.fmspc);
      const both = ['--report', at('quote.bin')];
      for (const wrong of [both, ['--offline']]) {
        assert.equal((await collect('quote.bin', ...wrong)).code, 2, wrong.join(' '));
      }
      assert.equal((await assay('collect', ...save)).code, 2);
      const rooted = ['--report', at('quote.bin'), '--root', at('root.pem')];
      assert.equal((await assay('collect', ...rooted, ...save)).code, 2);
      const more = ['--root', at('root.pem'), '--policy', at('policy.json'), '--offline'];
      assert.equal((await judge('--collateral', at('saved.json'), ...more)).code, 0);
      pcs.troubles.push(...Array.from({ length: 9 }, () => ({ status: 429, retryAfter: '3600' })));
      const away = ['--pcs', `${pcs.base}/elsewhere`, '--root', at('root.pem'), '--json'];
      const limited = await judge(...away);
      assert.equal(limited.code, 3);
      assert.equal(JSON.parse(limited.out).code, 'ENDORSEMENTS_UNAVAILABLE');
      assert.equal(JSON.parse(limited.out).trustAnchor.simulated, true);
      const forged = await assay('verify', 'tdx', '--quote', at('forged.bin'), ...away);
      assert.equal(forged.code, 1);
      assert.equal(JSON.parse(forged.out).code, 'TDX_QUOTE_SIGNATURE');
    } finally {
      await pcs.close();
    }
  });

  test('genuine quotes have the contract’s JSON', { skip: withoutVectors }, async () => {
    for (const name of vectorCases('tdx')) {
      const { verifyAt, expected } = JSON.parse(vectorFile('tdx', name, 'case.json').toString());
      await writeFile(at('genuine.bin'), vectorFile('tdx', name, 'quote.bin'));
      await writeFile(at('genuine.json'), vectorFile('tdx', name, 'collateral.json'));
      const { code, out } = await assay(
        ...['verify', 'tdx', '--quote', at('genuine.bin'), '--collateral', at('genuine.json')],
        ...['--at', verifyAt, '--offline', '--json'],
      );
      const { tcb, authentic, affirmed } = JSON.parse(out);
      assert.equal(code, 1, name);
      assert.equal(affirmed, false, name);
      assert.equal(authentic, expected.tcbStatus !== 'TCB_NOT_SUPPORTED', name);
      const { status: tcbStatus, sgx, tdx, module, qe, advisories } = tcb;
      assert.deepEqual({ tcbStatus, sgx, tdx, module, qe, advisories }, expected, name);
    }
  });

  test('the table names the levels that are met and those that are not', {
    skip: withoutVectors,
  }, async () => {
    const rows = async (name: string): Promise<readonly string[]> => {
      const { verifyAt } = JSON.parse(vectorFile('tdx', name, 'case.json').toString());
      await writeFile(at('genuine.bin'), vectorFile('tdx', name, 'quote.bin'));
      await writeFile(at('genuine.json'), vectorFile('tdx', name, 'collateral.json'));
      const { out } = await assay(
        ...['verify', 'tdx', '--quote', at('genuine.bin'), '--collateral', at('genuine.json')],
        ...['--at', verifyAt, '--offline'],
      );
      const lines = out.split('\n').map((line) => line.trim().replace(/ {2,}/g, ' | '));
      return lines.filter((line) => /^(not )?met \|/.test(line));
    };
    assert.deepEqual(await rows('v4-module-outofdate'), [
      'met | SGX level of 2023-08-09 (OutOfDate)',
      'met | TDX level of 2023-08-09 (OutOfDate)',
      'met | TDX module TDX_01 level of 2023-08-09 (OutOfDate)',
      'met | QE level of 2024-03-13 (UpToDate)',
      'not met | SGX level of 2024-03-13 (UpToDate) | sgxtcbcomponents[0] (BIOS Early Microcode Update): needs 7, has 6',
      'not met | TDX module TDX_01 level of 2024-03-13 (UpToDate) | isvsvn: needs 4, has 2',
    ]);
    assert.deepEqual(await rows('v4-no-matching-tcb-level'), [
      'met | TDX module TDX_01 level of 2024-03-13 (OutOfDate)',
      'met | QE level of 2024-11-13 (UpToDate)',
      'not met | SGX level of 2024-11-13 (UpToDate) | sgxtcbcomponents[0] (BIOS Early Microcode Update): needs 3, has 2',
      'not met | SGX level of 2024-03-13 (OutOfDate) | sgxtcbcomponents[7] (OS/VMM SEAMLDR ACM): needs 5, has 3',
      'not met | SGX level of 2018-01-04 (OutOfDate) | sgxtcbcomponents[7] (OS/VMM SEAMLDR ACM): needs 5, has 3',
      'not met | TDX module TDX_01 level of 2024-11-13 (UpToDate) | isvsvn: needs 6, has 5',
    ]);
  });
});
