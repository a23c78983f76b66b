import { MessageChannel, parentPort, workerData } from 'node:worker_threads';
import { InferenceSession } from 'onnxruntime-node';
import { annotateEach, handOut } from './annotate-each.js';
import type { Annotator, MakeAnnotator } from './engine.js';
import { EngineError } from './error.js';
import { failureOf, isRefusal, messageOf } from './execution-failure.js';
import { storeFloat16InUint16 } from './float16.js';
import type {
  AnnotatorSource,
  Execution,
  ExecutionFailure,
  ExecutionResult,
  FromWorker,
  ToWorker,
  WorkerSettings,
} from './messages.js';
import { fromOrt, tensorSpecs, toOrt } from './ort-tensor.js';
import { sessionOptions } from './session-options.js';
import { giveWayToEventLoop } from './thread-priority.js';

/**
 * A worker thread: it owns an ONNX Runtime session of each model that it was given and executes one
 * message after another. It is told to close, never terminated: ONNX Runtime aborts the process
 * when a thread dies inside a run.
 */
if (parentPort === null) throw new Error('this module runs in a worker thread');
const port = parentPort;
storeFloat16InUint16();
const settings: WorkerSettings = workerData;

interface Loaded {
  readonly session: InferenceSession;
  readonly inputNames: readonly string[];
}

giveWayToEventLoop();
const counter = new Int32Array(settings.executed);
const sessions = new Map<number, Loaded>();
/** Set before the thread says that it has started. */
let annotator: Annotator | undefined;

async function loadAnnotator(source: AnnotatorSource | undefined): Promise<Annotator | undefined> {
  if (source === undefined) return undefined;
  const module: { makeAnnotator?: MakeAnnotator } = await import(source.url);
  if (typeof module.makeAnnotator !== 'function') {
    throw new EngineError(
      'load',
      `expected ${source.url} to export a function named makeAnnotator`,
    );
  }
  return module.makeAnnotator(source.data);
}

function reply(message: FromWorker, transfer: readonly ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

/** ONNX Runtime accepts no shared memory, so bytes that the workers share are copied for the load. */
function privateCopy(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer, byteOffset, byteLength } = bytes;
  return buffer instanceof ArrayBuffer
    ? new Uint8Array(buffer, byteOffset, byteLength)
    : new Uint8Array(bytes);
}

/**
 * Frees copies that ONNX Runtime has copied in its turn. Without it they stay until the garbage
 * collector happens to run, which with a few large numbers on its books it may not do for long. A
 * message takes its buffers away at once, and closing the channel drops the message.
 */
async function free(copies: readonly Uint8Array<ArrayBuffer>[]): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  const closed = new Promise((resolve) => port1.once('close', resolve));
  const buffers = [...new Set(copies.map(({ buffer }) => buffer))];
  port1.postMessage(undefined, buffers);
  port2.close();
  await closed;
}

async function load(message: Extract<ToWorker, { kind: 'load' }>): Promise<void> {
  const { loadId, options } = message;
  const model = privateCopy(message.model);
  const externalData = message.externalData.map(({ path, data }) => ({
    path,
    data: privateCopy(data),
  }));
  try {
    const session = await InferenceSession.create(
      model,
      sessionOptions(options, externalData),
    ).finally(() => free([model, ...externalData.map(({ data }) => data)]));
    sessions.set(loadId, { session, inputNames: session.inputNames });
    const inputs = tensorSpecs('input', session.inputMetadata);
    const outputs = tensorSpecs('output', session.outputMetadata);
    reply({ kind: 'loaded', loadId, inputs, outputs });
  } catch (error) {
    await unload(loadId);
    reply({ kind: 'load-failed', loadId, message: messageOf(error) });
  }
}

async function unload(loadId: number): Promise<void> {
  const loaded = sessions.get(loadId);
  sessions.delete(loadId);
  await loaded?.session.release();
}

const nanoseconds = (from: number, to: number): number => Math.round((to - from) * 1e6);

/** An execution that ended well. */
interface Executed {
  readonly run: Execution;
  readonly inputNames: readonly string[];
  readonly result: Omit<ExecutionResult, 'annotations' | 'annotationEnds'>;
}

/** Its annotations are yet to be sealed. */
interface Annotated extends Pick<Executed, 'result'> {
  readonly annotations: readonly unknown[];
}

async function execute(run: Execution): Promise<Executed> {
  const loaded = sessions.get(run.loadId);
  if (loaded === undefined) throw new EngineError('execution', 'the model is not loaded here');
  const { session, inputNames } = loaded;
  const started = performance.now();
  const feeds: Record<string, ReturnType<typeof toOrt>> = {};
  run.inputs.forEach(({ datatype, shape, offset, length }, index) => {
    feeds[inputNames[index] ?? ''] = toOrt(datatype, shape, run.buffer, offset, length);
  });
  const fed = performance.now();
  const fetched = await session.run(feeds, run.outputs);
  const ended = performance.now();
  const outputs = run.outputs.map((name) => {
    const tensor = fetched[name];
    if (tensor === undefined) throw new EngineError('execution', `no output ${name} came back`);
    return fromOrt(tensor);
  });
  const result = {
    outputs,
    computeInput: nanoseconds(started, fed),
    computeInfer: nanoseconds(fed, ended),
    computeOutput: nanoseconds(ended, performance.now()),
  };
  return { run, inputNames, result };
}

async function attempt(run: Execution): Promise<Executed | ExecutionFailure> {
  try {
    return await execute(run);
  } catch (error) {
    return { refused: isRefusal(error), message: failureOf(error) };
  } finally {
    Atomics.add(counter, 0, 1);
  }
}

function annotated(each: Executed | ExecutionFailure): Annotated | ExecutionFailure {
  try {
    if (!('result' in each)) return each;
    const { run, inputNames, result } = each;
    const { outputs } = result;
    return { result, annotations: annotateEach(annotator, run, inputNames, outputs) };
  } catch (error) {
    const message = `what was executed could not be annotated: ${messageOf(error)}`;
    return { refused: false, message };
  } finally {
    Atomics.add(counter, 0, 1);
  }
}

/** What there is without an annotator. */
const UNSEALED = { bytes: new Uint8Array(), ends: [] } as const;

/** Annotates once all have ended: each inference leaves the caches cold for what follows. */
async function runSeries({ executions }: Extract<ToWorker, { kind: 'run' }>): Promise<void> {
  const executed: (Executed | ExecutionFailure)[] = [];
  for (const execution of executions) executed.push(await attempt(execution));
  const attempts = executed.map(annotated);
  const done = attempts.filter((each) => 'result' in each);
  try {
    const made = done.flatMap(({ annotations }) => annotations);
    const sealed = made.length === 0 ? undefined : annotator?.seal(made);
    const next = handOut(sealed ?? UNSEALED);
    const results = attempts.map((each) => {
      if (!('result' in each)) return each;
      const { outputs, computeInput, computeInfer, computeOutput } = each.result;
      const { annotations, annotationEnds } = next(each.annotations.length);
      return { outputs, annotations, annotationEnds, computeInput, computeInfer, computeOutput };
    });
    const buffers = new Set<ArrayBuffer>();
    if (sealed !== undefined) buffers.add(sealed.bytes.buffer).add(sealed.notice.buffer);
    for (const { result } of done) {
      for (const { data } of result.outputs) {
        if (data.buffer instanceof ArrayBuffer) buffers.add(data.buffer);
      }
    }
    reply({ kind: 'ran', results, notice: sealed?.notice }, [...buffers]);
  } catch (error) {
    const message = `what was executed could not be sealed: ${messageOf(error)}`;
    const results = attempts.map((each) => ('result' in each ? { refused: false, message } : each));
    reply({ kind: 'ran', results, notice: undefined });
  }
}

async function handle(message: ToWorker): Promise<void> {
  switch (message.kind) {
    case 'load':
      await load(message);
      break;
    case 'unload':
      await unload(message.loadId);
      reply({ kind: 'unloaded', loadId: message.loadId });
      break;
    case 'run':
      await runSeries(message);
      break;
    case 'close':
      for (const { session } of sessions.values()) await session.release();
      sessions.clear();
      port.close();
      break;
  }
}

async function start(): Promise<void> {
  annotator = await loadAnnotator(settings.annotator);
  reply({ kind: 'started' });
}

/** What fails in it is not handled, and so ends the thread with its reason. */
let tail = start();
port.on('message', (message: ToWorker) => {
  tail = tail.then(() => handle(message));
});
