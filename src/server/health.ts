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

interface HealthChecks {
  readonly name: string;
  readonly definition: ServiceDefinition;
  readonly handlers: UntypedServiceImplementation;
  readonly package: PackageDefinition;
}

interface HealthService extends HealthChecks {
  setServing(serving: boolean): void;
  /** Nothing serves any more: who watches is told so, then its stream ends with OK. */
  end(): void;
}

function known(names: readonly string[], name: string): boolean {
  return name === '' || names.includes(name);
}

/**
 * `grpc.health.v1.Health` of a server and these services, which all serve or none: as `serving` says whenever it
 * is asked; not where it rejects. Without `Watch`: who asks for one takes UNIMPLEMENTED for serving (gRPC's "Health
 * checking protocol").
 */
export function healthChecks(
  services: readonly string[],
  serving: () => Promise<boolean>,
): HealthChecks {
  const current = async (): Promise<HealthCheckResponse> => {
    const serves = await serving().catch(() => false);
    return { status: serves ? 'SERVING' : 'NOT_SERVING' };
  };

  const check = async (
    { request: { service } }: UnaryCall<HealthCheckRequest>,
    answer: Answer<HealthCheckResponse>,
  ): Promise<void> => {
    if (known(services, service)) answer(null, await current());
    else answer(toStatus(new RpcError(status.NOT_FOUND, `no service ${service}`)));
  };

  const list = async (_call: UnaryCall<object>, answer: Answer<object>): Promise<void> => {
    const all = await current();
    answer(null, { statuses: Object.fromEntries(['', ...services].map((name) => [name, all])) });
  };

  const definitions = loadSync(PROTO, { keepCase: true, enums: String, defaults: true });
  return {
    name: HEALTH_SERVICE,
    definition: boundedDefinition(definitions[HEALTH_SERVICE] as ServiceDefinition, MOST_NAMED),
    handlers: { Check: check, List: list },
    package: definitions,
  };
}

/**
 * `healthChecks`, and `Watch`, of what is told: nothing serves before `setServing(true)`. Nothing is kept of a
 * name that is none of theirs, nor of a call that has ended.
 */
export function healthService(services: readonly string[]): HealthService {
  const watchers = new Set<() => void>();
  let current: HealthCheckResponse = { status: 'NOT_SERVING' };
  let over = false;

  /** One answer waits for its caller at most; what is told once it has been taken is the latest status. */
  const watch = (call: ServerWritableStream<HealthCheckRequest, HealthCheckResponse>): void => {
    const ours = known(services, call.request.service);
    let told: HealthCheckResponse['status'] | undefined;
    const tell = (): void => {
      watchers.delete(tell);
      if (call.cancelled) return;
      const latest: HealthCheckResponse = ours ? current : { status: 'SERVICE_UNKNOWN' };
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

  const checks = healthChecks(services, async () => current.status === 'SERVING');
  return {
    ...checks,
    handlers: { ...checks.handlers, Watch: watch },
    setServing,
    end: () => {
      over = true;
      setServing(false);
    },
  };
}
