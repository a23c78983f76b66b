import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { pemBlocks, strictPemBlocks, toPem } from '../../../attestation/encoding/pem.js';

const der = Uint8Array.from({ length: 100 }, (_, i) => i);
const block = toPem(der, 'X509 CRL');
const [begin, end] = ['-----BEGIN X509 CRL-----', '-----END X509 CRL-----'];
/** As long as the text of collateral may be: what tries each split of such a run does not come to an end. */
const breaks = '\n'.repeat(4 * 1024 * 1024);

describe('PEM and nothing else', () => {
  const accepted: readonly (readonly [string, string, readonly Uint8Array[]])[] = [
    ['nothing', '', []],
    ['two blocks', block.repeat(2), [der, der]],
    ['other line breaks', block.replaceAll('\n', '\r\n'), [der]],
    ['empty lines', block.replaceAll('\n', '\n\n'), [der]],
    ['zero bytes behind it', `${block}\0\0`, [der]],
    ['line breaks alone', `${begin}${breaks}${end}${breaks}`, [new Uint8Array()]],
  ];
  for (const [name, text, blocks] of accepted) {
    test(name, () => assert.deepEqual(strictPemBlocks(text, 'X509 CRL'), blocks));
  }
  const refused: readonly (readonly [string, string])[] = [
    ['no line break behind the label', block.replace(`${begin}\n`, begin)],
    ['another label', toPem(der, 'CERTIFICATE')],
    ['text before it', `a${block}`],
    ['text behind it', `${block}a`],
    ['zero bytes between blocks', `${block}\0${block}`],
    ['an attribute', block.replace('\n', '\nProc-Type: 4\n')],
    ['no end', block.replace(end, '')],
    ['line breaks without end', `${begin}${breaks}!`],
  ];
  for (const [name, text] of refused) {
    test(`${name} is refused`, () =>
      assert.throws(() => strictPemBlocks(text, 'X509 CRL'), { code: 'ENCODING_BASE64' }));
  }
});

describe('PEM among other text', () => {
  const certificate = toPem(new Uint8Array(60), 'CERTIFICATE');
  const accepted: readonly (readonly [string, string, number])[] = [
    ['no block', 'a comment', 0],
    ['text before, between and behind', `Subject: A\n${block}of AMD\n${certificate}end`, 1],
    ['blanks within', block.replaceAll('\n', ' \n\t'), 1],
    ['no line break behind the label', block.replace(`${begin}\n`, begin), 1],
    ['the other label', certificate, 0],
  ];
  for (const [name, text, blocks] of accepted) {
    test(name, () => assert.deepEqual(pemBlocks(text, 'X509 CRL'), Array(blocks).fill(der)));
  }
  const refused: readonly (readonly [string, string])[] = [
    ['a character that is none of base64', block.replace('\nA', '\n#')],
    ['an attribute', block.replace('\n', '\nComment: AMD\n\n')],
    ['a label that is not known', block.replaceAll('X509 CRL', 'CRL')],
    ['no end', block.replace(end, '')],
    ['half of a block', block.slice(0, 60)],
    ['no begin', block.replace(begin, '')],
    ['a damaged begin', block.replace(begin, begin.slice(1))],
    ['ends of another label', block.replace(end, '-----END CERTIFICATE-----')],
    ['base64 that is too short', block.replace('=\n', '\n')],
  ];
  for (const [name, text] of refused) {
    for (const label of ['X509 CRL', 'CERTIFICATE'] as const) {
      test(`${name} is refused beside a whole block, whoever looks for a ${label}`, () =>
        assert.throws(() => pemBlocks(certificate + text, label), { code: 'X509_FORMAT' }));
    }
  }
});
