import { writeFile } from 'node:fs/promises';
import { AssayError } from '../attestation/encoding/error.js';
import { loadConfig } from './config.js';
import { processSurroundings } from './environment.js';
import { describeError, makeLog } from './log.js';
import { serve } from './main.js';

/** Exit code for an engine that cannot go on: a supervisor starts the process into a new epoch. */
const EXIT_FATAL = 4;

export interface ServiceOptions {
  /** Where to write the simulator's root certificate, PEM; nothing is written on hardware. */
  readonly simulatorRoot?: string;
}

/** Resolves at the first SIGTERM or SIGINT; a second one ends the process at once. */
function signalled(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        process.once(signal, () => process.exit(EXIT_FATAL));
        resolve(signal);
      });
    }
  });
}

/**
 * Runs the service of a configuration file until SIGTERM or SIGINT, then drains it: no new requests,
 * those under way are answered. Rejects with what `loadConfig` and `serve` reject with.
 */
export async function runService(path: string, options: ServiceOptions = {}): Promise<void> {
  const config = await loadConfig(path, process.env);
  const log = makeLog(config.logLevel);
  const ended = signalled();
  const serving = await serve(config, {
    log,
    surroundings: processSurroundings(),
    now: () => new Date(),
    onFatal: (error) => {
      log.fatal(describeError(error), 'the engine cannot go on');
      process.exit(EXIT_FATAL);
    },
  });
  if (options.simulatorRoot !== undefined && serving.simulatedRoot !== undefined) {
    try {
      await writeFile(options.simulatorRoot, serving.simulatedRoot);
    } catch (cause) {
      await serving.close();
      throw new AssayError('USAGE_FILE', `cannot write ${options.simulatorRoot}`, cause);
    }
    log.info({ path: options.simulatorRoot }, "wrote the simulator's root certificate");
  }
  const signal = await ended;
  log.info({ signal }, 'draining');
  await serving.close();
  log.info('closed');
}
