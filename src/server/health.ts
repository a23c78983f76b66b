import { fileURLToPath } from 'node:url';
import {
  type ServerWritableStream,
  type ServiceDefinition,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { loadSync, type PackageDefinition } from '@grpc/proto-loader';
import { boundedDefinition, MOST_NAMED } from './protocol.js';
import { RpcError, toStatus } from './rpc-error.js';
import type { Answer, UnaryCall } from './unary-methods.js';

const PROTO = fileURLToPath(new URL('../../../proto/grpc/health/v1/health.proto', import.meta.url));
/** Full name. */
const HEALTH_SERVICE = 'grpc.health.v1.Health';

interface HealthCheckRequest {
  readonly service: string;
}

interface HealthCheckResponse {
  readonly status: 'SERVING' | 'NOT_SERVING' | 'SERVICE_UNKNOWN';
}

export interface HealthService {
  readonly name: string;
  readonly definition: ServiceDefinition;
  readonly handlers: UntypedServiceImplementation;
  readonly package: PackageDefinition;
  setServing(serving: boolean): void;
}

/**
 * `grpc.health.v1.Health` of a server and these services, which all serve or none: none before
 * `setServing(true)`. Nothing is kept of a name that is none of theirs, nor of a call that has ended.
 */
export function healthService(services: readonly string[]): HealthService {
  const names = ['', ...services];
  const watchers = new Set<() => void>();
  let current: HealthCheckResponse = { status: 'NOT_SERVING' };

  const check = (
    { request: { service } }: UnaryCall<HealthCheckRequest>,
    answer: Answer<HealthCheckResponse>,
  ): void => {
    if (names.includes(service)) answer(null, current);
    else answer(toStatus(new RpcError(status.NOT_FOUND, `no service ${service}`)));
  };

  /** One answer waits for its caller at most; what is told once it has been taken is the latest status. */
  const watch = (call: ServerWritableStream<HealthCheckRequest, HealthCheckResponse>): void => {
    if (!names.includes(call.request.service)) {
      call.write({ status: 'SERVICE_UNKNOWN' });
      return;
    }
    const tell = (): void => {
      watchers.delete(tell);
      const told = current;
      call.write(told, () => {
        if (call.cancelled) return;
        if (told.status === current.status) watchers.add(tell);
        else tell();
      });
    };
    call.once('cancelled', () => watchers.delete(tell));
    tell();
  };

  const definitions = loadSync(PROTO, { keepCase: true, enums: String, defaults: true });
  return {
    name: HEALTH_SERVICE,
    definition: boundedDefinition(definitions[HEALTH_SERVICE] as ServiceDefinition, MOST_NAMED),
    handlers: {
      Check: check,
      Watch: watch,
      List: (_call: UnaryCall<object>, answer: Answer<object>) =>
        answer(null, { statuses: Object.fromEntries(names.map((name) => [name, current])) }),
    },
    package: definitions,
    setServing: (serving) => {
      const next = serving ? 'SERVING' : 'NOT_SERVING';
      if (next === current.status) return;
      current = { status: next };
      for (const tell of [...watchers]) tell();
    },
  };
}
