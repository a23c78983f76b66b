import '../engine/begin-facts.js';

import { describeError, makeLog } from './log.js';
import { runService } from './service.js';

/** Where the image builder puts the configuration; it is measured with the rest of the image. */
const CONFIGURATION = '/app/config.yaml';
const EXIT_FAILED = 4;

/**
 * Entry point of the guest image: the service alone, without the command line around it. It awaits
 * nothing at its top, so that it can be bundled as one script and compiled ahead.
 */
runService(CONFIGURATION).catch((error: unknown) => {
  makeLog('fatal').fatal(describeError(error), 'not serving');
  process.exitCode = EXIT_FAILED;
});
