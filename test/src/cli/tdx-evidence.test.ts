import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { forgeTcgLog } from '../../forge/tcg-log.js';
import { tdxFiles } from '../../forge/tdx-files.js';

const { at, assay } = await tdxFiles();

describe('assay verify evidence', () => {
  test('a TDX quote is known for what it is', async () => {
    const { code, out } = await assay(
      ...['verify', 'evidence', at('quote.bin'), '--endorsements', at('collateral.json')],
      ...['--root', at('root.pem'), '--policy', at('policy.json'), '--json'],
    );
    assert.equal(code, 0, out);
    assert.equal(JSON.parse(out).tee, 'tdx');
    const twice = [
      '--endorsements',
      at('collateral.json'),
      '--endorsements',
      at('collateral.json'),
    ];
    const unclear = await assay('verify', 'evidence', at('quote.bin'), ...twice);
    assert.equal(unclear.code, 2);
    assert.match(unclear.err, /one file of Intel collateral/);
  });

  test('a quote alone does not meet what a policy asks of an enclave, nor a nonce', async () => {
    const policy = JSON.parse(await readFile(at('policy.json'), 'utf8'));
    await writeFile(at('enclave.json'), JSON.stringify({ ...policy, enclave: {} }));
    const trust = ['--root', at('root.pem'), '--json'];
    const evidence = [at('quote.bin'), '--endorsements', at('collateral.json'), ...trust];
    const quote = ['--quote', at('quote.bin'), '--collateral', at('collateral.json'), ...trust];
    const nonce = ['--nonce', '00'.repeat(32)];
    for (const [args, code] of [
      [['evidence', ...evidence, '--policy', at('enclave.json')], 'enclave.manifest'],
      [['evidence', ...evidence, '--policy', at('policy.json'), ...nonce], 'binding.nonce'],
      [['tdx', ...quote, '--policy', at('enclave.json')], 'enclave.manifest'],
    ] as const) {
      const { code: exit, out } = await assay('verify', ...args);
      assert.deepEqual([exit, JSON.parse(out).code], [1, code], args.join(' '));
    }
  });

  test('an Azure HCL report of a TDX guest asks for its quote', async () => {
    const { code, out } = await assay('verify', 'evidence', at('hcl.bin'), '--json');
    assert.equal(code, 3);
    assert.equal(JSON.parse(out).tee, 'tdx');
    assert.equal(JSON.parse(out).code, 'ENDORSEMENTS_MISSING');
  });

  test('what is cut, prefixed, encoded or no evidence at all is refused with the reason', async () => {
    const quote = await readFile(at('quote.bin'));
    const hcl = await readFile(at('hcl.bin'));
    for (const [name, bytes, code, reason] of [
      ['cut.bin', quote.subarray(0, 1000), 'TDX_QUOTE_FORMAT', /signature data needs/],
      [
        'longer.bin',
        Buffer.concat([quote, Buffer.from('x')]),
        'TDX_QUOTE_TRAILING',
        /zero padding/,
      ],
      ['prefixed.bin', Buffer.concat([Buffer.of(0), quote]), 'ENCODING_EVIDENCE', /like none/],
      ['hex.txt', quote.toString('hex'), 'ENCODING_EVIDENCE', /hexadecimal text/],
      ['base64.txt', quote.toString('base64'), 'ENCODING_EVIDENCE', /base64 text/],
      ['empty.bin', '', 'ENCODING_EVIDENCE', /an empty file/],
      ['cut-hcl.bin', hcl.subarray(0, 900), 'HCL_FORMAT', /hardware report needs/],
    ] as const) {
      await writeFile(at(name), bytes);
      const { code: exit, out } = await assay('verify', 'evidence', at(name), '--json');
      const result = JSON.parse(out);
      assert.equal(exit, 1, name);
      assert.equal(result.code, code, name);
      assert.match(result.summary, reason, name);
    }
    assert.equal((await assay('verify', 'evidence', at('nowhere.bin'))).code, 2);
  });
});

describe('assay show', () => {
  test('tdx explains each field', async () => {
    const { code, out } = await assay('show', 'tdx', at('quote.bin'));
    assert.equal(code, 0);
    for (const text of ['MRTD', 'SEPT_VE_DISABLE', 'FMSPC', '53494d550000']) {
      assert.ok(out.includes(text), text);
    }
    const { fields } = JSON.parse((await assay('show', 'tdx', at('quote.bin'), '--json')).out);
    assert.ok(fields.some((field: { name: string }) => field.name === 'RTMR3'));
    assert.equal((await assay('show', 'tdx', at('ccel.bin'))).code, 1);
  });

  test('tdx says which bits put a TD under debug, those without names too', async () => {
    const quote = await readFile(at('quote.bin'));
    for (const [tud, meaning] of [
      [0x00, 'SEPT_VE_DISABLE'],
      [0x01, 'DEBUG, SEPT_VE_DISABLE; under debug: TUD (bits 7:0) is 0x1'],
      [0x82, 'SEPT_VE_DISABLE; under debug: TUD (bits 7:0) is 0x82'],
    ] as const) {
      // The first byte of TDATTRIBUTES, which follows the header and 120 bytes of the TD report.
      quote[48 + 120] = tud;
      await writeFile(at('debug.bin'), quote);
      const { fields } = JSON.parse((await assay('show', 'tdx', at('debug.bin'), '--json')).out);
      const shown = fields.find((field: { name: string }) => field.name === 'TDATTRIBUTES');
      assert.equal(shown.meaning, meaning);
    }
  });

  test('eventlog explains each event and what they lead to', async () => {
    const tcg = await assay('show', 'eventlog', at('ccel.bin'));
    assert.equal(tcg.code, 0);
    assert.match(tcg.out, /EV_EFI_BOOT_SERVICES_APPLICATION/);
    assert.match(tcg.out, /console=ttyS0/);
    const own = JSON.parse((await assay('show', 'eventlog', at('runtime.cbor'), '--json')).out);
    assert.equal(own.events[0].type, 'model');
    assert.equal(own.registers[0].register, 'RTMR3');
    assert.equal((await assay('show', 'eventlog', at('quote.bin'))).code, 1);
  });

  test('eventlog shows text without the zeros behind it, and of much else how long it is', async () => {
    const zeros = Buffer.alloc(3 * 2 ** 20);
    const log = forgeTcgLog(
      ['text\0\0', Buffer.concat([zeros, Buffer.from('x')])].map((data) => ({
        register: 1,
        type: 13,
        data: Buffer.from(data),
      })),
    );
    await writeFile(at('long.bin'), log);
    const { events } = JSON.parse((await assay('show', 'eventlog', at('long.bin'), '--json')).out);
    assert.equal(events[0].content, 'text');
    assert.match(events[1].content, /^(00){48}… \(3145729 bytes\)$/);
  });

  test('eventlog tells what a register covers from what no register is extended with', async () => {
    const log = forgeTcgLog(
      [
        [0, 13],
        [2, 13],
        [2, 3],
        [4, 13],
        [5, 13],
      ].map(([register = 0, type = 0]) => ({ register, type, data: Buffer.from('text') })),
    );
    await writeFile(at('covered.bin'), log);
    const { out } = await assay('show', 'eventlog', at('covered.bin'), '--json');
    const { events } = JSON.parse(out);
    const covered = events.map((event: { covered: boolean }) => event.covered);
    assert.deepEqual(covered, [false, true, false, true, false]);
  });
});
