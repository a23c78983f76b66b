import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AssayError } from '../../attestation/encoding/error.js';
import { parseConfig } from '../../src/config.js';

const MODEL = { name: 'm', path: 'm.onnx' };

/** A configuration in which one member is set, by its path; those of models are the first one's. */
function withMember(path: string, value: unknown): unknown {
  const [member = '', ...inner] = path.split('.');
  const below = inner.reduceRight<unknown>((made, name) => ({ [name]: made }), value);
  if (member === 'models') return { models: [{ ...MODEL, ...(below as object) }] };
  return { models: [MODEL], [member]: below };
}

function refused(path: string, value: unknown): void {
  const at = path.replace(/^models\./, 'models[0].');
  assert.throws(
    () => parseConfig(withMember(path, value), {}, '/'),
    (error) =>
      error instanceof AssayError &&
      error.code === 'CONFIG_INVALID' &&
      error.message.includes(` at ${at}`),
    `${path}: ${value}`,
  );
}

const WHOLE = 'whole numbers';
const PORTS = [0, 65_535, WHOLE] as const;
const MANY = Number.POSITIVE_INFINITY;
const BOUNDS: Readonly<Record<string, readonly [least: number, most: number, numbers?: string]>> = {
  'listen.port': PORTS,
  'plaintext.port': PORTS,
  'metrics.port': PORTS,
  'receiptLog.retain': [2 ** 16, 2 ** 26, WHOLE],
  workers: [1, 1024, WHOLE],
  memoryBudgetBytes: [2 ** 20, MANY, WHOLE],
  requestMemoryBytes: [1024, MANY, WHOLE],
  maxMessageBytes: [1024, 2 ** 30, WHOLE],
  'connections.max': [1, 1_000_000, WHOLE],
  'connections.streams': [1, 1_000_000, WHOLE],
  'connections.idleSeconds': [1, 86_400],
  drainSeconds: [0, 3600],
  'models.intraOpThreads': [1, 256, WHOLE],
  'models.maxRunSeconds': [0.001, 86_400],
  'models.batching.maxBatchSize': [0, 1024, WHOLE],
  'models.batching.maxQueueDelayMicroseconds': [0, MANY, WHOLE],
  'models.batching.maxQueueSize': [1, MANY, WHOLE],
  'models.batching.priorityLevels': [0, MANY, WHOLE],
  'models.batching.defaultTimeoutMicroseconds': [0, MANY, WHOLE],
};

describe('the bounds of a configuration’s numbers', () => {
  for (const [path, [least, most, numbers]] of Object.entries(BOUNDS)) {
    test(`${path}: ${least} to ${most}, ${numbers ?? 'of all kinds'}`, () => {
      const accept = (value: number) => parseConfig(withMember(path, value), {}, '/');
      const step = numbers === WHOLE ? 1 : 0.001;
      for (const value of [least, Math.min(most, 2 ** 40)]) accept(value);
      refused(path, least - step);
      if (most !== MANY) refused(path, most + step);
      if (numbers === WHOLE) refused(path, least + 1.5);
      else accept(least + 1.5);
    });
  }
});

for (const [path, values] of Object.entries({
  'listen.host': [''],
  'platform.kind': ['', 'sgx'],
  launchPolicy: [''],
  hosts: [[]],
  'hub.cache': [''],
  'receiptLog.directory': [''],
  modelControl: ['poll'],
  logLevel: ['trace'],
  'models.path': [''],
  'models.version': ['', '../1', 'v'.repeat(65)],
  'models.name': ['', '-m', 'm'.repeat(129)],
  'models.versionPolicy': [
    { latest: 0 },
    { latest: 1.5 },
    { all: false },
    { specific: [] },
    { specific: [0] },
    { specific: [1.5] },
    { latest: 1, all: true },
  ],
  'models.graphOptimizationLevel': ['some'],
  'models.batching.dimensions.w': [[], [0], [1.5]],
  'models.batching.preferredBatchSizes': [[0], [1.5]],
})) {
  for (const value of values) {
    test(`${path}: ${JSON.stringify(value).slice(0, 30)} is refused, and named`, () => {
      refused(path, value);
    });
  }
}

for (const pinned of ['d1'.repeat(31), 'D1'.repeat(32), 'd1'.repeat(40), `${'d1'.repeat(32)}\n`]) {
  test(`what was pinned is no digest: ${JSON.stringify(pinned)}`, () => {
    assert.throws(
      () => parseConfig({ models: [MODEL], platform: { kind: 'simulator', pinned } }, {}, '/'),
      { code: 'CONFIG_INVALID', message: / at platform\.pinned$/ },
    );
  });
}

test('what a configuration says of every member is what is read', () => {
  const whole = {
    listen: { host: '::', port: 1 },
    plaintext: { host: '::1', port: 2 },
    metrics: { host: '10.0.0.1', port: 3 },
    hosts: ['a.example'],
    platform: {
      kind: 'simulator',
      tee: 'sev-snp',
      reportVersion: 3,
      rootDirectory: '/keys',
      pinned: 'd1'.repeat(48),
    },
    launchPolicy: '/policy.yaml',
    models: [
      {
        name: 'a',
        version: '2',
        path: '/a.onnx',
        intraOpThreads: 2,
        graphOptimizationLevel: 'basic',
        selfTest: false,
        maxRunSeconds: 3,
        allowEmptyTensors: true,
        allowTrappingDivision: true,
        batching: {
          maxBatchSize: 8,
          sweep: false,
          dimensions: { w: [4, 6] },
          preferredBatchSizes: [4, 8],
          maxQueueDelayMicroseconds: 5,
          maxQueueSize: 6,
          priorityLevels: 7,
          defaultPriorityLevel: 7,
          defaultTimeoutMicroseconds: 8,
        },
      },
    ],
    hub: { cache: '/cache', plainHttp: true },
    receiptLog: { retain: 2 ** 17, directory: '/log' },
    workers: 4,
    memoryBudgetBytes: 2 ** 21,
    requestMemoryBytes: 2048,
    maxMessageBytes: 4096,
    connections: { max: 5, streams: 6, idleSeconds: 7 },
    modelControl: 'explicit',
    drainSeconds: 8,
    logLevel: 'debug',
    development: true,
  };
  assert.deepEqual(parseConfig(whole, {}, '/elsewhere'), whole);
});

test('what a configuration does not say of a model', () => {
  const models = [MODEL, { ...MODEL, name: 'n', versionPolicy: { specific: [1] } }];
  const usual = {
    intraOpThreads: 1,
    graphOptimizationLevel: 'all',
    selfTest: true,
    maxRunSeconds: 300,
    allowEmptyTensors: false,
    allowTrappingDivision: false,
    batching: {
      sweep: true,
      dimensions: {},
      preferredBatchSizes: [],
      maxQueueDelayMicroseconds: 0,
      maxQueueSize: 1024,
      priorityLevels: 0,
      defaultTimeoutMicroseconds: 0,
    },
    version: '1',
  };
  assert.deepEqual(
    parseConfig({ models }, {}, '/').models,
    models.map((model) => ({ ...usual, ...model, path: '/m.onnx' })),
  );
});
