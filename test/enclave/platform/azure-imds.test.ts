import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { suite, test } from 'node:test';
import { toBase64Url } from '../../../attestation/encoding/bytes.js';
import { toPem } from '../../../attestation/encoding/pem.js';
import { parseAuxblob } from '../../../attestation/evidence/auxblob.js';
import { type AzureHost, azureHost } from '../../../enclave/platform/azure-imds.js';

type Answer = (request: IncomingMessage, response: ServerResponse, body: string) => void;

/** Asks a host on this machine that answers so. */
async function asking<T>(answer: Answer, question: (host: AzureHost) => Promise<T>): Promise<T> {
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (part: Buffer) => {
      body += part.toString();
    });
    request.on('end', () => answer(request, response, body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  try {
    return await question(azureHost({ base: `http://127.0.0.1:${port}`, timeout: 2000 }));
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const saying =
  (text: string): Answer =>
  (_, response) =>
    response.end(text);

const pem = (byte: number): string => toPem(Uint8Array.of(byte), 'CERTIFICATE');
const refused = { code: 'PLATFORM_QUOTE_SERVICE' };

suite("Azure's services for a guest", () => {
  test('a TDREPORT becomes a quote', async () => {
    const report = Uint8Array.from({ length: 1024 }, (_, index) => index);
    const seen: string[] = [];
    const quote = await asking(
      ({ method, url }, response, body) => {
        seen.push(`${method} ${url}`, body);
        response.end(JSON.stringify({ quote: `${toBase64Url(Uint8Array.of(1, 2))}=` }));
      },
      (host) => host.quote(report),
    );
    assert.deepEqual(quote, Uint8Array.of(1, 2));
    assert.deepEqual(seen, ['POST /acc/tdquote', JSON.stringify({ report: toBase64Url(report) })]);
  });

  test('certificates become an auxblob', async () => {
    const auxblob = await asking(
      ({ headers, url }, response) => {
        assert.equal(url, '/metadata/THIM/amd/certification');
        assert.equal(headers['metadata'], 'true');
        response.end(
          JSON.stringify({ vcekCert: pem(1), certificateChain: pem(2) + pem(3), tcbm: 'DB18' }),
        );
      },
      (host) => host.certificates(),
    );
    assert.deepEqual(
      parseAuxblob(auxblob).map(({ kind, data }) => [kind, ...data]),
      [
        ['vcek', 1],
        ['ask', 2],
        ['ark', 3],
      ],
    );
  });

  for (const [what, answer] of [
    [
      'a quote under an error’s status',
      (_, response) => response.writeHead(429).end('{"quote":"AA"}'),
    ],
    [
      'a redirection to a quote',
      ({ url }, response) =>
        url === '/quote'
          ? response.end('{"quote":"AA"}')
          : response.writeHead(302, { location: '/quote' }).end(),
    ],
    ['no JSON', saying('busy')],
    ['no quote', saying('{}')],
    ['a quote twice', saying('{"quote":"AA","quote":"AQ"}')],
    ['more than a quote has', saying(`{"quote":"${'A'.repeat(300_000)}"}`)],
    [
      'an answer that breaks off',
      (_, response) => response.writeHead(200, { 'content-length': '9' }).destroy(),
    ],
    ['no answer', () => undefined],
  ] satisfies readonly (readonly [string, Answer])[]) {
    test(`${what} is refused`, async () => {
      await assert.rejects(
        asking(answer, (host) => host.quote(new Uint8Array(1024))),
        refused,
      );
    });
  }

  for (const text of ['!', 'AA===']) {
    test(`a quote that is not base64url, ${text}, is refused`, async () => {
      const answer = saying(JSON.stringify({ quote: text }));
      const question = asking(answer, (host) => host.quote(new Uint8Array(1024)));
      await assert.rejects(question, { ...refused, message: /answers \/acc\/tdquote malformed: / });
    });
  }

  for (const [what, vcekCert, certificateChain, message] of [
    ['no certificate of the chip', '', pem(2) + pem(3), /fewer than three certificates$/],
    ['a chain of no certificate', pem(1), '', /fewer than three certificates$/],
    ['a chain of one certificate', pem(1), pem(2), /fewer than three certificates$/],
    ['a certificate that breaks off', pem(1).slice(0, -9), pem(2) + pem(3), /malformed: /],
    ['a chain that is not base64', pem(1), pem(2) + pem(3).replace('=', '!'), /malformed: /],
  ] as const) {
    test(`${what} is refused`, async () => {
      const answer = saying(JSON.stringify({ vcekCert, certificateChain }));
      const question = asking(answer, (host) => host.certificates());
      await assert.rejects(question, { ...refused, message });
    });
  }
});
