/** What a tree head's signature costs on the event loop and off it: why it is made on it. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { promisify } from 'node:util';

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const options = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const;
const head = new Uint8Array(80);
const signAsync = promisify(sign);
const SIGNATURES = 3000;

async function measure(name: string, one: () => unknown): Promise<void> {
  for (let i = 0; i < 300; i++) await one();
  let onLoop = 0;
  const processor = process.cpuUsage();
  const started = performance.now();
  for (let i = 0; i < SIGNATURES; i++) {
    const before = performance.now();
    const pending = one();
    onLoop += performance.now() - before;
    await pending;
  }
  const wall = performance.now() - started;
  const { user, system } = process.cpuUsage(processor);
  const each = (milliseconds: number): string => ((milliseconds * 1000) / SIGNATURES).toFixed(1);
  console.log(
    `  ${name}: ${each(onLoop)} us in the call, ${each(wall)} us until it is there, ` +
      `${each((user + system) / 1000)} us of processor time`,
  );
}

console.log('\nECDSA P-256 over a tree head');
await measure('on the event loop', () => sign('sha256', head, options));
await measure('in the thread pool', () => signAsync('sha256', head, options));
