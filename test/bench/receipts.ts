/** What a receipt costs the worker that claims an inference, and the event loop that logs and answers. */
import { claimsEntry, encodeClaims } from '../../attestation/receipt/claims.js';
import { useInferenceReceipt } from '../../attestation/receipt/inference-receipt.js';
import { Issuer } from '../../enclave/issuer.js';
import { makeSigningKey } from '../../enclave/keys.js';
import type { Tensor } from '../../src/engine/tensor.js';
import { annotate } from '../../src/server/annotate.js';
import { splitAnnotation } from '../../src/server/annotation.js';
import { base64Url } from '../../src/server/recorder.js';

const RECEIPTS = 20_000;
const GROUPS = [1, 8, 32] as const;

const digest = (value: number): Uint8Array => new Uint8Array(32).fill(value);
const context = encodeClaims({
  issuedAt: 1_800_000_000,
  nonce: null,
  epoch: digest(1),
  model: { name: 'mlp', version: '1' },
  graph: digest(2),
  execution: digest(3),
  request: digest(0),
  response: digest(0),
  manifest: digest(4),
  signingKey: digest(5),
});
const tensor = (name: string, length: number): Tensor => ({
  name,
  datatype: 'FP32',
  shape: [1, length],
  data: new Uint8Array(4 * length),
});
const claim = (): Uint8Array =>
  annotate([tensor('input', 256)], [tensor('output', 16)], { context, note: digest(6) });

/** Microseconds of processor time for each of so many. */
async function measure(name: string, count: number, run: () => unknown): Promise<void> {
  const processor = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(processor);
  console.log(`  ${name}: ${((user + system) / count).toFixed(1)} us of processor time`);
}

function claimMany(): void {
  for (let i = 0; i < RECEIPTS; i++) claim();
}

const issuer = await Issuer.start(await makeSigningKey(), claimsEntry(digest(0)));
const { entry, claims } = splitAnnotation(claim());

async function answer(): Promise<string> {
  return useInferenceReceipt(claims, await issuer.place(entry), base64Url);
}

async function answerMany(group: number, count: number): Promise<void> {
  for (let i = 0; i < count; i += group) {
    await Promise.all(Array.from({ length: group }, answer));
  }
}

console.log('\nA receipt for 1 KiB in and 64 bytes out');
claimMany();
await measure('claimed in the worker', RECEIPTS, claimMany);
for (const group of GROUPS) {
  const count = group === 1 ? RECEIPTS / 10 : RECEIPTS;
  await answerMany(group, count);
  const name = `logged and encoded on the event loop, ${group} under one head`;
  await measure(name, count, () => answerMany(group, count));
}
