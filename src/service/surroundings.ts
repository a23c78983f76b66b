import { url as inspectorUrl } from 'node:inspector';
import { AssayError } from '../../attestation/encoding/error.js';
import type { Environment } from '../system/environment.js';

/** Of a process, what can change what it executes without changing what was measured. */
export interface Surroundings {
  readonly env: Environment;
  readonly execArgv: readonly string[];
  readonly inspector: string | undefined;
}

/** This process. */
export function processSurroundings(): Surroundings {
  return { env: process.env, execArgv: process.execArgv, inspector: inspectorUrl() };
}

/**
 * Has this process ignore SIGUSR1. Whoever may signal it could otherwise open Node's inspector in it, and
 * execute anything there: Node does that at this signal wherever nobody listens for it.
 */
export function keepInspectorClosed(): void {
  process.on('SIGUSR1', () => undefined);
}

/**
 * What Kubernetes sets in the pods of a namespace for each of its services, whatever it is called
 * ("Accessing the Service", environment variables): addresses, which only who looks for them reads.
 */
const SERVICE_LINK =
  /_(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$/;

export function isServiceLink(name: string, value: string): boolean {
  return SERVICE_LINK.test(name) || (name.endsWith('_PORT') && /^(tcp|udp|sctp):\/\//.test(value));
}

/**
 * Of Node.js, the dynamic linker (ld.so(8)), the C library (its libraries of character sets, its locales,
 * GLIBC_TUNABLES, mallopt(3)), OpenSSL, whose configuration names libraries to load, ONNX Runtime, and gRPC,
 * whose traces show callers' metadata, and whose cipher suites need not encrypt.
 */
const VARIABLE =
  /^(NODE_.+|LD_.+|GCONV_PATH|LOCPATH|GLIBC_TUNABLES|MALLOC_.+|OPENSSL_(CONF|MODULES|ENGINES)|ORT_.+|GRPC_(NODE_.+|TRACE|VERBOSITY|SSL_.+))$/;

/**
 * Those of them that neither bring code nor write out what is in memory: authorities for TLS, whose bytes
 * are checked by digest; what only prints less, or what only Node's test runner or nobody reads; the
 * one that silences ONNX Runtime, which the engine itself sets; how much memory malloc(3) keeps.
 */
const HARMLESS: ReadonlySet<string> = new Set([
  'NODE_ENV',
  'NODE_EXTRA_CA_CERTS',
  'NODE_NO_WARNINGS',
  'NODE_DISABLE_COLORS',
  'NODE_DISABLE_COMPILE_CACHE',
  'NODE_TEST_CONTEXT',
  'NODE_VERSION', // Node's images for containers
  'NODE_NAME', // a pod's machine, by custom
  'MALLOC_ARENA_MAX',
  'MALLOC_ARENA_TEST',
  'MALLOC_MMAP_MAX_',
  'MALLOC_MMAP_THRESHOLD_',
  'MALLOC_TOP_PAD_',
  'MALLOC_TRIM_THRESHOLD_',
  'ORT_DISABLE_TELEMETRY',
]);

/** Any other argument is refused: each version of Node.js has new ones that load code or write memory out. */
const HARMLESS_ARGUMENT = /^--(no-warnings|disable-sigusr1|max-(old|semi)-space-size=\d+)$/;

function mayAct(name: string, value: string): boolean {
  return value !== '' && VARIABLE.test(name) && !HARMLESS.has(name) && !isServiceLink(name, value);
}

/**
 * Refuses to go on where something that was not measured may act, or memory be written out: preloaded
 * libraries, Node's options and variables, a debugger, ONNX Runtime's variables, gRPC's traces and cipher suites.
 * Throws CONFIG_ENVIRONMENT; `development: true` in the configuration, which the launch policy has to allow,
 * lets it pass.
 */
export function assertUndisturbed({ env, execArgv, inspector }: Surroundings): void {
  const found = [
    ...Object.keys(env).filter((name) => mayAct(name, env[name] ?? '')),
    ...execArgv.filter((argument) => !HARMLESS_ARGUMENT.test(argument)),
    ...(inspector === undefined ? [] : ['an open inspector']),
  ];
  if (found.length > 0) {
    throw new AssayError(
      'CONFIG_ENVIRONMENT',
      `refusing to start under ${found.join(', ')}: unset it, or set development: true where nothing depends on the evidence`,
    );
  }
}
