import { fileURLToPath } from 'node:url';
import {
  type ServiceDefinition,
  type ServiceError,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { loadSync, type PackageDefinition } from '@grpc/proto-loader';
import { AssayError } from '../../attestation/encoding/error.js';
import type { Enclave } from '../../enclave/enclave.js';
import type { Issuer } from '../../enclave/issuer.js';
import { addressOf } from '../engine/pending.js';
import { encodeEvidence } from './codec/evidence-response.js';
import { opaqueMessage } from './protocol.js';
import type { Answer, UnaryCall } from './unary-methods.js';

/** What of an enclave this service shows. */
export interface Attester extends Pick<Enclave, 'evidence' | 'manifestBytes'> {
  readonly issuer: Pick<Issuer, 'treeHead' | 'inclusion' | 'consistency'>;
}

interface Requests {
  GetEvidence: { readonly nonce: Uint8Array };
  GetManifest: object;
  GetTreeHead: object;
  GetInclusionProof: { readonly index: string };
  GetConsistencyProof: { readonly old_size: string };
}

const PROTO = fileURLToPath(new URL('../../../proto/assay/v1/attestation.proto', import.meta.url));

/** The package `assay.v1`, for the server and for its reflection. */
export function loadAttestation(): PackageDefinition {
  return loadSync(PROTO, { keepCase: true, longs: String, defaults: true });
}

/**
 * `assay.v1.Attestation` as grpc-js registers it. Evidence passes as bytes: the callers whom one report answers
 * share most of theirs.
 */
export function attestationDefinition(definitions: PackageDefinition): ServiceDefinition {
  const service = definitions['assay.v1.Attestation'] as ServiceDefinition;
  const { GetEvidence } = service;
  if (GetEvidence === undefined) throw new TypeError('assay.v1.Attestation has no GetEvidence');
  return { ...service, GetEvidence: { ...GetEvidence, responseSerialize: opaqueMessage } };
}

/** Codes of what a caller did, or of a limit that did its work; everything else is the platform's failure. */
const STATUS: ReadonlyMap<string, status> = new Map([
  ['BINDING_NONCE', status.INVALID_ARGUMENT],
  ['PLATFORM_CANCELLED', status.CANCELLED],
  ['PLATFORM_EXHAUSTED', status.RESOURCE_EXHAUSTED],
  ['MERKLE_INDEX', status.OUT_OF_RANGE],
  ['MERKLE_PRUNED', status.NOT_FOUND],
]);

function serviceError(error: unknown): Pick<ServiceError, 'code' | 'details'> {
  if (!(error instanceof AssayError)) {
    return { code: status.INTERNAL, details: 'the attestation service failed' };
  }
  const code = STATUS.get(error.code) ?? status.UNAVAILABLE;
  return { code, details: `${error.code}: ${error.message}` };
}

function isOwnFailure(error: unknown): boolean {
  return !(error instanceof AssayError && STATUS.has(error.code));
}

/**
 * A uint64 of a request as a position in the log, or its size;
 * throws MERKLE_INDEX beyond 2^53, which no log reaches.
 */
function position(digits: string, what: string): number {
  if (BigInt(digits) <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(digits);
  throw new AssayError('MERKLE_INDEX', `expected ${what} of at most 2^53 - 1, not ${digits}`);
}

/**
 * The handlers over one enclave.
 * @param onFailure told of failures that are the service's own, with what the caller is not told.
 */
export function attestationHandlers(
  enclave: Attester,
  onFailure: (error: unknown) => void,
): UntypedServiceImplementation {
  const { issuer } = enclave;

  function unary<Name extends keyof Requests>(
    answer: (request: Requests[Name], call: UnaryCall<Requests[Name]>) => object | Promise<object>,
  ): (call: UnaryCall<Requests[Name]>, done: Answer<object>) => void {
    return (call, done) => {
      const answered = (async () => answer(call.request, call))();
      answered.then(
        (response) => done(null, response),
        (error: unknown) => {
          if (isOwnFailure(error)) onFailure(error);
          done(serviceError(error));
        },
      );
    };
  }

  return {
    GetEvidence: unary<'GetEvidence'>(async ({ nonce }, call) => {
      const bundle = await enclave.evidence(new Uint8Array(nonce), {
        address: addressOf(call.getPeer()),
        onCancel: (listener) => call.once('cancelled', listener),
      });
      return encodeEvidence(bundle);
    }),
    GetManifest: unary<'GetManifest'>(() => ({ manifest: enclave.manifestBytes })),
    GetTreeHead: unary<'GetTreeHead'>(() => ({ tree_head: issuer.treeHead() })),
    GetInclusionProof: unary<'GetInclusionProof'>(({ index }) => ({
      receipt: issuer.inclusion(position(index, 'an index')),
    })),
    GetConsistencyProof: unary<'GetConsistencyProof'>(({ old_size }) => {
      const { treeHead, proof } = issuer.consistency(position(old_size, 'a size'));
      return { tree_head: treeHead, proof };
    }),
  };
}
