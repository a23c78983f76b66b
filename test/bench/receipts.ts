/**
 * What receipts cost the worker that executed the inferences: claimed, logged, signed and encoded. In a loop,
 * and where they happen with one request at a time: on the caches that an inference leaves, and that a core
 * leaves which was idle before it, beside a bare ES256 signature, which each answer needs then.
 */
import { sign } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { claimsEntry, encodeClaims } from '../../attestation/receipt/claims.js';
import { Issuer } from '../../enclave/issuer.js';
import { SharedRange } from '../../enclave/shared-range.js';
import { makeSigningKey } from '../../enclave/signing-key.js';
import type { Tensor } from '../../src/engine/tensor.js';
import { makeAnnotator } from '../../src/server/annotate.js';
import { openCeiling } from './support/ceiling.js';
import { sideBySide } from './support/measure.js';
import { Report } from './support/report.js';
import { servingModels } from './support/serving-models.js';

const RECEIPTS = 8000;
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

const signing = makeSigningKey();
const memory = SharedRange.allocate();
const issuer = await Issuer.start(signing, claimsEntry(digest(0)), { memory });
const { annotate, seal } = makeAnnotator({
  memory,
  privateKey: signing.privateKey,
  keyId: signing.id,
});
const input = [tensor('input', 256)];
const output = [tensor('output', 16)];
const claim = () => annotate(input, output, { context, note: digest(6) });

/** A row: microseconds of processor time for each receipt. */
function measure(name: string, run: () => void): readonly [string, number] {
  run();
  const processor = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(processor);
  return [name, (user + system) / RECEIPTS];
}

const report = new Report('receipts');
report.table(
  'A receipt for 1 KiB in and 64 bytes out',
  ['what is done', 'processor us'],
  [
    measure('claimed', () => {
      for (let i = 0; i < RECEIPTS; i++) claim();
    }),
    ...GROUPS.map((group) =>
      measure(`claimed, logged, signed and encoded, ${group} under one head`, () => {
        for (let i = 0; i < RECEIPTS; i += group) {
          issuer.noticed(seal(Array.from({ length: group }, claim)).notice);
        }
      }),
    ),
  ],
);

const AFTER = ['mlp', 'ocr-detector'];
const ROUNDS = 400;
/** Milliseconds, about as long as a caller takes from an answer to its next request. */
const IDLE = 1;
/** As long as a tree head's input. */
const message = new Uint8Array(130);

for (const model of servingModels().filter(({ name }) => AFTER.includes(name))) {
  const ceiling = await openCeiling(model);
  const before = () => ceiling.measure(0);
  const afterIdle = () => setTimeout(IDLE).then(before);
  const signature = () => sign('sha256', message, signing.privateKey);
  const outputs = [tensor('output', ceiling.answer.length / 4)];
  const receipt = () => {
    const { notice } = seal([annotate(model.inputs, outputs, { context, note: digest(6) })]);
    issuer.noticed(notice);
  };
  const costs = await sideBySide(
    [
      { name: 'a bare signature', run: signature, before },
      { name: 'a receipt', run: receipt, before },
      { name: 'a bare signature, on a core that was idle', run: signature, before: afterIdle },
      { name: 'a receipt, on a core that was idle', run: receipt, before: afterIdle },
    ],
    ROUNDS,
  );
  await ceiling.release();
  report.costs(`One at a time, each after an inference of ${model.name}`, costs);
}
report.write();
