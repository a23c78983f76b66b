import { url as inspectorUrl } from 'node:inspector';
import { AssayError } from '../attestation/encoding/error.js';

/** Environment variables, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

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
 * Of the dynamic linker (ld.so(8)), the C library (GCONV_PATH and GLIBC_TUNABLES), OpenSSL, whose
 * configuration names libraries to load, Node.js and ONNX Runtime. Of the last one's variables, the one
 * that only silences it, which the engine itself sets, passes; so does LD_LIBRARY_PATH, which many
 * hosts set and which the measured image of a guest controls.
 */
const VARIABLE =
  /^(NODE_OPTIONS|NODE_PATH|LD_(?!LIBRARY_PATH$).*|GCONV_PATH|GLIBC_TUNABLES|OPENSSL_(CONF|MODULES|ENGINES)|ORT_(?!DISABLE_TELEMETRY$).*)$/;
const ARGUMENT =
  /^(-r|-C|--(inspect|debug|cpu-prof|heap-prof|prof|require|import|loader|experimental-loader|conditions|env-file|openssl|tls-keylog|snapshot-blob|expose-internals))/;

/**
 * Refuses to go on where something that was not measured may act: preloaded libraries, Node's
 * options, a debugger, ONNX Runtime's variables. Throws CONFIG_ENVIRONMENT; `development: true` in the
 * configuration, which the launch policy has to allow, lets it pass.
 */
export function assertUndisturbed({ env, execArgv, inspector }: Surroundings): void {
  const found = [
    ...Object.keys(env).filter((name) => VARIABLE.test(name) && env[name] !== ''),
    ...execArgv.filter((argument) => ARGUMENT.test(argument)),
    ...(inspector === undefined ? [] : ['an open inspector']),
  ];
  if (found.length > 0) {
    throw new AssayError(
      'CONFIG_ENVIRONMENT',
      `refusing to start under ${found.join(', ')}: unset it, or set development: true where nothing depends on the evidence`,
    );
  }
}
