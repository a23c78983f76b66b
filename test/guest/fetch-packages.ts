import { join } from 'node:path';
import { AssayError } from '../../attestation/encoding/error.js';
import { fetchCurrent, fetchPackages } from '../../enclave/image/packages.js';
import { repositoryRoot } from '../vectors.js';

/**
 * Fetches the packages of the image and the firmware that its tests measure. Fails only where a mirror
 * has not got them: mirrors drop old versions. What else is wrong with them, building the image says.
 */
const packages = join(repositoryRoot, '.cache/packages');
try {
  await fetchPackages(join(repositoryRoot, 'enclave/image/packages.json'), packages);
  await fetchCurrent('ovmf-amdsev', 'sid', packages);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  if (error instanceof AssayError && error.code === 'CONFIG_IMAGE_MIRROR') process.exitCode = 1;
}
