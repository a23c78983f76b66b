import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { type ServiceError, status } from '@grpc/grpc-js';
import type { Serving } from '../../../src/main.js';
import { Caller } from '../../bench/support/rpc.js';
import { scaleModel } from '../../forge/enclave.js';
import { dataType, encodeModel } from '../../forge/onnx.js';
import { serveIn } from '../../forge/serving.js';
import {
  annotatedModel,
  divisionModel,
  enlargingModel,
  recurrentModel,
  wrappingModel,
  writingModel,
} from '../../forge/trapping-models.js';

const folder = await mkdtemp(join(tmpdir(), 'assay-trap-'));
after(() => rm(folder, { recursive: true }));

interface Allowed {
  readonly allowTrappingDivision?: boolean;
  readonly allowEmptyTensors?: boolean;
}

const dividing = join(folder, 'dividing.onnx');
await writeFile(dividing, divisionModel(dataType.int64));

function start(allowed: Allowed = {}): Promise<Serving> {
  return serveIn(folder, {
    plaintext: { port: 0 },
    models: [
      {
        name: 'ratio',
        path: 'ratio.onnx',
        batching: { maxBatchSize: 1 },
        ...allowed,
      },
    ],
    modelControl: 'explicit',
    development: true,
  });
}

async function startCaller(t: TestContext, allowed: Allowed = {}): Promise<Caller> {
  const serving = await start(allowed);
  const caller = new Caller(`127.0.0.1:${serving.plaintextPort}`);
  t.after(async () => {
    caller.close();
    await serving.close();
  });
  return caller;
}

const place = (model: Uint8Array): Promise<void> => writeFile(join(folder, 'ratio.onnx'), model);

test('a model with which callers can end the process is not served', async () => {
  await place(divisionModel(dataType.int64));
  await assert.rejects(start(), {
    code: 'MODEL_DIVISION',
    message:
      /^model ratio 1 \(.*ratio\.onnx\): expected no division .*Div "Div" and 1 more may do it; .*allowTrappingDivision$/,
  });
});

/** Outputs of operators, all and not, of which ONNX Runtime writes to every one. */
const written = [
  ['Split', ['x0', 'y'], ['', 'y']],
  ['Loop', ['last', 'y'], ['', 'y']],
  ['BatchNormalization', ['y', 'mean', 'variance'], ['y', 'mean', '']],
] as const;

for (const [op, all, some] of written) {
  test(`a model with which every caller ends the process is not served: ${op}`, async (t) => {
    await place(writingModel(op, some));
    await assert.rejects(start({ allowTrappingDivision: true }), {
      code: 'MODEL_FATAL',
      message: new RegExp(
        `^model ratio 1 \\(.*ratio\\.onnx\\): expected no node .*but ${op} "here" does; assay admit`,
      ),
    });
    await place(writingModel(op, all));
    await infer(await startCaller(t), 'x', [1, 4]);
  });
}

test('a model that answers with what earlier requests left in memory is not served', async () => {
  await place(wrappingModel());
  await assert.rejects(start({ allowTrappingDivision: true, allowEmptyTensors: true }), {
    code: 'MODEL_UNWRITTEN',
    message: /^model ratio 1 \(.*ratio\.onnx\): expected every node .*but Pad "here" may answer/,
  });
});

test('a model with which callers can overwrite memory is not served', async () => {
  await place(enlargingModel());
  await assert.rejects(start({ allowTrappingDivision: true, allowEmptyTensors: true }), {
    code: 'MODEL_OVERRUN',
    message:
      /^model ratio 1 \(.*ratio\.onnx\): expected no node to write .*may have Resize "here" do/,
  });
});

test('at run time it is refused, and the model before it is served still', async (t) => {
  await place(scaleModel(2));
  const caller = await startCaller(t);
  await place(divisionModel(dataType.int32));
  await assert.rejects(caller.call('RepositoryModelLoad', { model_name: 'ratio' }), {
    code: status.FAILED_PRECONDITION,
    details: /^MODEL_DIVISION: /,
  });
  assert.deepEqual(await caller.call('ModelReady', { name: 'ratio' }), { ready: true });
});

test('whoever loads it is told so although the name of its node is cut within a character', async (t) => {
  await place(scaleModel(2));
  const caller = await startCaller(t);
  await place(divisionModel(dataType.int32, '\u{1f600}'.repeat(200)));
  await assert.rejects(caller.call('RepositoryModelLoad', { model_name: 'ratio' }), {
    code: status.FAILED_PRECONDITION,
    details: /^MODEL_DIVISION: /,
  });
});

test('it is served where the configuration says so, and answers other divisions', async (t) => {
  await place(divisionModel(dataType.int64));
  const caller = await startCaller(t, { allowTrappingDivision: true });
  const tensor = (name: string, value: number): object => ({
    name,
    datatype: 'INT64',
    shape: [1],
    contents: { int64_contents: [value] },
  });
  const divide = (divisor: number): Promise<{ raw_output_contents: readonly Buffer[] }> =>
    caller.call('ModelInfer', {
      model_name: 'ratio',
      inputs: [tensor('p', -7), tensor('q', divisor)],
    });
  const { raw_output_contents: outputs } = await divide(2);
  assert.deepEqual(
    outputs.map((bytes) => bytes.readBigInt64LE()),
    [-3n, 1n],
  );
  await assert.rejects(divide(0), {
    code: status.INVALID_ARGUMENT,
    details:
      'ONNX Runtime could not execute a Mod node on these inputs: an integer is divided by zero',
  });
  assert.equal((await divide(7)).raw_output_contents[0]?.readBigInt64LE(), -1n);
});

test('a model that states the types of inner values is judged as it was measured, and served', async (t) => {
  await place(annotatedModel());
  const caller = await startCaller(t);
  const answer = await caller.call<{ raw_output_contents: readonly Buffer[] }>('ModelInfer', {
    model_name: 'ratio',
    inputs: [{ name: 'p', datatype: 'INT64', shape: [1], contents: { int64_contents: [7] } }],
  });
  assert.equal(answer.raw_output_contents[0]?.readBigInt64LE(), -3n);
});

const infer = (caller: Caller, name: string, shape: readonly number[]): Promise<object> =>
  caller.call('ModelInfer', {
    model_name: 'ratio',
    inputs: [{ name, datatype: 'FP32', shape }],
    raw_input_contents: [Buffer.alloc(4 * shape.reduce((product, size) => product * size, 1))],
  });

test('a tensor without elements is refused, and the model goes on', async (t) => {
  await place(recurrentModel());
  const caller = await startCaller(t);
  for (const shape of [
    [1, 0, 1],
    [0, 1, 1],
  ]) {
    await assert.rejects(infer(caller, 'x', shape), {
      code: status.INVALID_ARGUMENT,
      details: `input x: expected elements, shape [${shape}] has none; the model is not configured with allowEmptyTensors`,
    });
  }
  await infer(caller, 'x', [2, 1, 1]);
});

test('a tensor without elements is taken where the configuration says so', async (t) => {
  await place(scaleModel(2));
  const caller = await startCaller(t, { allowEmptyTensors: true });
  await infer(caller, 'x', [0]);
});

test('beside a size of 0 a dimension may be as large as the runtime takes, and no larger', async (t) => {
  const type = { tensor: dataType.float };
  await place(
    encodeModel({
      graph: {
        name: 'any',
        nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }],
        inputs: [{ name: 'x', type }],
        outputs: [{ name: 'y', type }],
        initializers: [],
      },
    }),
  );
  const caller = await startCaller(t, { allowEmptyTensors: true });
  const ask = (shape: readonly number[]) =>
    caller.call('ModelInfer', {
      model_name: 'ratio',
      inputs: [{ name: 'x', datatype: 'FP32', shape }],
      raw_input_contents: [Buffer.alloc(0)],
    });
  const most = 2 ** 32 - 1;
  const half = 2 ** 26;
  const much = 'the sizes beside 0 to be at most 9007199254740991, multiplied,';
  for (const shape of [
    [0, most],
    [most, 0],
    [half, half, 0],
    [0, 0, half, half],
  ])
    await ask(shape);
  const refused: readonly (readonly [shape: readonly number[], details: string])[] = [
    [[0, most + 1], `dimensions from 0 to ${most}, not ${most + 1}`],
    [[Number.MAX_SAFE_INTEGER, 0], `dimensions from 0 to ${most}, not ${Number.MAX_SAFE_INTEGER}`],
    [[most, most, 0], `${much} not [${most},${most},0]`],
    [[0, half, half, 2], `${much} not [0,${half},${half},2]`],
    [Array<number>(40).fill(most).with(3, 0), `${much} not [${most},${most},${most},0,`],
  ];
  for (const [shape, details] of refused) {
    await assert.rejects(ask(shape), (error: ServiceError) => {
      assert.equal(error.code, status.INVALID_ARGUMENT);
      assert.ok(error.details.startsWith(`input x: expected ${details}`), error.details);
      return true;
    });
  }
});

/** How a process ends that runs a model on what an expression gives. */
async function endOf(path: string, feeds: string): Promise<number | NodeJS.Signals | null> {
  const code = `
    const { InferenceSession, Tensor } = await import('onnxruntime-node');
    const session = await InferenceSession.create(process.argv[1], { logSeverityLevel: 4 });
    const integer = (value) => new Tensor('int64', BigInt64Array.of(value), [1]);
    await session.run(${feeds});
  `;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', code, path], {
    stdio: 'ignore',
  });
  const [exit, signal] = await once(child, 'exit');
  return signal ?? exit;
}

test('ONNX Runtime has not learned to divide: without the refusal the process ends', {
  skip: process.arch === 'x64' ? false : 'only x86 processors trap',
}, async () => {
  const by = (divisor: string): Promise<number | NodeJS.Signals | null> =>
    endOf(dividing, `{ p: integer(-(2n ** 63n)), q: integer(${divisor}) }`);
  assert.equal(await by('1n'), 0);
  assert.equal(await by('0n'), 1, 'a rejected promise');
  assert.equal(await by('-1n'), 'SIGFPE');
});

for (const [op, all, some] of written) {
  test(`ONNX Runtime has not learned of outputs of ${op} that are left out: without the refusal the process ends`, async () => {
    const path = join(folder, 'writing.onnx');
    const feeds = "{ x: new Tensor('float32', new Float32Array(4), [1, 4]) }";
    await writeFile(path, writingModel(op, all));
    assert.equal(await endOf(path, feeds), 0);
    await writeFile(path, writingModel(op, some));
    assert.equal(await endOf(path, feeds), 'SIGSEGV');
  });
}

test('ONNX Runtime has not learned of empty tensors: without the refusal the process ends', async () => {
  const recurrent = join(folder, 'recurrent.onnx');
  await writeFile(recurrent, recurrentModel());
  const rows = (count: number): string =>
    `{ x: new Tensor('float32', new Float32Array(${count}), [1, ${count}, 1]) }`;
  assert.equal(await endOf(recurrent, rows(1)), 0);
  assert.equal(await endOf(recurrent, rows(0)), 'SIGABRT');
});
