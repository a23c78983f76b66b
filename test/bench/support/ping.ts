import { Client, credentials, Metadata } from '@grpc/grpc-js';

/** Milliseconds that ServerLive takes, one call after another, until `done` resolves. */
export async function pingWhile(target: string, done: Promise<unknown>): Promise<number[]> {
  const client = new Client(target.replace(/^https?:\/\//, ''), credentials.createInsecure());
  const same = (bytes: Buffer): Buffer => bytes;
  const ping = (): Promise<void> =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        '/inference.GRPCInferenceService/ServerLive',
        same,
        same,
        Buffer.alloc(0),
        new Metadata(),
        {},
        (error) => (error === null ? resolve() : reject(error)),
      );
    });
  let running = true;
  const times: number[] = [];
  const stopped = done.finally(() => {
    running = false;
  });
  while (running) {
    const started = performance.now();
    await ping();
    times.push(performance.now() - started);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await stopped;
  client.close();
  return times.sort((a, b) => a - b);
}
