import { describeError, makeLog } from './log.js';
import { runService } from './service.js';

/** Where the image builder puts the configuration; it is measured with the rest of the image. */
const CONFIGURATION = '/app/config.yaml';
const EXIT_FAILED = 4;

/** Entry point of the guest image: the service alone, without the command line around it. */
try {
  await runService(CONFIGURATION);
} catch (error) {
  makeLog('fatal').fatal(describeError(error), 'not serving');
  process.exitCode = EXIT_FAILED;
}
