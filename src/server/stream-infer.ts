import { once } from 'node:events';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { Cancellation } from '../engine/engine.js';
import { decodeInferRequest } from './codec/infer-request.js';
import { encodeStreamAnswer, encodeStreamError } from './codec/stream-response.js';
import type { Inferrer } from './infer.js';
import { toStatus } from './rpc-error.js';

/** Requests of one stream that may be under way; more are not read before the caller has taken answers. */
const MAX_UNDER_WAY = 64;

/**
 * ModelStreamInfer: executes the requests of a stream side by side and answers in their order. A
 * request that fails is answered with a message, the stream goes on.
 */
export function streamInfer(
  inferrer: Inferrer,
  onFailure: (error: unknown) => void,
): (call: ServerDuplexStream<Buffer, Buffer>) => void {
  return (call) => {
    // grpc-js's is a time of the clock, which may be turned while the stream lasts.
    const deadline = performance.now() + Number(call.getDeadline()) - Date.now();
    const cancellations = new Set<Cancellation>();
    const gone = new AbortController();
    let underWay = 0;
    let tail: Promise<void> = Promise.resolve();

    const answer = async (bytes: Buffer, cancellation: Cancellation): Promise<Buffer> => {
      let id = '';
      try {
        const wire = decodeInferRequest(bytes);
        id = wire.id;
        const remaining = deadline - performance.now();
        const caller = { peer: call.getPeer(), remaining, cancellation };
        return encodeStreamAnswer(await inferrer.infer(wire, caller));
      } catch (error) {
        onFailure(error);
        return encodeStreamError(toStatus(error).details, id);
      }
    };

    call.on('data', (bytes: Buffer) => {
      const cancellation = new Cancellation();
      cancellations.add(cancellation);
      underWay += 1;
      if (underWay >= MAX_UNDER_WAY) call.pause();
      const response = answer(bytes, cancellation);
      tail = tail.then(async () => {
        if (!call.write(await response)) {
          await once(call, 'drain', { signal: gone.signal }).catch(() => undefined);
        }
        cancellations.delete(cancellation);
        underWay -= 1;
        if (underWay < MAX_UNDER_WAY) call.resume();
      });
    });
    call.on('end', () => {
      void tail.then(() => call.end());
    });
    call.on('cancelled', () => {
      gone.abort();
      for (const cancellation of cancellations) cancellation.cancel();
    });
    call.on('error', () => undefined); // the peer is gone: `cancelled` has been told
  };
}
