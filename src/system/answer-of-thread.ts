import { Worker } from 'node:worker_threads';

/**
 * What a thread that lives for one answer posts. Rejects with what ends it before that.
 * @param data its `workerData`.
 */
export function answerOfThread<Answer>(module: URL, data?: unknown): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(module, { workerData: data, execArgv: [] });
    thread.once('message', resolve);
    thread.once('error', reject);
    // The last event of every thread: after an answer, or an error, it changes nothing.
    thread.once('exit', (code) =>
      reject(new Error(`the thread ended with code ${code}, before an answer`)),
    );
  });
}
