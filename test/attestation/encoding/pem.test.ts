import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { strictPemBlocks, toPem } from '../../../attestation/encoding/pem.js';

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
