import { resolve } from 'node:path';
import { buildImage } from '../../enclave/image/build.js';
import { SERVICE_FOLDER } from '../../enclave/image/models.js';
import { parseConfig } from '../config.js';
import { EXIT } from './exit-code.js';
import { Io } from './io.js';

/*
 * What `make image` runs: no command of `assay`, since it needs this repository, and a Debian with apt-get and npm
 * that fetch the pinned packages. It fails as commands do.
 */
const { stdin, stdout, stderr, env, argv } = process;
const [specification, output, packages] = argv.slice(2);
if (specification === undefined || output === undefined || packages === undefined) {
  stderr.write('usage: node build-image.js SPECIFICATION OUTPUT PACKAGES\n');
  process.exitCode = EXIT.usage;
} else {
  const io = new Io({ stdin, stdout, stderr, env, now: () => new Date() }, false);
  try {
    await buildImage(specification, resolve(output), resolve(packages), (configuration) => {
      parseConfig(configuration, {}, SERVICE_FOLDER);
    });
  } catch (error) {
    io.fail(error);
  }
  process.exitCode = io.exitCode;
}
