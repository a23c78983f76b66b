import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { AssayError } from '../../attestation/encoding/error.js';
import type { LoadedModel } from '../engine/engine.js';
import { type Duration, FAILURE_REASONS } from '../engine/statistics.js';
import type { ModelRegistry } from './model-registry.js';

const LABELS = ['model', 'version'] as const;

const labelsOf = ({ name, version }: LoadedModel): Labels => ({ model: name, version });

const microseconds = ({ nanoseconds }: Duration): number => nanoseconds / 1000;

type Kind = 'counter' | 'gauge';

type ModelMetric = readonly [
  kind: Kind,
  name: string,
  help: string,
  read: (model: LoadedModel) => number,
];

/** Triton's names (docs/user_guide/metrics.md) where the meaning is Triton's. */
const MODEL_METRICS: readonly ModelMetric[] = [
  [
    'counter',
    'nv_inference_request_success',
    'Requests that were answered',
    ({ statistics }) => statistics.success.count,
  ],
  [
    'counter',
    'nv_inference_count',
    'Inferences: a request of batch size n counts as n',
    ({ statistics }) => statistics.inferenceCount,
  ],
  [
    'counter',
    'nv_inference_exec_count',
    'Executions, a batch counted once',
    ({ statistics }) => statistics.executionCount,
  ],
  [
    'counter',
    'nv_inference_request_duration_us',
    'Time from admission to result, microseconds',
    ({ statistics }) => microseconds(statistics.success),
  ],
  [
    'counter',
    'nv_inference_queue_duration_us',
    'Time waiting for a worker, microseconds',
    ({ statistics }) => microseconds(statistics.queue),
  ],
  [
    'counter',
    'nv_inference_compute_input_duration_us',
    'Time preparing inputs, microseconds',
    ({ statistics }) => microseconds(statistics.computeInput),
  ],
  [
    'counter',
    'nv_inference_compute_infer_duration_us',
    'Time in ONNX Runtime, microseconds',
    ({ statistics }) => microseconds(statistics.computeInfer),
  ],
  [
    'counter',
    'nv_inference_compute_output_duration_us',
    'Time taking outputs over, microseconds',
    ({ statistics }) => microseconds(statistics.computeOutput),
  ],
  [
    'gauge',
    'nv_inference_pending_request_count',
    'Requests that wait for a worker',
    ({ waiting }) => waiting,
  ],
  ['gauge', 'assay_model_sessions', 'Sessions that can execute', ({ instances }) => instances],
  [
    'gauge',
    'assay_model_memory_bytes',
    'Memory that a model and its sessions take',
    ({ memory }) => memory,
  ],
];

/** A number of Assay's own that is read when metrics are scraped. */
export type OwnMetric = readonly [
  kind: Kind,
  name: `assay_${string}`,
  help: string,
  read: () => number,
];

/** A metric whose samples are read when metrics are scraped: a value for these labels each. */
interface Exposed {
  readonly kind: Kind;
  readonly name: string;
  readonly help: string;
  readonly labelNames?: readonly string[];
  readonly samples: () => Iterable<readonly [labels: Labels, value: number]>;
}

type Labels = Readonly<Record<string, string>>;

function expose(registry: Registry, { kind, name, help, labelNames = [], samples }: Exposed): void {
  const metric: Counter | Gauge = new (kind === 'gauge' ? Gauge : Counter)({
    name,
    help,
    labelNames,
    registers: [registry],
    collect: () => {
      metric.reset();
      for (const [labels, value] of samples()) metric.inc(labels, value);
    },
  });
}

function register(registry: Registry, models: ModelRegistry, own: readonly OwnMetric[]): void {
  for (const [kind, name, help, read] of MODEL_METRICS) {
    const samples: Exposed['samples'] = () =>
      models.list().map((model) => [labelsOf(model), read(model)]);
    expose(registry, { kind, name, help, labelNames: LABELS, samples });
  }
  expose(registry, {
    kind: 'counter',
    name: 'nv_inference_request_failure',
    help:
      'Requests of a model that it did not answer, by reason: REJECTED (the queue was full, or the time to wait ' +
      'was over), CANCELED (the caller went away), BACKEND (the execution failed) or OTHER',
    labelNames: [...LABELS, 'reason'],
    samples: () =>
      models
        .list()
        .flatMap((model) =>
          FAILURE_REASONS.map(
            (reason) =>
              [{ ...labelsOf(model), reason }, model.statistics.failures.get(reason) ?? 0] as const,
          ),
        ),
  });
  for (const [kind, name, help, read] of own) {
    expose(registry, { kind, name, help, samples: () => [[{}, read()]] });
  }
}

export interface MetricsSettings {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly models: ModelRegistry;
  readonly own?: readonly OwnMetric[];
}

export interface RunningMetrics {
  readonly port: number;
  close(): Promise<void>;
}

/** Milliseconds for which a rendered text answers whoever asks: rendering occupies the event loop. */
const SHARED_MS = 1000;
/** Milliseconds from the acceptance of a connection to its end, whatever was received or taken by then. */
const CONNECTION_MS = 10_000;
const MAX_CONNECTIONS = 32;
const MAX_HEADER_BYTES = 8192;

/** A registry's text, rendered at most once in SHARED_MS however many ask. */
function sharedText(registry: Registry): () => Promise<string> {
  let text: Promise<string> | undefined;
  return () => {
    if (text === undefined) {
      text = registry.metrics();
      setTimeout(() => {
        text = undefined;
      }, SHARED_MS).unref();
    }
    return text;
  };
}

/** Answers one request on each connection, and ends the connection with the answer. */
function makeServer(registry: Registry): Server {
  const text = sharedText(registry);
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    response.setHeader('Connection', 'close');
    const asks = request.method === 'GET' || request.method === 'HEAD';
    const [path] = (request.url ?? '').split('?');
    if (!asks || path !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    text().then(
      (body) => response.writeHead(200, { 'Content-Type': registry.contentType }).end(body),
      () => response.writeHead(500).end(),
    );
  };
  const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES }, answer);
  // Node would answer each pipelined expectation that it does not know by itself.
  server.on('checkExpectation', answer);
  server.maxRequestsPerSocket = 1;
  server.maxConnections = MAX_CONNECTIONS;
  server.on('connection', (socket) => {
    const deadline = setTimeout(() => socket.destroy(), CONNECTION_MS);
    socket.once('close', () => clearTimeout(deadline));
  });
  return server;
}

/**
 * Serves GET and HEAD of `/metrics` in Prometheus's text format, whatever its query (a scraper's `params`), and
 * nothing else, over plain HTTP. What is answered is at most about a second old. Each connection has one request
 * and ten seconds; connections beyond 32 are closed as they come. Rejects with CONFIG_LISTEN.
 */
export async function startMetrics(settings: MetricsSettings): Promise<RunningMetrics> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  register(registry, settings.models, settings.own ?? []);
  const server = makeServer(registry);
  await new Promise<void>((resolve, reject) => {
    // Also once it listens: accept(2) passes errors of single connections on, which their peers may try again.
    server.on('error', (error) => {
      const { host, port } = settings;
      reject(
        new AssayError('CONFIG_LISTEN', `cannot listen for metrics on ${host}:${port}`, error),
      );
    });
    server.listen(settings.port, settings.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
        registry.clear();
      }),
  };
}
