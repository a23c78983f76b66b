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
  /** Nothing serves any more: who watches is told so, then its stream ends with OK. */
  end(): void;
}

/**
 * `grpc.health.v1.Health` of a server and these services, which all serve or none: none before
 * `setServing(true)`. Nothing is kept of a name that is none of theirs, nor of a call that has ended.
 */
export function healthService(services: readonly string[]): HealthService {
  const names = ['', ...services];
  const watchers = new Set<() => void>();
  let current: HealthCheckResponse = { status: 'NOT_SERVING' };
  let over = false;

  const check = (
    { request: { service } }: UnaryCall<HealthCheckRequest>,
    answer: Answer<HealthCheckResponse>,
  ): void => {
    if (names.includes(service)) answer(null, current);
    else answer(toStatus(new RpcError(status.NOT_FOUND, `no service ${service}`)));
  };

  /** One answer waits for its caller at most; what is told once it has been taken is the latest status. */
  const watch = (call: ServerWritableStream<HealthCheckRequest, HealthCheckResponse>): void => {
    const known = names.includes(call.request.service);
    let told: HealthCheckResponse['status'] | undefined;
    const tell = (): void => {
      watchers.delete(tell);
      if (call.cancelled) return;
      const latest: HealthCheckResponse = known ? current : { status: 'SERVICE_UNKNOWN' };
      if (latest.status !== told) {
        told = latest.status;
        call.write(latest, tell);
      } else if (over) call.end();
      else watchers.add(tell);
    };
    call.once('cancelled', () => watchers.delete(tell));
    tell();
  };

  const setServing = (serving: boolean): void => {
    current = { status: serving ? 'SERVING' : 'NOT_SERVING' };
    for (const tell of [...watchers]) tell();
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
    setServing,
    end: () => {
      over = true;
      setServing(false);
    },
  };
}
