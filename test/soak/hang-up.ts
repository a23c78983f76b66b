import { once } from 'node:events';
import { connect } from 'node:http2';
import type { Tensor } from '../../src/engine/tensor.js';
import type { Serving } from '../../src/main.js';
import { INFER, inferMessage } from '../bench/support/rpc.js';

const REQUESTS = 4;

/**
 * Sends requests over a connection of its own and breaks it while they are under way: no gRPC status, no
 * reset of a stream, the transport is gone.
 * @param certificate of the enclave, PEM.
 * @param after milliseconds that the requests get.
 */
export async function hangUp(
  { port }: Serving,
  certificate: string,
  { name, input }: { readonly name: string; readonly input: Tensor },
  after: number,
): Promise<void> {
  const message = inferMessage({ name, inputs: [input] });
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(message.length, 1);
  message.copy(frame, 5);
  const connection = connect(`https://localhost:${port}`, { ca: certificate });
  await once(connection, 'connect');
  for (let request = 0; request < REQUESTS; request++) {
    const stream = connection.request({
      ':method': 'POST',
      ':path': INFER,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.on('error', () => undefined);
    stream.end(frame);
  }
  await new Promise((resolve) => setTimeout(resolve, after));
  const closed = once(connection, 'close');
  connection.destroy();
  await closed;
}
