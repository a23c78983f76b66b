import { type ChildProcess, fork, type Serializable } from 'node:child_process';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** The child's end of a pipe that nothing is written to: it closes when the parent ends. */
const PARENT = 4;

/** An answer, or why there is none and never will be: the process is gone. */
export type Reply<Answer> = { readonly answer: Answer } | { readonly ended: string };

/**
 * A process of its own for what ONNX Runtime may not survive: inputs of strangers end it, or never end
 * in it, and take nothing else along. It protects from crashes and hangs, not from code that they run.
 */
export class IsolatedProcess<Question extends Serializable, Answer> {
  readonly #child: ChildProcess;
  readonly #ended: Promise<string>;

  /** @param module calls `answerQuestions`, with the same types. */
  constructor(module: URL) {
    const child = fork(module, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc', 'pipe'],
      execArgv: [],
      env: { ...process.env, ORT_DISABLE_TELEMETRY: '1' },
    });
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.on('error', (error) => resolve(error.message));
      child.once('exit', (code, signal) =>
        resolve(`the runtime ended the process (${signal ?? code})`),
      );
    });
  }

  /** Asks one question at a time. Never rejects: the end of the process is a reply. */
  async ask(question: Question, deadlineMs?: number): Promise<Reply<Answer>> {
    const child = this.#child;
    let timer: NodeJS.Timeout | undefined;
    let hear = (_: Answer): void => {};
    const answered = new Promise<Answer>((resolve) => {
      hear = resolve;
      child.once('message', hear);
    });
    const late = new Promise<string>((resolve) => {
      if (deadlineMs === undefined) return;
      timer = setTimeout(() => resolve(`no result after ${deadlineMs / 1000} s`), deadlineMs);
    });
    // Without a callback, a question to a process that is gone is an error of its own.
    child.send(question, () => {});
    const reply = await Promise.race([
      answered.then((answer) => ({ answer })),
      Promise.race([this.#ended, late]).then((ended) => ({ ended })),
    ]);
    clearTimeout(timer);
    child.off('message', hear);
    if ('ended' in reply) await this.close();
    return reply;
  }

  /** Ends the process, whatever it does. */
  async close(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }
}

/** The other end: answers questions until the parent is gone, which ends an execution that hangs too. */
export function answerQuestions<Question, Answer extends Serializable>(
  answer: (question: Question) => Promise<Answer>,
): void {
  const watch = new Worker(new URL('./parent-watch.js', import.meta.url), { workerData: PARENT });
  const watched = once(watch, 'online');
  process.on('message', async (question: Question) => {
    await watched;
    process.send?.(await answer(question));
  });
}
