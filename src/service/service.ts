import { writeFile } from 'node:fs/promises';
import { AssayError } from '../../attestation/encoding/error.js';
import { adviceOnNode } from '../../enclave/platform/node-version.js';
import { loadConfig } from '../config.js';
import { serve } from '../main.js';
import { endBy, endingSignal } from '../system/ending-signal.js';
import { describeError, makeLog } from './log.js';
import { keepInspectorClosed, processSurroundings } from './surroundings.js';

/** Exit code for an engine that cannot go on: a supervisor starts the process into a new epoch. */
const EXIT_FATAL = 4;

/** Seconds beyond `drainSeconds` that freeing the models may take before the process ends anyway. */
const CLOSING_SECONDS = 5;

export interface ServiceOptions {
  /** Where to write the simulator's root certificate, PEM; refused on hardware, which has none. */
  readonly simulatorRoot?: string;
}

/**
 * Ends the process whatever its threads are inside of. `process.exit` would wait for executions, even
 * one that hangs, and ONNX Runtime aborts the process after them, which may write a core file.
 */
const endAtOnce = (): void => endBy('SIGKILL');

/**
 * Runs the service of a configuration file until SIGTERM or SIGINT, then drains it: no new requests,
 * those under way are answered. A signal a second later or more ends the process at once. While nothing is
 * served yet a signal ends the process by itself. When the engine cannot go on the service is drained too,
 * and the process ends for its supervisor to start again: with exit code 4 or, where an execution hangs, by
 * SIGKILL, the only end that it cannot delay.
 * Rejects with what `loadConfig` and `serve` reject with, USAGE_OPTION or USAGE_FILE.
 */
export async function runService(path: string, options: ServiceOptions = {}): Promise<void> {
  // Before anything is awaited: an inspector that opened earlier is then seen among the surroundings.
  keepInspectorClosed();
  const config = await loadConfig(path, process.env);
  if (options.simulatorRoot !== undefined && config.platform.kind !== 'simulator') {
    const why = `with the platform ${config.platform.kind}: its hardware's vendor has the root`;
    throw new AssayError('USAGE_OPTION', `--simulator-root changes nothing ${why}`);
  }
  const log = makeLog(config.logLevel);
  const { node, nghttp2 } = process.versions;
  const advice = adviceOnNode(process.versions);
  if (advice !== undefined) log.warn({ node, nghttp2 }, advice);
  const ended = endingSignal(endAtOnce);
  let close = async (): Promise<void> => undefined;
  let closing: Promise<void> | undefined;
  const drain = (): Promise<void> => {
    if (closing !== undefined) return closing;
    setTimeout(endAtOnce, (config.drainSeconds + CLOSING_SECONDS) * 1000).unref();
    closing = close();
    return closing;
  };
  const endAfterDrain = (error: Error, end: () => void): void => {
    log.fatal(describeError(error), 'the engine cannot go on: draining, then ending');
    void drain().finally(end);
  };
  const starting = serve(config, {
    log,
    surroundings: processSurroundings(),
    now: () => new Date(),
    onFatal: (error) => endAfterDrain(error, () => process.exit(EXIT_FATAL)),
    onHang: (error) => endAfterDrain(error, endAtOnce),
  });
  const serving = await Promise.race([starting, ended]);
  if (typeof serving === 'string') {
    log.info({ signal: serving }, 'ending before anything was served');
    // A load under way is not waited for.
    endBy(serving);
    return new Promise(() => undefined);
  }
  close = () => serving.close();
  if (options.simulatorRoot !== undefined && serving.simulatedRoot !== undefined) {
    try {
      await writeFile(options.simulatorRoot, serving.simulatedRoot);
    } catch (cause) {
      await drain();
      throw new AssayError('USAGE_FILE', `cannot write ${options.simulatorRoot}`, cause);
    }
    log.info({ path: options.simulatorRoot }, "wrote the simulator's root certificate");
  }
  const signal = await ended;
  log.info({ signal }, 'draining');
  await drain();
  log.info('closed');
}
