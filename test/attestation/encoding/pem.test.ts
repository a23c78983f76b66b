import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { pemBlocks, strictPemBlocks, toPem } from '../../../attestation/encoding/pem.js';

const der = Uint8Array.from({ length: 100 }, (_, i) => i);
const block = toPem(der, 'X509 CRL');
const [begin, end] = ['-----BEGIN X509 CRL-----', '-----END X509 CRL-----'];
/** As long as the text of collateral may be: what tries each split of such a run does not come to an end. */
const breaks = '\n'.repeat(4 * 1024 * 1024);

/** As `openssl x509 -text` and `openssl crl -text` print them, and `openssl pkcs12`. */
const CERTIFICATE_TEXT = `Certificate:
    Data:
        Version: 3 (0x2)
        Serial Number: 65536 (0x10000)
        Signature Algorithm: rsassaPss
        Issuer: OU = Engineering, C = US, L = Santa Clara, O = Advanced Micro Devices, CN = ARK-Milan
            Modulus:
                00:d0:8a:7f:5d:a3:0c:93:41:5f:6c:a9:3a:36:e5:
        X509v3 extensions:
            X509v3 CRL Distribution Points:
                  URI:https://kdsintf.amd.com/vcek/v1/Milan/crl
subject=OU = Engineering, C = US, CN = ARK-Milan
issuer=OU = Engineering, C = US, CN = ARK-Milan
`;
const CRL_TEXT = `Certificate Revocation List (CRL):
        Version 2 (0x1)
        Issuer: OU = Engineering, CN = ARK-Milan
        Last Update: Apr 10 22:37:01 2024 GMT
        CRL extensions:
            X509v3 CRL Number:
                4
No Revoked Certificates.
    Signature Value:
        34:5c:ee:1a:c6:4b:ef:cf:ad:4d:2b:2d:0f:23:b7:15:ba:a4:
`;
const BAG_TEXT = `Bag Attributes
    localKeyID: 54 69 6D 65 20 31 37 30 30 30 30 30 30 30 30 30 30 30
    friendlyName: ARK-Milan
subject=CN = ARK-Milan
`;

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
    ['what openssl prints of a certificate', `${CERTIFICATE_TEXT}${block}`, 1],
    ['what openssl prints of a list', `${CRL_TEXT}${block}`, 1],
    ['attributes of a bag', `${BAG_TEXT}${block}`, 1],
    ['a line below a title', `AMD\n${'='.repeat(60)}\n${block}`, 1],
    ['words of a comment', `the end of AMD's certificates\nBEGIN of the list\n${block}`, 1],
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
    ['boundaries that lack a dash', block.replace(/^-----/gm, '----')],
    ['boundaries of other dashes', block.replaceAll('-----', '—–-')],
    ['boundaries in lower case', block.replace(/BEGIN.*|END.*/g, (it) => it.toLowerCase())],
    ['a list with its boundaries alone', `----BEGIN X509 CRL----\n----END X509 CRL----\n`],
    ['boundaries with other letters', block.replace('BEGIN', 'CEGIN').replace('END', 'DND')],
    ['a body alone', block.replace(/-.*-/g, '').replaceAll('\n', '\r')],
    ['an indented body alone', block.replace(/-.*-/g, '').replaceAll('\n', '\n  ')],
  ];
  for (const [name, text] of refused) {
    for (const label of ['X509 CRL', 'CERTIFICATE'] as const) {
      test(`${name} is refused beside a whole block, whoever looks for a ${label}`, () =>
        assert.throws(() => pemBlocks(certificate + text, label), { code: 'X509_FORMAT' }));
    }
  }
});
