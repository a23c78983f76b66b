import 'reflect-metadata';
import assert from 'node:assert/strict';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { suite, test } from 'node:test';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  X509Certificate as PeerCertificate,
} from '@peculiar/x509';
import { parseDer } from '../../attestation/encoding/asn1.js';
import { selfSignedCertificate } from '../../enclave/certificate.js';

const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const HOSTS = [
  'enclave.example',
  'localhost',
  '127.0.0.1',
  '::1',
  '2001:db8::7:0:ff',
  '::ffff:192.0.2.1',
];

function make(notBefore = '2026-11-21T00:00:00Z', notAfter = '2029-02-23T00:00:00Z') {
  const der = selfSignedCertificate({
    commonName: 'Assay enclave',
    hosts: HOSTS,
    notBefore: new Date(notBefore),
    notAfter: new Date(notAfter),
    ...keys,
  });
  return { der, node: new X509Certificate(der), peer: new PeerCertificate(der) };
}

suite('self-signed certificate', () => {
  const { der, node, peer } = make();

  test('is DER, and its own key signed it', async () => {
    parseDer(der);
    assert.ok(node.verify(keys.publicKey));
    assert.ok(await peer.verify({ signatureOnly: true }));
    assert.ok(node.checkPrivateKey(keys.privateKey));
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    assert.ok(!node.verify(other.publicKey));
  });

  test('names every host, and no other', () => {
    for (const host of HOSTS.slice(0, 2)) assert.equal(node.checkHost(host), host);
    for (const host of HOSTS.slice(2)) assert.ok(node.checkIP(host), host);
    assert.equal(node.checkHost('other.example'), undefined);
    assert.equal(node.checkIP('127.0.0.2'), undefined);
    assert.equal(node.checkIP('2001:db8::7:ff'), undefined);
  });

  test('is an end entity for TLS servers and nothing else', () => {
    assert.equal(node.ca, false);
    const constraints = peer.getExtension(BasicConstraintsExtension);
    assert.deepEqual([constraints?.ca, constraints?.critical], [false, true]);
    const usage = peer.getExtension(KeyUsagesExtension);
    assert.deepEqual([usage?.usages, usage?.critical], [KeyUsageFlags.digitalSignature, true]);
    const purposes = peer.getExtension(ExtendedKeyUsageExtension)?.usages ?? [];
    assert.deepEqual([...purposes], ['1.3.6.1.5.5.7.3.1']);
    assert.equal(node.subject, 'CN=Assay enclave');
    assert.equal(node.issuer, node.subject);
  });

  test('says its time in either form, in the one that its year demands', () => {
    assert.equal(peer.notBefore.toISOString(), '2026-11-21T00:00:00.000Z');
    assert.equal(peer.notAfter.toISOString(), '2029-02-23T00:00:00.000Z');
    const late = make('2049-12-31T23:59:59Z', '2050-01-01T00:00:00Z').peer;
    assert.equal(late.notBefore.toISOString(), '2049-12-31T23:59:59.000Z');
    assert.equal(late.notAfter.toISOString(), '2050-01-01T00:00:00.000Z');
    const { der: bytes } = make('2049-12-31T23:59:59Z', '2050-01-01T00:00:00Z');
    const validity = '\x17\x0d491231235959Z\x18\x0f20500101000000Z';
    assert.ok(Buffer.from(bytes).includes(validity, 0, 'latin1'));
  });

  test('has a positive serial number of its own', () => {
    const numbers = new Set(Array.from({ length: 50 }, () => make().node.serialNumber));
    assert.equal(numbers.size, 50);
    for (const number of numbers) assert.match(number, /^[4-7][0-9A-F]{31}$/);
  });
});
