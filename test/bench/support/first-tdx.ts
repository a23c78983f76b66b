import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

/*
 * First verification of a process, as a program of its own: loads one contender, verifies one quote,
 * prints the milliseconds that both took together.
 * Arguments: `assay` or the folder that the peer is installed in, quote, collateral, time.
 */

const [contender = '', quotePath = '', collateralPath = '', time = ''] = process.argv.slice(2);
const quote = readFileSync(quotePath);
const collateral = readFileSync(collateralPath);
const at = new Date(time);

async function assay(): Promise<boolean> {
  const { verifyTdx } = await import('../../../attestation/appraisal/verify-tdx.js');
  const { nativeP256 } = await import('../../../src/system/native-p256.js');
  const options = { at, p256: nativeP256 };
  const { authentic, tcb } = await verifyTdx(quote, collateral, {}, options);
  return authentic && tcb?.status === 'UpToDate';
}

async function peer(folder: string): Promise<boolean> {
  const { verify } = createRequire(pathToFileURL(`${folder}/package.json`))('@phala/dcap-qvl');
  const seconds = Math.floor(at.getTime() / 1000);
  return verify(quote, JSON.parse(collateral.toString()), seconds).status === 'UpToDate';
}

const started = performance.now();
if (!(contender === 'assay' ? await assay() : await peer(contender))) {
  throw new Error('a contender refused genuine evidence');
}
console.log(performance.now() - started);
