import { parentPort, workerData } from 'node:worker_threads';
import { AssayError, type ErrorCode } from '../../attestation/encoding/error.js';
import { giveWayToEventLoop } from '../engine/thread-priority.js';
import { type JudgedModel, judgeModel } from './judged-model.js';

/** What became of it; an AssayError loses its code on the way to another thread. */
export type Judged =
  | { readonly judged: JudgedModel }
  | { readonly code: ErrorCode; readonly error: Error };

/**
 * A thread that lives for one model, the path of whose file it is given: to measure it keeps an event loop for
 * seconds, and the structure of a large graph is gone with the thread. What fails otherwise ends the thread.
 */
async function judge(path: string): Promise<Judged> {
  try {
    return { judged: await judgeModel(path) };
  } catch (error) {
    if (!(error instanceof AssayError)) throw error;
    return { code: error.code, error };
  }
}

giveWayToEventLoop();
const path: string = workerData;
void judge(path).then((judged) => parentPort?.postMessage(judged));
