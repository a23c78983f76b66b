import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fromHex } from '../../attestation/encoding/bytes.js';
import type { CollateralText } from '../../attestation/endorsements/intel.js';

/** What the service does with one request, before it answers properly again. */
export type Trouble =
  | { readonly status: number; readonly retryAfter?: string }
  | 'hang up'
  /** Half of an answer that was announced whole. */
  | 'truncate';

/** Intel's PCS, or a PCCS, in a box. */
export class Pcs {
  /** Taken off the front, one a request. */
  readonly troubles: Trouble[] = [];
  /** Requests that came in, path and query. */
  readonly requests: string[] = [];
  /** Collateral by `update` or by evaluation number, for one FMSPC. */
  readonly served = new Map<string, CollateralText>();
  /** CRLs in hexadecimal, as a PCCS has them; DER otherwise. */
  hexadecimal = false;
  /** Changes headers of every answer. */
  headers: (headers: Record<string, string>) => Record<string, string> = (headers) => headers;
  readonly #fmspc: string;
  readonly #server: Server;

  private constructor(fmspc: string) {
    this.#fmspc = fmspc;
    this.#server = createServer((request, response) => {
      this.requests.push(request.url ?? '');
      const trouble = this.troubles.shift();
      if (trouble === undefined) this.#answer(new URL(request.url ?? '', 'http://pcs'), response);
      else if (trouble === 'hang up') response.destroy();
      else if (trouble === 'truncate') {
        response.writeHead(200, { 'content-length': '1000' });
        response.write('{"tcbInfo":', () => response.destroy());
      } else {
        const { status, retryAfter } = trouble;
        response
          .writeHead(status, retryAfter === undefined ? {} : { 'retry-after': retryAfter })
          .end();
      }
    });
  }

  static async open(fmspc: string): Promise<Pcs> {
    const pcs = new Pcs(fmspc.toUpperCase());
    await new Promise<void>((resolve) => pcs.#server.listen(0, '127.0.0.1', resolve));
    return pcs;
  }

  get base(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer({ pathname, searchParams }: URL, response: ServerResponse): void {
    const selection =
      searchParams.get('tcbEvaluationDataNumber') ?? searchParams.get('update') ?? 'standard';
    const collateral = this.served.get(selection) ?? this.served.values().next().value;
    const known = searchParams.has('ca') || pathname.endsWith('rootcacrl');
    if (collateral === undefined || (!known && !this.served.has(selection))) {
      response.writeHead(404).end();
      return;
    }
    const send = (body: string | Uint8Array, name?: string, chain?: string): void => {
      const headers: Record<string, string> =
        name === undefined ? {} : { [name]: encodeURIComponent(chain ?? '') };
      response.writeHead(200, this.headers(headers)).end(body);
    };
    const list = (hex: string) => (this.hexadecimal ? hex : fromHex(hex));
    if (pathname === '/tdx/certification/v4/tcb') {
      if (searchParams.get('fmspc') !== this.#fmspc) {
        response.writeHead(404).end();
        return;
      }
      send(
        `{"tcbInfo":${collateral.tcb_info},"signature":"${collateral.tcb_info_signature}"}`,
        'TCB-Info-Issuer-Chain',
        collateral.tcb_info_issuer_chain,
      );
    } else if (pathname === '/tdx/certification/v4/qe/identity') {
      send(
        `{"enclaveIdentity":${collateral.qe_identity},"signature":"${collateral.qe_identity_signature}"}`,
        'SGX-Enclave-Identity-Issuer-Chain',
        collateral.qe_identity_issuer_chain,
      );
    } else if (pathname === '/sgx/certification/v4/pckcrl' && searchParams.has('ca')) {
      send(list(collateral.pck_crl), 'SGX-PCK-CRL-Issuer-Chain', collateral.pck_crl_issuer_chain);
    } else if (pathname === '/sgx/certification/v4/rootcacrl') {
      send(list(collateral.root_ca_crl));
    } else response.writeHead(404).end();
  }
}
