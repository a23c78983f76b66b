import { fromBase64Url, toBase64Url } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { JsonFields, parseStrictJson } from '../../attestation/encoding/json.js';
import { pemBlocks } from '../../attestation/encoding/pem.js';
import { encodeAuxblob } from '../../attestation/evidence/auxblob.js';

/** Azure's services for the guest, on the link-local address that the host answers. */
const SERVICE = 'http://169.254.169.254';
const LIMIT = 256 * 1024;
const CODE = 'PLATFORM_QUOTE_SERVICE';

/**
 * The host's services for a confidential VM (Microsoft, Azure Instance Metadata Service). The host may
 * answer anything: a quote proves itself to the verifier, and so do certificates.
 */
export interface AzureHost {
  /** A TDX quote of a TDREPORT of this machine. Throws PLATFORM_QUOTE_SERVICE. */
  quote(tdReport: Uint8Array): Promise<Uint8Array>;
  /** The chip's certificate and its authorities as an auxblob. Throws PLATFORM_QUOTE_SERVICE. */
  certificates(): Promise<Uint8Array>;
}

export interface AzureHostOptions {
  readonly base?: string;
  /** Milliseconds for one answer. */
  readonly timeout?: number;
}

async function bounded(response: Response): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    if (length > LIMIT) throw new AssayError(CODE, `Azure's host answers more than ${LIMIT} bytes`);
    parts.push(part);
  }
  return new Uint8Array(Buffer.concat(parts));
}

export function azureHost(options: AzureHostOptions = {}): AzureHost {
  const { base = SERVICE, timeout = 10_000 } = options;
  const ask = async <T>(
    path: string,
    init: RequestInit,
    read: (answer: JsonFields) => T,
  ): Promise<T> => {
    const signal = AbortSignal.timeout(timeout);
    try {
      const response = await fetch(base + path, { ...init, signal, redirect: 'error' });
      if (response.status !== 200) {
        throw new AssayError(CODE, `Azure's host answers ${path} with status ${response.status}`);
      }
      const json = parseStrictJson(await bounded(response), `the answer to ${path}`, CODE);
      return read(new JsonFields(json, `the answer to ${path}`, CODE));
    } catch (error) {
      if (!(error instanceof AssayError)) {
        throw new AssayError(CODE, `Azure's host does not answer ${path}`, error);
      }
      if (error.code === CODE) throw error;
      throw new AssayError(CODE, `Azure's host answers ${path} malformed: ${error.message}`, error);
    }
  };
  return {
    quote: (tdReport) =>
      ask(
        '/acc/tdquote',
        {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ report: toBase64Url(tdReport) }),
        },
        (answer) => fromBase64Url(answer.text('quote').replace(/={1,2}$/, '')),
      ),
    certificates: () =>
      ask('/metadata/THIM/amd/certification', { headers: { metadata: 'true' } }, auxblobOf),
  };
}

/** The certificates of an answer. Throws PLATFORM_QUOTE_SERVICE, and X509_FORMAT for what is no PEM. */
function auxblobOf(answer: JsonFields): Uint8Array {
  const [vcek] = pemBlocks(answer.text('vcekCert'), 'CERTIFICATE');
  const [ask, ark] = pemBlocks(answer.text('certificateChain'), 'CERTIFICATE');
  if (vcek === undefined || ask === undefined || ark === undefined) {
    throw new AssayError(CODE, "Azure's host answers with fewer than three certificates");
  }
  return encodeAuxblob([
    { kind: 'vcek', data: vcek },
    { kind: 'ask', data: ask },
    { kind: 'ark', data: ark },
  ]);
}
