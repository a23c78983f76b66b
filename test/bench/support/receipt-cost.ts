import { once } from 'node:events';
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2';
import type { Contender } from './contender.js';
import { framed } from './load.js';
import { median, medianInterval } from './measure.js';
import type { Report } from './report.js';
import { INFER, inferMessage } from './rpc.js';
import type { ServingModel } from './serving-models.js';

const BLOCKS = 24;
/** Requests to each server in a block; those before them find the server as they leave it. */
const REQUESTS = 40;
const UNCOUNTED = 8;

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

/** One request after another, each when the one before it is answered; milliseconds of each. */
async function inTurn(session: ClientHttp2Session, frame: Buffer): Promise<readonly number[]> {
  const times: number[] = [];
  for (let i = -UNCOUNTED; i < REQUESTS; i++) {
    const took = await answered(session, frame);
    if (i >= 0) times.push(took);
  }
  return times;
}

/**
 * What receipts add to the p50 of a caller who waits for each answer. The server without them and the one
 * with them take turns, in blocks so short that whatever lasts longer strikes both alike, and every other
 * block is the other way round.
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
      const times: Record<'off' | 'on', readonly number[]> = { off: [], on: [] };
      for (const kind of block % 2 === 0 ? (['off', 'on'] as const) : (['on', 'off'] as const)) {
        times[kind] = await inTurn(sessions[kind], frame);
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
    `What receipts add to p50 at 1 outstanding, ${BLOCKS} blocks of ${REQUESTS} requests to each`,
    ['model', 'off, ms', 'on, ms', 'added, ms', '95 %'],
    rows,
  );
}
