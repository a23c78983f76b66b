import { AssayError } from '../../attestation/encoding/error.js';

/** The gRPC status (google.rpc.Code) that a CLIENT_SERVICE was answered with; undefined for any other failure. */
export function serviceStatus(error: unknown): number | undefined {
  if (!(error instanceof AssayError) || error.code !== 'CLIENT_SERVICE') return undefined;
  const { cause } = error;
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  return typeof code === 'number' ? code : undefined;
}
