import { once } from 'node:events';
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2';
import type { Contender } from './contender.js';
import { framed } from './load.js';
import { median, medianInterval } from './measure.js';
import type { Report } from './report.js';
import { INFER, inferMessage } from './rpc.js';
import type { ServingModel } from './serving-models.js';

const BLOCKS = 24;
/** Pairs of a block. */
const PAIRS = 40;

/** Milliseconds until a call is answered; throws where it is answered with an error. */
async function answered(session: ClientHttp2Session, frame: Buffer): Promise<number> {
  const started = performance.now();
  const stream = session.request({
    ':method': 'POST',
    ':path': INFER,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  let trailers: IncomingHttpHeaders = {};
  stream.once('trailers', (headers) => {
    trailers = headers;
  });
  stream.resume();
  stream.end(frame);
  await once(stream, 'end');
  const took = performance.now() - started;
  if (trailers['grpc-status'] !== '0') throw new Error('a request of one at a time failed');
  return took;
}

/**
 * What receipts add to the p50 of a caller who waits for each answer. One request to the server without
 * them and one to the server with them, in turns, and the next two the other way round: whatever lasts
 * longer than two requests strikes both alike.
 */
export async function measureReceipts(
  contenders: readonly Contender[],
  models: readonly ServingModel[],
  report: Report,
): Promise<void> {
  const off = contenders.find(({ name }) => name === 'Assay, receipts off');
  const on = contenders.find(({ name }) => name === 'Assay');
  if (off === undefined || on === undefined) return;
  const sessions = { off: connect(off.target), on: connect(on.target) };
  const rows: (string | number)[][] = [];
  for (const model of models.filter(({ name }) => name === 'mlp' || name === 'ocr-detector')) {
    const frame = framed(inferMessage(model));
    const p50: { readonly off: number; readonly on: number }[] = [];
    for (let block = -1; block < BLOCKS; block++) {
      const times = { off: [] as number[], on: [] as number[] };
      for (let pair = 0; pair < PAIRS; pair++) {
        for (const kind of pair % 2 === 0 ? (['off', 'on'] as const) : (['on', 'off'] as const)) {
          times[kind].push(await answered(sessions[kind], frame));
        }
      }
      if (block >= 0) p50.push({ off: median(times.off), on: median(times.on) });
    }
    const added = p50.map((block) => block.on - block.off);
    const [value, interval] = [median(added), medianInterval(added)];
    report.bar({
      what: `${model.name}, 1 outstanding, ms that receipts add to p50`,
      value,
      limit: 0.15,
      atLeast: false,
      interval,
    });
    rows.push([
      model.name,
      median(p50.map((block) => block.off)),
      median(p50.map((block) => block.on)),
      value.toFixed(3),
      `${interval.low.toFixed(3)} – ${interval.high.toFixed(3)}`,
    ]);
  }
  for (const session of Object.values(sessions)) session.close();
  if (rows.length === 0) return;
  report.table(
    `What receipts add to p50 at 1 outstanding, ${BLOCKS} blocks of ${PAIRS} pairs`,
    ['model', 'off, ms', 'on, ms', 'added, ms', '95 %'],
    rows,
  );
}
