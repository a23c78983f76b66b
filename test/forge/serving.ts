import { parseConfig } from '../../src/config.js';
import { type ServeOptions, type Serving, serve } from '../../src/main.js';
import { makeLog } from '../../src/service/log.js';
import { simulatorKeys } from '../vectors.js';

/** Options for a service that says nothing, where nothing debugs; what ends the engine is thrown. */
export const serveOptions: ServeOptions = {
  log: makeLog('silent'),
  surroundings: { env: {}, execArgv: [], inspector: undefined },
  now: () => new Date(),
  onFatal: (error) => {
    throw error;
  },
};

/**
 * Serves on the simulator, with one worker and at a free port
 * unless `config` says otherwise; paths are of `folder`.
 */
export function serveIn(
  folder: string,
  config: Readonly<Record<string, unknown>>,
  options: Partial<ServeOptions> = {},
): Promise<Serving> {
  const whole = {
    listen: { port: 0 },
    platform: { kind: 'simulator', rootDirectory: simulatorKeys },
    workers: 1,
    ...config,
  };
  return serve(parseConfig(whole, {}, folder), { ...serveOptions, ...options });
}
