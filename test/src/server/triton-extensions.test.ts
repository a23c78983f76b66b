import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { identityModel, mlpModel } from '../../forge/inference-models.js';
import { startTestServer } from '../../forge/inference-server.js';

const calls: string[] = [];
const server = await startTestServer({
  models: { echo: identityModel('FP32'), text: identityModel('BYTES') },
  repository: {
    index: () => [
      { name: 'echo', version: '1', ready: true, reason: '' },
      { name: 'other', version: '2', ready: false, reason: 'unloaded' },
    ],
    load: async (name) => {
      calls.push(`load ${name}`);
    },
    unload: async (name) => {
      calls.push(`unload ${name}`);
    },
  },
});

const request = (id: string, shape: readonly number[] = [1, 2]): object => ({
  model_name: 'echo',
  id,
  inputs: [{ name: 'input', datatype: 'FP32', shape }],
  raw_input_contents: [Buffer.alloc(8)],
});

test('a stream answers in the order of its requests, and survives a bad one', async () => {
  const answers = await server.stream([
    request('0'),
    request('bad', [3, 7]),
    ...Array.from({ length: 100 }, (_, i) => request(String(i + 1))),
  ]);
  assert.equal(answers.length, 102);
  const [first, bad, ...rest] = answers;
  assert.equal(first?.error_message, '');
  assert.equal(first?.infer_response.id, '0');
  assert.match(bad?.error_message ?? '', /input input: expected shape \[n,2\], not \[3,7\]/);
  assert.equal(bad?.infer_response.id, 'bad');
  for (const { infer_response } of answers) {
    assert.equal(infer_response.parameters['triton_final_response']?.bool_param, true);
  }
  assert.deepEqual(
    rest.map(({ infer_response }) => infer_response.id),
    Array.from({ length: 100 }, (_, i) => String(i + 1)),
  );
});

for (const [what, operators, stated, enforced] of [
  [
    'requests share executions',
    ['Gemm'],
    { maxBatchSize: 8, preferredBatchSizes: [4], maxQueueDelayMicroseconds: 9, maxQueueSize: 7 },
    { sizes: [4], delay: '9', levels: '0', level: '0', timeout: '0', queue: 7 },
  ],
  [
    'requests share none, so that sizes and a delay change nothing',
    ['Loop'],
    {
      maxBatchSize: 8,
      preferredBatchSizes: [4],
      maxQueueDelayMicroseconds: 9,
      maxQueueSize: 7,
      priorityLevels: 5,
      defaultTimeoutMicroseconds: 6,
    },
    { sizes: [], delay: '0', levels: '5', level: '3', timeout: '6', queue: 7 },
  ],
  [
    'nothing is stated',
    ['Loop'],
    {},
    { sizes: [], delay: '0', levels: '0', level: '0', timeout: '0', queue: 1024 },
  ],
] as const) {
  test(`dynamic_batching is what is enforced of the queue: ${what}`, async () => {
    const { engine, registry, call } = await startTestServer({ models: {} });
    const source = { name: 'mlp', version: '1', model: mlpModel([4, 4]), externalData: [] };
    registry.add(await engine.load(source, { operators, batching: { sweep: false, ...stated } }));
    const { config } = await call<{ config: Record<string, unknown> }>('ModelConfig', {
      name: 'mlp',
    });
    const { sizes, delay, levels, level, timeout, queue } = enforced;
    assert.deepEqual(config['dynamic_batching'], {
      preferred_batch_size: sizes,
      max_queue_delay_microseconds: delay,
      priority_levels: levels,
      default_priority_level: level,
      default_queue_policy: {
        default_timeout_microseconds: timeout,
        allow_timeout_override: true,
        max_queue_size: queue,
      },
    });
    assert.equal(config['version_policy'], null);
  });
}

for (const [what, operators, stated, expected, dims] of [
  ['requests share executions of fewer rows', ['Gemm'], { maxBatchSize: 8 }, 8, ['4']],
  ['requests share none', ['Loop'], { maxBatchSize: 8 }, 8, ['4']],
  ['nothing is stated, and requests share some', ['Gemm'], {}, 2, ['4']],
  ['nothing is stated, and requests share none', ['Loop'], {}, 0, ['-1', '4']],
  ['sharing is off', ['Gemm'], { maxBatchSize: 1 }, 0, ['-1', '4']],
] as const) {
  test(`max_batch_size is the most rows of a request where that is stated: ${what}`, async () => {
    const { engine, registry, call } = await startTestServer({ models: {} });
    const source = { name: 'mlp', version: '1', model: mlpModel([4, 4]), externalData: [] };
    const batching = { sweep: false, ...stated };
    const loaded = await engine.load(source, { operators, batching });
    const fewer = { ...loaded.batching, maxBatchSize: Math.min(2, loaded.batching.maxBatchSize) };
    registry.add(
      new Proxy(loaded, {
        get: (target, key) => (key === 'batching' ? fewer : Reflect.get(target, key, target)),
      }),
    );
    const { config } = await call<{
      config: { readonly max_batch_size: number; readonly input: readonly { dims: string[] }[] };
    }>('ModelConfig', { name: 'mlp' });
    assert.equal(config.max_batch_size, expected);
    assert.deepEqual(config.input[0]?.dims, dims);
  });
}

test('ModelConfig states types, dimensions, instances and the outcome of the proof', async () => {
  const { config } = await server.call<{ config: Record<string, unknown> }>('ModelConfig', {
    name: 'text',
  });
  assert.equal(config['max_batch_size'], 0);
  assert.deepEqual(config['input'], [{ name: 'input', data_type: 13, dims: ['-1', '2'] }]);
  const parameters = config['parameters'] as Record<string, { string_value: string }>;
  assert.equal(parameters['batch_invariance']?.string_value, 'unproven');
  assert.equal(parameters['memory_bytes']?.string_value, String(server.model('text').memory));
});

test("a sequence's parameters change nothing, and nothing says that sequences are supported", async () => {
  const plain = await server.call<object>('ModelInfer', request('x'));
  for (const id of [{ int64_param: '7' }, { uint64_param: '7' }, { string_param: 'seven' }]) {
    const parameters = {
      sequence_id: id,
      sequence_start: { bool_param: true },
      sequence_end: { bool_param: false },
    };
    assert.deepEqual(await server.call('ModelInfer', { ...request('x'), parameters }), plain);
  }
  const { extensions } = await server.call<{ extensions: readonly string[] }>('ServerMetadata', {});
  assert.deepEqual(
    extensions.filter((name) => name.startsWith('sequence')),
    [],
  );
  const { config } = await server.call<{ config: Record<string, unknown> }>('ModelConfig', {
    name: 'echo',
  });
  assert.equal(config['sequence_batching'] ?? null, null);
});

test('the largest integers are a timeout and a priority like none', async () => {
  const plain = await server.call<object>('ModelInfer', request('x'));
  const most = [{ uint64_param: String(2n ** 64n - 1n) }, { int64_param: String(2n ** 63n - 1n) }];
  for (const value of most) {
    const parameters = { timeout: value, priority: value };
    assert.deepEqual(await server.call('ModelInfer', { ...request('x'), parameters }), plain);
  }
});

test('ModelStatistics counts', async () => {
  interface Answer {
    readonly model_stats: readonly {
      readonly name: string;
      readonly inference_count: string;
      readonly inference_stats: { readonly success: { readonly count: string } };
    }[];
  }
  const before = await server.call<Answer>('ModelStatistics', { name: 'echo' });
  await server.call('ModelInfer', request('x'));
  const after = await server.call<Answer>('ModelStatistics', { name: 'echo', version: '1' });
  const count = ({ model_stats }: Answer): number => Number(model_stats[0]?.inference_count);
  assert.equal(count(after), count(before) + 1);
  const all = await server.call<Answer>('ModelStatistics', {});
  assert.deepEqual(all.model_stats.map(({ name }) => name).sort(), ['echo', 'text']);
  await assert.rejects(server.call('ModelStatistics', { name: 'nothing' }), {
    code: status.NOT_FOUND,
  });
});

test('the repository is listed, and controlled without parameters', async () => {
  const all = await server.call('RepositoryIndex', {});
  assert.deepEqual(all, {
    models: [
      { name: 'echo', version: '1', state: 'READY', reason: '' },
      { name: 'other', version: '2', state: 'UNAVAILABLE', reason: 'unloaded' },
    ],
  });
  const { models } = await server.call<{ models: readonly object[] }>('RepositoryIndex', {
    ready: true,
  });
  assert.equal(models.length, 1);
  await server.call('RepositoryModelLoad', { model_name: 'other' });
  await server.call('RepositoryModelUnload', { model_name: 'echo' });
  assert.deepEqual(calls, ['load other', 'unload echo']);
  const parameters = { config: { string_param: '{}' } };
  await assert.rejects(server.call('RepositoryModelLoad', { model_name: 'echo', parameters }), {
    code: status.INVALID_ARGUMENT,
  });
});

for (const method of ['RepositoryIndex', 'RepositoryModelLoad', 'RepositoryModelUnload']) {
  test(`${method} refuses the name of a repository, as there is one alone`, async () => {
    const before = calls.length;
    const named = { repository_name: 'other', model_name: 'echo' };
    await assert.rejects(server.call(method, named), {
      code: status.UNIMPLEMENTED,
      details: /^expected no repository_name/,
    });
    assert.equal(calls.length, before);
  });
}

test('without a repository nothing is loaded at run time', async () => {
  const fixed = await startTestServer({ models: { echo: identityModel('FP32') } });
  await assert.rejects(fixed.call('RepositoryModelLoad', { model_name: 'echo' }), {
    code: status.UNIMPLEMENTED,
  });
  const { models } = await fixed.call<{ models: readonly object[] }>('RepositoryIndex', {});
  assert.deepEqual(models, [{ name: 'echo', version: '1', state: 'READY', reason: '' }]);
});
